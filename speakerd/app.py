"""The composition root: build every part, start in order, stop in reverse.

Here adapters meet: what hears and sounds is put together in ``sound_parts.py``, what deals with the service in
``service_parts.py``, and the conversation between the two in ``speaker.py``. Each is given the callables of the others
that it needs. Nothing is decided in any of these; decisions are in ``core/conversation.py``.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from speakerd.audio.alsa import silence_alsa_messages
from speakerd.core.errors import SpeakerdError
from speakerd.core.settings import Settings
from speakerd.host.hangup import Hangups
from speakerd.host.notify import Notifier
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
    sentences: Path | None = None,
    source: Source | None = None,
    hangups: Hangups | None = None,
) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Args:
        settings: The configuration.
        environment: Of the process.
        trace: The diary.
        socket: Where the control socket is put.
        sentences: The owner's own sentences that say what is wrong, if there are any.
        source: Where another configuration comes from; None: there is never another.
        hangups: By which it is asked for; None: it is not.

    Raises:
        SpeakerdError: the daemon cannot run.

    Ends: by signal, within two seconds.
    """
    silence_alsa_messages()
    async with AsyncExitStack() as stack:
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
        loop = asyncio.get_running_loop()
        if hangups is not None:
            hangups.listen(loop, speaker.reload)
            stack.callback(hangups.ignore, loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, speaker.stop)
            stack.callback(loop.remove_signal_handler, number)
        await speaker.run(socket)
