"""The controller's outside, recorded: every port in one list of calls, a clock and a timer moved by hand."""

from __future__ import annotations

from collections.abc import Callable

from speakerd.core.events import Heard
from speakerd.core.units import Frames


class Recorder:
    """Implements every port by writing down what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.unheard_items: tuple[Heard, ...] = ()
        self.on_call: Callable[[tuple], None] = lambda call: None

    def _note(self, *call) -> None:
        self.calls.append(call)
        self.on_call(call)

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


class FakeUplink(Recorder):
    repeatable = Frames(0)

    def open(self, from_frame):
        self._note("uplink.open", from_frame)

    def repeat(self, from_frame):
        self._note("uplink.repeat", from_frame)

    def repeatable_from(self):
        return self.repeatable

    def silence(self):
        self._note("uplink.silence")

    def close(self):
        self._note("uplink.close")


class FakeLoudspeaker(Recorder):
    def accept(self, response_id):
        self._note("accept", response_id)

    def reject(self, response_id):
        self._note("reject", response_id)

    def flush(self):
        self._note("flush")

    def play_earcon(self, earcon):
        self._note("earcon", earcon)

    def unheard(self):
        return self.unheard_items


class FakeVoice(Recorder):
    def say(self, notice, *, asked):
        self._note("say", notice, asked)


class FakeLink(Recorder):
    def prepare(self):
        self._note("link.prepare")

    def abandon(self):
        self._note("link.abandon")

    def renew(self):
        self._note("link.renew")

    def configure_turns(self, *, interrupt):
        self._note("configure_turns", interrupt)

    def answer_call(self, call_id, output):
        self._note("answer_call", call_id, output)

    def ask(self):
        self._note("ask")

    def send_text(self, text, *, verbatim):
        self._note("send_text", text, verbatim)

    def open(self):
        self._note("link.open")

    def reopen(self):
        self._note("link.reopen")

    def close(self):
        self._note("link.close")

    def append(self, pcm, first_frame):
        self._note("append", len(pcm), first_frame)

    def truncate(self, item_id, heard_ms):
        self._note("truncate", item_id, heard_ms)

    def cancel(self, response_id):
        self._note("cancel", response_id)


class FakeIndicator(Recorder):
    def show(self, line):
        self._note("show", line)


class FakeTrace(Recorder):
    def mark(self, name, **fields):
        self._note(name, fields)


class FakeClock:
    """Time that moves when told; fires the timer that was armed."""

    def __init__(self) -> None:
        self.time_s = 1000.0
        self.armed: FakeTimer | None = None

    def now(self) -> float:
        return self.time_s

    def call_at(self, when, callback) -> FakeTimer:
        self.armed = FakeTimer(self, when, callback)
        return self.armed

    def advance(self, span_s: float) -> None:
        self.time_s += span_s
        timer = self.armed
        if timer is not None and timer.when <= self.time_s:
            self.armed = None
            timer.callback()


class FakeTimer:
    """What ``call_at`` gives back."""

    def __init__(self, clock: FakeClock, when: float, callback: Callable[[], None]) -> None:
        self._clock = clock
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        self._clock.armed = None
