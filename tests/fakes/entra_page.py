"""The fake authority's doors beside the protocol: a page to enter codes and break things, and commands for programs."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tests.fakes.authority_ca import Health
from tests.fakes.entra_answers import ENDPOINTS, FAULTS, Answer

if TYPE_CHECKING:
    from tests.fakes.entra import Entra

_FRAME = """<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Fake Entra</title><style>body{{font:1.2rem sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}}
input,select,button{{font:inherit;margin:.2rem;padding:.4rem}}</style><body>{content}"""


def page(entra: Entra, path: str) -> Answer:
    """Answer a person's GET: ``/device`` and ``/``; ``/journal`` for programs."""
    if path == "/journal":
        return _json([dataclasses.asdict(visit) for visit in entra.journal.visits()])
    if path == "/device":
        return _html(_CODE_FORM)
    if path != "/":
        return Answer(404, b"", kind="text/plain")
    waiting = ", ".join(code.user_code for code in entra.directory.open_codes()) or "none"
    return _html(f"{_CODE_FORM}<p>Codes that wait: {html.escape(waiting)}{_fault_form()}")


def command(entra: Entra, path: str, form: Mapping[str, str]) -> Answer:
    """Do what a POST asks for, from the page or from a program: one of ``COMMANDS``."""
    done = COMMANDS.get(path)
    if done is None:
        return Answer(404, b"", kind="text/plain")
    try:
        said = done(entra, form)
    except (KeyError, ValueError) as error:
        return Answer(400, f"{type(error).__name__}: {error}".encode(), kind="text/plain; charset=utf-8")
    return said or _html(f"<p>done: {html.escape(path)}. <a href=/>back</a>")


def _life(entra: Entra, form: Mapping[str, str]) -> None:
    entra.directory.token_life_s = float(form["seconds"])
    entra.directory.refresh_in_s = float(form["refresh_in"]) if form.get("refresh_in") else None


_Command = Callable[["Entra", Mapping[str, str]], Answer | None]

COMMANDS: dict[str, _Command] = {
    "/approve": lambda entra, form: _settled(entra.directory.approve(form.get("user_code") or None), "signed in"),
    "/decline": lambda entra, form: _settled(entra.directory.decline(form.get("user_code") or None), "declined"),
    "/fault": lambda entra, form: entra.fail(form["endpoint"], form["name"], float(form.get("times") or "inf")),
    "/heal": lambda entra, form: entra.heal(form.get("endpoint") or None),
    "/end-sign-ins": lambda entra, form: entra.directory.end_sign_ins(int(form.get("code") or 50173)),
    "/revoke-access-tokens": lambda entra, form: entra.directory.revoke_access_tokens(),
    "/take-role": lambda entra, form: entra.directory.take_role(back=bool(form.get("back"))),
    "/wear": lambda entra, form: entra.wear(Health(form["health"])),
    "/life": _life,
    "/advance": lambda entra, form: entra.directory.advance(float(form["seconds"])),
    "/judge": lambda entra, form: _json({"verdict": entra.directory.judge(form["token"])}),
}
"""What can be asked for by POST, and with which fields. What returns nothing is answered with a line."""


_CODE_FORM = """<h1>Enter code</h1><form method=post action=/approve>
<input name=user_code placeholder=Code autofocus autocomplete=off required>
<button>Sign in</button> <button formaction=/decline>Decline</button></form>"""


def _fault_form() -> str:
    endpoints, names = (
        "".join(f"<option>{name}</option>" for name in names) for names in ((*ENDPOINTS, "token"), FAULTS)
    )
    return f"""<h2>Break something</h2><form method=post action=/fault><select name=endpoint>{endpoints}</select>
<select name=name>{names}</select> <input name=times placeholder="for ever" size=6> times <button>Do</button></form>
<form method=post action=/heal><button>Heal everything</button></form>
<form method=post action=/end-sign-ins><button>Revoke all sign-ins</button></form>
<form method=post action=/revoke-access-tokens><button>Revoke access tokens</button></form>"""


def _settled(found: bool, what: str) -> Answer:
    if found:
        return _html(f"<p>You have {what}. You may close this page.")
    return dataclasses.replace(_html("<p>No sign-in waits for that code. <a href=/device>again</a>"), status=404)


def _html(content: str) -> Answer:
    return Answer(200, _FRAME.format(content=content).encode(), kind="text/html; charset=utf-8")


def _json(content: object) -> Answer:
    return Answer(200, json.dumps(content).encode())
