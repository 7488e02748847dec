"""The command: prints what is found as it is found, and writes the archive. What is looked at is ``examine.py``'s."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from speakerd import __version__
from speakerd.doctor.bundle import Story, write_bundle, wrong_with_place
from speakerd.doctor.examine import Examination
from speakerd.doctor.report import Line, format_line

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes (contract); the last as a shell says it: ended by SIGINT."""


class Page:
    """What people see: headings, what is being looked at, and what was found.

    Args:
        write: Shows text as it is.
        live: Whether a line may be written over, as on a terminal.
    """

    def __init__(self, write: Callable[[str], object], *, live: bool) -> None:
        self._write = write
        self._live = live
        self._group = ""
        self._doing = ""

    def begin(self, group: str, name: str) -> None:
        """Show that a check has begun."""
        if group != self._group:
            self._write(f"{'' if not self._group else chr(10)}{group}\n")
            self._group = group
        if self._live:
            self._doing = f"  ....  {name.replace('-', ' ')}"
            self._write(self._doing)

    def tell(self, line: Line) -> None:
        """Show what was found."""
        self.clear()
        self._write(f"{format_line(line)}\n")

    def ask(self, prompt: str) -> None:
        """Show what somebody is asked for."""
        self.clear()
        self._write(f"  {prompt}\n")

    def clear(self) -> None:
        """Take away what was being looked at."""
        if self._doing:
            self._write(f"\r{' ' * len(self._doing)}\r")
            self._doing = ""


def run(
    file: Path | None,
    environment: Mapping[str, str],
    control: Path,
    *,
    write: Callable[[str], None],
    complain: Callable[[str], object],
    live: bool,
    as_json: bool,
    say: bool,
    bundle: Path | None,
) -> int:
    """Look at everything, print it, and return the exit code: 1 when something failed.

    Args:
        file: The configuration; None: at its usual places.
        environment: Of the process.
        control: Where a running daemon listens.
        write: Shows text as it is.
        complain: Shows why the archive cannot be written.
        live: Whether a line may be written over.
        as_json: Print one JSON object, at the end.
        say: Ask the owner to say the wake word.
        bundle: Where the archive is written; None: nowhere.
    """
    if bundle is not None and (wrong := wrong_with_place(bundle)):
        complain(f"speakerd: {wrong}\n")
        return USAGE
    page = Page((lambda _text: None) if as_json else write, live=live)
    asking = Page(complain, live=False) if as_json else page
    examination = Examination(
        file, environment, control, begin=page.begin, tell=page.tell, ask=asking.ask if say else None
    )
    complete = True
    try:
        asyncio.run(examination.run())
    except KeyboardInterrupt:
        page.clear()
        complete = False
    found = examination.report.as_plain_data(__version__, complete=complete)
    if as_json:
        write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        write(f"\n{'' if complete else 'interrupted: '}{examination.report.summary()}\n")
    if not complete:
        return INTERRUPTED
    if bundle is not None:
        try:
            asyncio.run(write_bundle(bundle, Story(found, examination.status, examination.settings, environment)))
        except OSError as error:
            complain(f"speakerd: cannot write {bundle}: {error.strerror}\n")
            return FAILED
        if not as_json:
            write(f"wrote {bundle}, for a bug report: look through it before you send it\n")
    return OK if examination.report.ok else FAILED
