"""The story of the demo as data, and the performer who plays it on a stage and checks each line."""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speakerd.demo.process import StageError
from speakerd.demo.stage import Stage
from speakerd.demo.timeline import Spoken

_ANSWER_TIMEOUT_S = 15.0
"""How long a reply may take to begin: the turn's silence, then ears and voice on a busy machine (guess)."""

_WAKE_TIMEOUT_S = 3.0
"""How long after its end the wake word may be noticed; 0.1 s on an idle machine (measured)."""

_CUT_TIMEOUT_S = 3.0
"""How long a voice may last over a reply before the reply must stop; 0.2 s (measured)."""

_TRANSCRIPT_S = 2.0
"""How long behind its end the transcript of a reply that was cut may come (guessed; on an idle machine 20 ms)."""

_LONGEST_REPLY_S = 40.0
"""No reply of the story is longer (guess)."""

_QUIET_AFTER_S = 0.5
"""How long the line is watched after the conversation is over."""


class Cue(enum.Enum):
    """When a line is said."""

    IDLE = "idle"
    """To a speaker that waits for its wake word."""

    FOLLOW_UP = "follow-up"
    """A moment after the reply, without the wake word."""

    OVER_REPLY = "over the reply"
    """Into the reply of the line before."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing the user says, and what must come of it."""

    title: str
    """What this line shows."""

    words: str
    """The sentence."""

    cue: Cue
    """When it is said."""

    answer: str
    """A pattern the answer must hold, where the service understands words."""

    wake_word: str | None = None
    """How the sentence begins, when it begins with the wake word."""

    delay_s: float = 0.0
    """After the cue: after quiet, or after the reply became audible."""


STORY = (
    Line(
        "wake word and question in one breath",
        "Hey Jarvis, what time is it?",
        Cue.IDLE,
        r"\d+:\d\d",
        wake_word="Hey Jarvis,",
    ),
    Line("a second turn without the wake word", "What is seven times eight?", Cue.FOLLOW_UP, r"\b56\b", delay_s=0.7),
    Line("a long answer", "Tell me a long story.", Cue.FOLLOW_UP, r"(?i)once upon a time", delay_s=0.7),
    Line(
        "interrupted by speech", "Wait, what is the capital of France?", Cue.OVER_REPLY, r"(?i)\bparis\b", delay_s=3.0
    ),
)
"""What the demo plays."""

REPLIES = (
    "It is ten to four.",
    "Seven times eight is 56.",
    (
        "Once upon a time there was a small loudspeaker on a kitchen shelf. It listened all day and said nothing. "
        "One evening somebody called it by its name, and it answered. From then on it was asked everything."
    ),
    "The capital of France is Paris.",
)
"""What the scripted tier answers, in turn; it hums this, for it has no voice."""


class Performer:
    """Plays a story on a stage.

    Args:
        stage: Where the daemon runs.
        story: What is said.
        narrate: Told what happens, line by line.
        understands: The service knows words, so its answers are checked.
    """

    def __init__(
        self, stage: Stage, story: Sequence[Line], narrate: Callable[[str], None], *, understands: bool
    ) -> None:
        self._stage = stage
        self._story = story
        self._narrate = narrate
        self._understands = understands
        self.spoken: list[Spoken] = []
        """What has been said so far."""

    def rehearse(self) -> None:
        """Synthesise every line, so that nobody waits for it on the stage. Heavy: a second or two."""
        for line in self._story:
            self._stage.prepare(line.words)

    async def play(self) -> None:
        """Play every line and wait until the speaker listens for its wake word again.

        Raises:
            StageError: something that must be true was not; the message says what, and in which line.
        """
        for number, line in enumerate(self._story, 1):
            last = number == len(self._story)
            is_cut = not last and self._story[number].cue is Cue.OVER_REPLY
            before = (self._story[number - 2], self.spoken[-1]) if self.spoken else None
            try:
                await self._play_line(line, before, is_cut=is_cut)
            except StageError as error:
                raise StageError(error.code, f'line {number}, "{line.words}" ({line.title}): {error}') from error
        await self._see_it_end()

    async def _play_line(self, line: Line, before: tuple[Line, Spoken] | None, *, is_cut: bool) -> None:
        spoken = self._say(line)
        if line.cue is Cue.IDLE:
            self._check_nothing_sent()
            await self._stage.wait_for(
                "wake", after_s=spoken.begin_s, timeout_s=spoken.end_s - self._stage.room.now_s() + _WAKE_TIMEOUT_S
            )
            self._note("(wake word detected)")
        if line.cue is Cue.OVER_REPLY and before is not None:
            timeout_s = spoken.begin_s - self._stage.room.now_s() + _CUT_TIMEOUT_S
            await self._stage.wait_for("flush", after_s=spoken.begin_s, timeout_s=timeout_s)
            self._note("(the reply is cut)")
            with contextlib.suppress(StageError):  # then the check says that there is none
                await self._stage.wait_for(
                    "transcript", after_s=before[1].begin_s, role="assistant", timeout_s=_TRANSCRIPT_S
                )
            self._check_answer(*before)
        await self._stage.until(spoken.end_s)
        audible = await self._stage.wait_for("audible", after_s=spoken.end_s, timeout_s=_ANSWER_TIMEOUT_S)
        if is_cut:
            return
        # Not the first time that the loudspeaker has nothing to play: on a busy machine a reply starves on its way.
        await self._stage.wait_for("state", before="speaking", after_s=audible["t"], timeout_s=_LONGEST_REPLY_S)
        if self._stage.marks("flush", after_s=audible["t"]):
            raise StageError("stage-self-cut", "the speaker was interrupted by its own voice")
        self._check_answer(line, spoken)

    def _say(self, line: Line) -> Spoken:
        pcm = self._stage.prepare(line.words)
        cue = {Cue.IDLE: None, Cue.FOLLOW_UP: "drained", Cue.OVER_REPLY: "audible"}[line.cue]
        at_s = None if cue is None else self._stage.marks(cue)[-1]["t"] + line.delay_s
        begin_s, end_s = self._stage.say(pcm, at_s=at_s)
        word_end_s = None
        if line.wake_word is not None:
            word_end_s = begin_s + len(self._stage.prepare(line.wake_word)) / self._stage.speech_rate_hz
        spoken = Spoken(line.words, begin_s, end_s, word_end_s)
        self.spoken.append(spoken)
        self._note(f"user: {line.words}", at_s=begin_s)
        return spoken

    def _check_nothing_sent(self) -> None:
        idle = [mark["t"] for mark in self._stage.marks("state") if mark["after"] == "idle"]
        since_s = idle[-1] if idle else 0.0
        sent = [mark for name in ("uplink", "link.open") for mark in self._stage.marks(name, after_s=since_s)]
        if sent:
            raise StageError("stage-leak", f"something left the machine before the wake word: {sent[0]}")

    def _check_answer(self, line: Line, spoken: Spoken) -> None:
        marks = self._stage.marks("transcript", after_s=spoken.begin_s)
        answers = [mark["text"] for mark in marks if mark["role"] == "assistant"]
        self._note(f"speaker: {answers[-1] if answers else '(no transcript)'}")
        if self._understands and not any(re.search(line.answer, answer) for answer in answers):
            heard = [mark["text"] for mark in marks if mark["role"] == "user"]
            raise StageError(
                "stage-answer", f"the answer was {answers}, not {line.answer!r}; the service heard {heard}"
            )

    async def _see_it_end(self) -> None:
        """Check that the conversation ends by itself and that nothing is sent then."""
        idle = await self._stage.wait_for(
            "state", after_s=self.spoken[-1].end_s, after="idle", timeout_s=_ANSWER_TIMEOUT_S
        )
        self._note("(the conversation is over; waiting for the wake word)", at_s=idle["t"])
        await self._stage.until(idle["t"] + _QUIET_AFTER_S)
        late = [mark for mark in self._stage.marks("uplink", after_s=idle["t"]) if "bytes" in mark]
        if late:
            raise StageError("stage-leak", f"audio was sent after the conversation: {late[0]}")

    def _note(self, text: str, at_s: float | None = None) -> None:
        since_s = (self._stage.room.now_s() if at_s is None else at_s) - self.spoken[0].begin_s
        self._narrate(f"{since_s:6.1f} s  {text}")
