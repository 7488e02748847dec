"""Each of four hangs ends in a restart, by the real service manager, and the journal says what hung."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from tests.booted.test_service import LISTENING, QUESTION
from tests.fakes.frozen import NotAllowedError, frozen

PATIENCE_S = 15
"""Of the service manager: half of what it has, and more than the 10 s after which a hung loop is named."""

RESTARTED_S = 90.0
"""A hang is named after 15 s, and ends that much later; a busy machine takes more."""

THREADS = 4
"""The least that the speaker has: capture, playback, wake word, loop."""

HANGS = {
    "capture": "the watchdog is not fed: capture has delivered nothing for",
    "playback": "the watchdog is not fed: playback has not moved for",
    "wake": "the watchdog is not fed: the wake word engine has scored nothing for",
    "loop": "the watchdog is not fed: the event loop has not turned for",
}
"""What the journal says of each."""


@pytest.mark.parametrize("hang", HANGS)
def test_a_hang_ends_in_a_restart(machine, stage, voice, figure, hang):
    """It is named, every thread's stack is in the journal, and the speaker listens again by itself."""
    machine.drop_in("20-watchdog", f"WatchdogSec={PATIENCE_S}")
    machine.systemctl("start", "speakerd")
    with contextlib.ExitStack() as stack:
        if hang == "capture":
            stage.room.set_fault("capture", "stall")
        elif hang == "playback":
            stage.say(voice(QUESTION))
            stage.wait_for("audible")
            stage.room.set_fault("playback", "stall")
        else:
            stack.enter_context(hanging(machine, hang))
        took_s = machine.wait_until(lambda: "Fatal Python error: Aborted" in machine.journal(), "its end", RESTARTED_S)
        figure(f"from the hang of {hang} to its end by the watchdog: {took_s:.0f} s")
    stage.room.clear_faults()
    machine.wait_until(lambda: machine.unit_property("NRestarts") == "1", "a restart")
    machine.wait_until(lambda: machine.unit_property("StatusText") == LISTENING, "a speaker that listens again")
    told = machine.journal()
    assert HANGS[hang] in told
    assert "Failed with result 'watchdog'" in told
    # Written when the hang was named, before the end by a signal wrote what it could.
    before = told.partition("Fatal Python error")[0]
    assert before.count("Thread 0x") >= THREADS
    assert "speakerd/wake/worker.py" in before
    assert machine.unit_property("NRestarts") == "1"


@contextlib.contextmanager
def hanging(machine, hang):
    """Stop one thread of the service from outside; the machine counts its threads otherwise."""
    main = int(machine.unit_property("MainPID"))
    within = main
    if hang == "wake":
        within = json.loads(machine.do("/opt/speakerd/bin/speakerd", "status", "--json"))["wake"]["thread_id"]
    try:
        with frozen(thread_outside(machine, main, within)):
            yield
    except NotAllowedError as error:
        pytest.skip(f"this kernel lets nobody stop another's thread: {error}")


def thread_outside(machine, main, within):
    """Return the id that a thread of the service has here."""
    space = machine.do("readlink", f"/proc/{main}/ns/pid").strip()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if str((process / "ns/pid").readlink()) != space:
                continue
            for task in (process / "task").iterdir():
                numbers = [line for line in (task / "status").read_text().splitlines() if line.startswith("NSpid:")]
                if numbers and numbers[0].split()[-1] == str(within):
                    return int(task.name)
    raise LookupError(within)
