"""What somebody wrote, to be heard: ``speakerd say`` and ``ask``.

How it is spoken is the conversation's business (``core/text_cells.py``); here people are told what came of it. Texts
are heard one after the other, in the order in which they came, and never in the middle of a conversation. One whose
writer has gone (Ctrl-C) before its turn came is cancelled by the control socket and not heard; one that is being heard
is heard to its end, ``speakerd stop`` cuts it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.core.events import Device, DeviceLost, Event, StopRequested, TextGiven, WakeWordDetected
from speakerd.core.state import CANNOT_SIGN, SESSION_REDUCED, Phase, State
from speakerd.core.units import ItemId

MAX_CHARACTERS = 1000
"""Longer texts are refused: these take about a minute to say (chosen; at some 15 characters a second)."""

WAIT_S = 60.0
"""How long a text waits for a conversation to end (chosen: a cook's question with its answers, not an evening)."""


MAX_WAITING = 8
"""Texts that wait or are being heard; one more is refused: half of the control socket's places are left to who wants to
stop them (chosen)."""


class _Step(NamedTuple):
    """A step of the conversation."""

    before: State
    event: Event
    after: State


class TextDesk:
    """Has texts spoken, and answers when they were heard. Thread: event loop.

    Args:
        post: Takes ``TextGiven``.
        state: Tells what is known of the conversation.
        refresh: Looks at the date and the budget.
        expect: Keeps a place in the memory for a question of this name.
        remember: Puts its words there, once it is answered.
    """

    def __init__(
        self,
        post: Callable[[Event], None],
        state: Callable[[], State],
        *,
        refresh: Callable[[], None],
        expect: Callable[[ItemId], None],
        remember: Callable[[ItemId, str], None],
    ) -> None:
        self._post = post
        self._state = state
        self._refresh = refresh
        self._expect, self._remember = expect, remember
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._names = itertools.count(1)
        self._rest = asyncio.Event()
        self._ended: asyncio.Future[_Step] | None = None
        self._spoke = False
        self._words: list[str] = []

    @property
    def handlers(self) -> Mapping[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]:
        """The commands of the control socket that are answered here."""
        return {
            "say": lambda request: self._wait(text_of(request), verbatim=True),
            "ask": lambda request: self._wait(text_of(request), verbatim=False),
        }

    def on_step(self, before: State, event: Event, after: State) -> None:
        """Take note of a step of the conversation."""
        if after.phase is Phase.IDLE:
            self._rest.set()
        else:
            self._rest.clear()
        self._spoke = self._spoke or after.phase is Phase.SPEAKING
        if self._ended is not None and before.by_text and not after.by_text and not self._ended.done():
            self._ended.set_result(_Step(before, event, after))

    def on_transcript(self, role: str, text: str) -> None:
        """Take note of what was said."""
        if role == "assistant" and self._ended is not None:
            self._words.append(text)

    async def _wait(self, text: str, *, verbatim: bool) -> dict[str, Any]:
        """Have a text spoken in its turn.

        Raises:
            SpeakerdError: too many wait already (``say-busy``), or it was not heard to its end.
        """
        if self._waiting >= MAX_WAITING:
            sentence = f"{MAX_WAITING} texts wait to be heard already: ask again later, or end this one: speakerd stop"
            raise SpeakerdError("say-busy", sentence, Remedy.RETRY)
        self._waiting += 1
        try:
            return await self._speak(text, verbatim=verbatim)
        finally:
            self._waiting -= 1

    async def _speak(self, text: str, *, verbatim: bool) -> dict[str, Any]:
        """Have a text spoken and return the words that were heard.

        Raises:
            SpeakerdError: it was not heard to its end; the sentence says why and what to do.
        """
        async with self._turn:
            await self._until_rest()
            self._refresh()
            self._check()
            question = ItemId(f"text_{next(self._names)}")
            if not verbatim:
                self._expect(question)
            self._ended, self._spoke, self._words = asyncio.get_running_loop().create_future(), False, []
            try:
                self._post(TextGiven(text, verbatim))
                step = await self._ended
                self._check_heard(step)
                if not verbatim:
                    self._remember(question, text)
                return {"text": " ".join(self._words) or text, "line": "heard"}
            finally:
                self._ended = None

    async def _until_rest(self) -> None:
        """Wait until no conversation is under way.

        Raises:
            SpeakerdError: it goes on for too long (``say-busy``).
        """
        try:
            async with asyncio.timeout(WAIT_S):
                while self._state().phase is not Phase.IDLE:
                    self._rest.clear()
                    await self._rest.wait()
        except TimeoutError as error:
            sentence = f"a conversation has been under way for {WAIT_S:g} s: ask again later, or end it: speakerd stop"
            raise SpeakerdError("say-busy", sentence, Remedy.RETRY) from error

    def _check(self) -> None:
        """Refuse what could not be heard.

        Raises:
            SpeakerdError: there is no loudspeaker (``say-no-loudspeaker``), the budget is spent (``over-budget``) or
                nobody is signed in (``say-not-signed-in``).
        """
        state = self._state()
        if Device.LOUDSPEAKER in state.lost:
            sentence = "no loudspeaker: speakerd devices lists what there is, and speakerd goes on looking"
            raise SpeakerdError("say-no-loudspeaker", sentence, Remedy.OPERATOR)
        if state.over_budget:
            sentence = "today's budget is spent: wait for tomorrow, or raise budget.daily_usd"
            raise SpeakerdError("over-budget", sentence, Remedy.OPERATOR)
        if not state.can_sign and state.sign_in in CANNOT_SIGN:
            raise SpeakerdError("say-not-signed-in", CANNOT_SIGN[state.sign_in], Remedy.OPERATOR)

    def _check_heard(self, step: _Step) -> None:
        """Refuse to call heard what was not.

        Raises:
            SpeakerdError: it was cut (``say-stopped``, ``say-interrupted``), the loudspeaker went away
                (``say-no-loudspeaker``), the service failed (with its own code) or gave no sound (``say-silent``).
        """
        match step.event:
            case StopRequested():
                raise SpeakerdError("say-stopped", "it was stopped before it was heard to its end", Remedy.OPERATOR)
            case WakeWordDetected():
                sentence = "the wake word was said before it was heard to its end"
                raise SpeakerdError("say-interrupted", sentence, Remedy.OPERATOR)
            case DeviceLost():
                sentence = "the loudspeaker went away before it was heard to its end: speakerd devices"
                raise SpeakerdError("say-no-loudspeaker", sentence, Remedy.OPERATOR)
        trouble = step.after.trouble
        if trouble is not None and trouble != SESSION_REDUCED:
            sentence = "the service did not do it: speakerd status says how it stands, journalctl -u speakerd says more"
            raise SpeakerdError(trouble, sentence, Remedy.RETRY)
        if not self._spoke:
            sentence = "the service answered without a sound: put it in other words, or see journalctl -u speakerd"
            raise SpeakerdError("say-silent", sentence, Remedy.RETRY)


def text_of(request: Mapping[str, Any]) -> str:
    """Return the text of a request, its white space made single blanks.

    Raises:
        SpeakerdError: there is none, or it is too long (``say-text``).
    """
    text = request.get("text")
    words = " ".join(text.split()) if isinstance(text, str) else ""
    if not words:
        raise SpeakerdError("say-text", 'there is nothing to say: speakerd say "Dinner is ready."', Remedy.OPERATOR)
    if len(words) > MAX_CHARACTERS:
        sentence = f"the text has {len(words)} characters, {MAX_CHARACTERS} are allowed: say it in parts"
        raise SpeakerdError("say-text", sentence, Remedy.OPERATOR)
    # JSON can name half a surrogate pair, which no socket could send on.
    return words.encode("utf-8", "replace").decode("utf-8")
