"""The composition root: build every part, start in order, stop in reverse.

Here adapters meet: what hears and sounds is put together in ``sound_parts.py``, what deals with the service in
``service_parts.py``, and the conversation between the two in ``speaker.py``. Each is given the callables of the others
that it needs. Nothing is decided in any of these; decisions are in ``core/conversation.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from speakerd.audio.alsa import silence_alsa_messages
from speakerd.core.errors import SpeakerdError
from speakerd.core.settings import Settings
from speakerd.host.notify import Notifier
from speakerd.host.signals import Signals
from speakerd.ports import Trace
from speakerd.reload import Source
from speakerd.service_place import service_place
from speakerd.speaker import Speaker


async def run(
    settings: Settings,
    *,
    environment: Mapping[str, str],
    trace: Trace,
    socket: Path,
    signals: Signals,
    sentences: Path | None = None,
    source: Source | None = None,
) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Args:
        settings: The configuration.
        environment: Of the process.
        trace: The diary.
        socket: Where the control socket is put.
        signals: By which it is asked to end, and for another configuration.
        sentences: The owner's own sentences that say what is wrong, if there are any.
        source: Where another configuration comes from; None: there is never another.

    Raises:
        SpeakerdError: the daemon cannot run.

    Ends: by signal, within two seconds, also while it starts.
    """
    silence_alsa_messages()
    task = asyncio.current_task()
    assert task is not None
    signals.listen(task.cancel)
    try:
        async with AsyncExitStack() as stack:
            stack.callback(signals.ignore)
            speaker: Speaker | None = None

            def on_ended(error: SpeakerdError) -> None:
                if speaker is not None:
                    speaker.fail(error)

            place = await stack.enter_async_context(service_place(on_ended))
            speaker = Speaker(
                settings,
                await place.reach(settings),
                trace,
                Notifier(),
                environment=environment,
                sentences=sentences,
                source=source,
                place=place,
            )
            signals.listen(speaker.stop, speaker.reload)
            await speaker.run(socket)
    except asyncio.CancelledError:
        if not signals.stopped:
            raise
