"""Whether onnxruntime can be loaded here at all: asked in a child process, because the answer may be its death.

A build for a newer processor ends with an illegal instruction, and one that cannot make out the processor aborts; both
take the whole process along, and a service that is started again dies again. What a child found is written down, so
that it is asked once for each onnxruntime and each processor. Which engine is taken then is ``engine.py``'s business.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger("speakerd.wake")

TIMEOUT_S = 60.0
"""How long the child may take: half a second on a desktop, some five on a small board (estimate)."""

_CARES = """\
import ctypes, os, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its death is an answer, and leaves nothing behind
ctypes.CDLL(None).prctl(1, 9)  # it dies with whoever asked: a child that hangs would outlive a daemon that is stopped
"""
"""What the child does first; 1 is PR_SET_PDEATHSIG, 9 SIGKILL (specified by Linux)."""

_PROGRAM = (
    _CARES
    + """\
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
given = {i.name: numpy.zeros([n if isinstance(n, int) else 1 for n in i.shape], "f4") for i in session.get_inputs()}
session.run(None, given)
"""
)
"""What the child does: what the engine does first, on nothing."""

_COMMAND = (sys.executable, "-I", "-c", _PROGRAM)
"""Isolated: nothing of the environment or of the working directory is imported."""

_ENVIRONMENT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH")
"""What the child gets of the environment: no secret is among it (chosen)."""

_DEADLY = frozenset({signal.SIGILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGSYS})
"""Signals that a program brings upon itself: it will again. Others come from outside, as from a lack of memory."""

_IDENTITY = re.compile(
    r"^(?:model name|cpu family|model|stepping|flags|CPU \w+|Features|Hardware|Model)\s*:.*$", re.MULTILINE
)
"""What says in ``/proc/cpuinfo`` which processor it is; the rest changes with its clock (specified by Linux)."""

_FILE = "onnxruntime.json"


def trouble(
    model: Path, state: Path | None, *, command: Sequence[str] = _COMMAND, timeout_s: float = TIMEOUT_S
) -> str | None:
    """Return how onnxruntime fails on this machine, for a person; None: it does not. Waits for a child: off the loop.

    Args:
        model: A network to try.
        state: The folder where the answer is kept; None: it is not.
        command: What to start, with the network's path behind it; for tests.
        timeout_s: How long it may take.
    """
    about = _about()
    kept = None if state is None else state / _FILE
    known, found = _recall(kept, about)
    if not known:
        found, lasts = _ask([*command, str(model)], timeout_s)
        if lasts:
            _keep(kept, about, found)
    return found


def _ask(command: list[str], timeout_s: float) -> tuple[str | None, bool]:
    """Return how a child fails, None if it does not, and whether the next one will find the same."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        child = subprocess.run(  # noqa: S603 - no part of it is foreign
            command,
            env={**environment, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not loaded within {timeout_s:g} s", False
    except OSError as error:
        return f"it could not be tried: {error.strerror}", False
    if child.returncode == 0:
        return None, True
    if child.returncode > 0:
        said = child.stderr.decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"trying it ended with {child.returncode}", False
    number = -child.returncode
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"loading it ends the process with {name}", number in _DEADLY


def _about() -> dict[str, str]:
    """Return what an answer is about: which onnxruntime, on which processor, under which kernel."""
    try:
        version = importlib.metadata.version("onnxruntime")
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        first = ""
    processor = "; ".join(re.sub(r"\s*:\s*", ": ", line) for line in _IDENTITY.findall(first))
    # The kernel says which processors there are; one fatal bug was in how that is read.
    return {"onnxruntime": version, "machine": platform.machine(), "kernel": platform.release(), "processor": processor}


def _recall(kept: Path | None, about: dict[str, str]) -> tuple[bool, str | None]:
    """Return whether the answer is known, and the answer."""
    try:
        found = json.loads(kept.read_text(encoding="utf-8")) if kept is not None else None
    except (OSError, ValueError, RecursionError):  # the last one is what brackets without end give
        return False, None
    match found:
        case {"about": told, "trouble": None | str() as answer} if told == about:
            return True, answer
        case _:
            return False, None


def _keep(kept: Path | None, about: dict[str, str], found: str | None) -> None:
    """Write an answer down; where that fails the next start asks again."""
    if kept is None:
        return
    part = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"about": about, "trouble": found}, indent=2) + "\n", encoding="utf-8")
        part.replace(kept)
    except OSError as error:
        log.info("what was found about onnxruntime is not kept: %s", error.strerror)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
