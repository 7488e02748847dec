"""``speakerd demo``: one whole conversation on this machine, told as it goes, kept as sound, picture and figures."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakerd.core.errors import SpeakerdError
from speakerd.core.units import WIRE_RATE_HZ
from speakerd.demo import picture, table, timeline
from speakerd.demo.process import StageError, last_lines
from speakerd.demo.room import ROOM_RATE_HZ, resample
from speakerd.demo.script import REPLIES, STORY, Performer
from speakerd.demo.stage import Stage

CONFIG: dict[str, Any] = {
    "service": {"transcription": "whisper-1"},
    "conversation": {"follow_up_s": 3.0},
}
"""What the demo changes in the stage's configuration: both sides are written down, and the conversation ends soon."""

_MARGIN_S = 0.6
"""Quiet kept before and after the conversation in the recording."""

_ROOM_S = 240.0
"""The conversation takes half a minute; a very slow machine may take more."""

Say = Callable[[str], None]
"""Takes one line for a person."""


@dataclass(frozen=True)
class Scene:
    """What is left of a conversation when the stage is cleared."""

    timeline: timeline.Timeline
    """What happened when."""

    marks: list[dict[str, Any]]
    """The daemon's diary."""

    begin_s: float
    """The first sample of the recordings."""

    user: NDArray[np.int16]
    """The user's voice in the room, at ``ROOM_RATE_HZ``."""

    speaker: NDArray[np.int16]
    """The loudspeaker in the room, at ``ROOM_RATE_HZ``."""

    echo_gain_db: float | None
    """How loud the microphone heard the loudspeaker; None: not at all."""

    def cut(self, span: tuple[float, float]) -> NDArray[np.int16]:
        """Return what the loudspeaker played between two moments."""
        first, end = (round((moment - self.begin_s) * ROOM_RATE_HZ) for moment in span)
        return self.speaker[max(0, first) : end]


def show(out: Path, tier: str, say: Say) -> bool:
    """Hold the demo's conversation.

    Args:
        out: Where sound, picture, figures and logs are written; made if missing.
        tier: Of the embedded service: ``auto``, ``scripted`` or ``neural``.
        say: Told what happens.

    Returns:
        Whether the conversation worked.
    """
    logs = out / "logs"
    try:
        out.mkdir(parents=True, exist_ok=True)
        scene, tier_used, failure = asyncio.run(_perform(logs, tier, say))
    except SpeakerdError as error:
        _explain(error, logs, say)
        return False
    recognised = _recognise(scene, say) if tier_used == "neural" else []
    _write(out, scene, recognised)
    say("")
    say(table.format_transcripts(scene.timeline, recognised))
    say("")
    say(table.format_timeline(scene.timeline))
    say("")
    for name, what in (("room.wav", "what a person in the room heard"), ("timeline.svg", "the same as a picture")):
        say(f"{out / name}: {what}")
    if failure is not None:
        _explain(failure, logs, say)
        return False
    say("the conversation worked: asked in one breath, followed up, interrupted, and nothing left before the wake word")
    return True


async def _perform(logs: Path, tier: str, say: Say) -> tuple[Scene, str, SpeakerdError | None]:
    """Play the story and return what is left of it, and what went wrong if anything was said at all."""
    say("building the virtual sound card")
    stage = Stage(
        logs, tier=tier, replies=REPLIES, room_s=_ROOM_S, config=CONFIG, start_service=False, start_daemon=False
    )
    async with stage:
        say("starting the service")
        await stage.start_service()
        understands = stage.tier == "neural"
        note = "" if understands else " (it hums and knows no words)"
        say(f"the service listens at {stage.url}, tier {stage.tier}{note}")
        performer = Performer(stage, STORY, say, understands=understands)
        say("the user learns the lines")
        await asyncio.to_thread(performer.rehearse)
        say("starting the daemon")
        await stage.start_daemon()
        say(f"the daemon is ready: {(await stage.status())['line']}")
        failure: SpeakerdError | None = None
        try:
            await performer.play()
        except SpeakerdError as error:
            if not performer.spoken:
                raise
            failure = error
        scene = _record(stage, performer)
        code = await stage.stop_daemon()
        if failure is None and code != 0:
            failure = StageError("stage-ended", f"the daemon ended with {code} when it was told to stop")
        return scene, stage.tier or tier, failure


def _record(stage: Stage, performer: Performer) -> Scene:
    marks = stage.marks()
    begin_s, now_s = performer.spoken[0].begin_s - _MARGIN_S, stage.room.now_s()
    # From one on: a reply's quiet breath belongs to it.
    sounds = stage.room.audible_spans(begin_s, now_s, threshold=1)
    told = timeline.build(marks, performer.spoken, sounds)
    end_s = min(now_s, told.end_s + _MARGIN_S)
    speaker = stage.room.heard(begin_s, end_s)
    user = np.clip(stage.room.mixed(begin_s, end_s).astype(np.int32) - speaker, -32768, 32767).astype(np.int16)
    return Scene(told, marks, begin_s, user, speaker, stage.card.echo_gain_db)


def _recognise(scene: Scene, say: Say) -> list[str | None]:
    """Return what an ear in the room understands of each reply; it knows nothing of what was meant."""
    from speakerd.embedded.ears import WhisperEars

    say("listening to the recording of the room")
    ears = WhisperEars()
    recognised: list[str | None] = []
    for turn in scene.timeline.turns:
        if turn.audible_s is None or turn.silent_s is None:
            recognised.append(None)
            continue
        pcm = resample(scene.cut((turn.audible_s, turn.silent_s)), ROOM_RATE_HZ, WIRE_RATE_HZ)
        recognised.append(ears.hear(pcm.astype("<i2").tobytes()).text)
    return recognised


def _write(out: Path, scene: Scene, recognised: list[str | None]) -> None:
    both = np.clip(scene.user.astype(np.int32) + scene.speaker, -32768, 32767).astype("<i2")
    with wave.open(str(out / "room.wav"), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(ROOM_RATE_HZ)
        stream.writeframes(both.tobytes())
    data = scene.timeline.as_plain_data() | {"room_heard": recognised}
    (out / "timeline.json").write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    text = table.format_transcripts(scene.timeline, recognised) + "\n\n" + table.format_timeline(scene.timeline)
    (out / "transcript.txt").write_text(text + "\n", encoding="utf-8")
    echo_gain = 0.0 if scene.echo_gain_db is None else 10 ** (scene.echo_gain_db / 20)
    sound = picture.Sound(scene.begin_s, ROOM_RATE_HZ, scene.user, scene.speaker, echo_gain)
    (out / "timeline.svg").write_text(picture.draw(scene.timeline, scene.marks, sound), encoding="utf-8")


def _explain(error: SpeakerdError, logs: Path, say: Say) -> None:
    say(f"the conversation did not work: {error}")
    log = logs / "daemon.log"
    if log.exists():
        say(f"the daemon's last lines; all of it is in {logs}:")
        say(last_lines(log.read_text(encoding="utf-8", errors="replace")))
