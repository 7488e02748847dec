"""``speakerd run``: the process around the speaker, from its first moment to its last.

What is loaded, and when, is decided here: a stop is heeded before anything takes its time. The speaker is ``app.py``'s.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from speakerd import __version__
from speakerd.core.errors import Remedy, SpeakerdError

if TYPE_CHECKING:
    from speakerd.ports import Trace

STDERR_FILENO = 2
"""Standard error, which the service manager takes into its journal (specified)."""

TRACE_VARIABLE = "SPEAKERD_TRACE"
"""Names a file for the diary of everything that happens, transcripts included; used by the demo and the tests."""


def run(config_file: Path | None, log_level: str) -> None:
    """Listen, and talk, until a signal ends it; then the process ends, whatever its threads do.

    Args:
        config_file: The configuration that was asked for; None: the first of the usual places.
        log_level: The least that is told in the journal.

    Raises:
        SpeakerdError: the configuration, a model or the diary cannot be used.
    """
    # Before numpy is loaded: its threads would spin for nothing on a Pi's four cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Before pydantic is: it would read what every installed package offers, and load what calls itself its plugin.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from speakerd.host.signals import Signals

    signals = Signals()  # before anything that takes its time
    # All of this stays for good: to look through it for what does not is a tenth of what it takes to load it (measured:
    # 400 -> 350 ms of CPU).
    gc.disable()
    from speakerd import app, config
    from speakerd.core.story import Kind, story
    from speakerd.host import control, logs
    from speakerd.reload import Source

    gc.enable()
    # A watchdog ends us by SIGABRT: then, and in a crash, the journal gets every thread's stack, without any values.
    # It is written by C code that needs nobody's lock, so also when a call into ALSA holds the interpreter.
    faulthandler.enable(STDERR_FILENO)
    logs.set_up(log_level)
    loaded = config.load(config_file, os.environ)
    log = logging.getLogger("speakerd")
    begins = story(Kind.STARTING, version=__version__)
    log.info("speakerd %s, configuration: %s", __version__, loaded.path or "defaults, no file", extra=begins)
    for note in loaded.notes:
        log.warning("%s", note)
    trace = _diary(os.environ.get(TRACE_VARIABLE))

    async def serve() -> None:
        await app.run(
            loaded.settings,
            environment=os.environ,
            trace=trace,
            socket=control.socket_path(os.environ),
            sentences=loaded.path.parent / "sentences" if loaded.path is not None else None,
            # A file that was there and is gone is a mistake, not the wish for every default.
            source=Source(loaded.path, lambda: config.load(loaded.path or config_file, os.environ)),
            signals=signals,
        )
        if signals.stopped:
            _leave()

    asyncio.run(serve())


def _diary(file: str | None) -> Trace:
    """Return the diary that is written into a file; None: none is wanted.

    Raises:
        SpeakerdError: ``trace-failed``.
    """
    from speakerd.host.trace import FileTrace, NoTrace

    try:
        return FileTrace(Path(file), time.monotonic) if file else NoTrace()
    except OSError as error:
        sentence = f"{TRACE_VARIABLE}={file}: the diary cannot be written: {error.strerror}"
        raise SpeakerdError("trace-failed", sentence, Remedy.OPERATOR) from error


def _leave() -> NoReturn:
    """End the process, with all that was begun put away, and wait for no thread of a library.

    One may be looking up a name, which takes up to half a minute where no server answers, or loading a package; none of
    them has anything to lose, and Python would wait for each.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(os.EX_OK)
