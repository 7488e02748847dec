"""The controller performs what the core decides, through its ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from speakerd.controller import Controller
from speakerd.core.actions import Earcon
from speakerd.core.echo_path import BargeIn, EchoFigures
from speakerd.core.events import (
    AudioStarted,
    Device,
    DeviceFound,
    EchoMeasured,
    FunctionCalled,
    Heard,
    LinkLost,
    LinkUp,
    MuteChanged,
    PauseHeard,
    PlaybackDrained,
    ResponseCreated,
    ResponseDone,
    SessionExpiring,
    SpeechStarted,
    SpeechStopped,
    StopRequested,
    TextGiven,
    WakeWordApproached,
    WakeWordDetected,
)
from speakerd.core.functions import UNKNOWN_FUNCTION
from speakerd.core.guess import GUESS_DECLINED
from speakerd.core.notices import Notice
from speakerd.core.state import Limits, Phase
from speakerd.core.units import Frames, ItemId, Ms, ResponseId
from tests.fakes.ports import FakeClock, FakeIndicator, FakeLink, FakeLoudspeaker, FakeTrace, FakeUplink, FakeVoice

WAKE = WakeWordDetected("hey_jarvis", 0.9, Frames(48_000))
R1 = ResponseId("resp_1")


@dataclass
class House:
    """A controller with its surroundings."""

    limits: Limits = field(default_factory=Limits)
    uplink: FakeUplink = field(default_factory=FakeUplink)
    loudspeaker: FakeLoudspeaker = field(default_factory=FakeLoudspeaker)
    voice: FakeVoice = field(default_factory=FakeVoice)
    link: FakeLink = field(default_factory=FakeLink)
    indicator: FakeIndicator = field(default_factory=FakeIndicator)
    trace: FakeTrace = field(default_factory=FakeTrace)
    clock: FakeClock = field(default_factory=FakeClock)
    on_idle: Callable[[], None] = lambda: None

    def __post_init__(self):
        self.controller = Controller(
            uplink=self.uplink,
            loudspeaker=self.loudspeaker,
            voice=self.voice,
            link=self.link,
            indicator=self.indicator,
            clock=self.clock,
            trace=self.trace,
            limits=self.limits,
            call_at=self.clock.call_at,
            on_idle=self.on_idle,
        )
        self.post(DeviceFound(Device.MICROPHONE), DeviceFound(Device.LOUDSPEAKER))

    def post(self, *events):
        for event in events:
            self.controller.post(event)


@pytest.fixture
def house():
    return House()


def test_wake_opens_uplink_and_link(house):
    """The wake word reaches the ports as calls."""
    house.post(WAKE)
    assert house.uplink.calls == [("uplink.open", 48_000 - 7_200)]
    assert house.link.calls == [("link.open",)]
    assert house.loudspeaker.calls == [("flush",)], "a sentence may be playing"
    assert house.indicator.calls[-1] == ("show", "in conversation, turn 1")


def test_a_pause_is_answered_by_a_sound(house):
    """The user who waits behind the wake word hears that the speaker listens."""
    house.post(WAKE, PauseHeard())
    assert house.loudspeaker.calls == [("flush",), ("earcon", Earcon.WAKE)]


def test_barge_in_carries_what_was_heard(house):
    """Speech during a reply truncates at what the loudspeaker says was heard."""
    house.post(WAKE, LinkUp(), SpeechStarted(), SpeechStopped(), ResponseCreated(R1), AudioStarted(R1))
    house.loudspeaker.unheard_items = (Heard(ItemId("item_1"), Ms(740)),)
    house.post(SpeechStarted())
    assert house.loudspeaker.names()[-2:] == ["flush", "reject"]
    assert house.link.calls[-1] == ("truncate", "item_1", 740)


def test_half_duplex_and_cancel_reach_the_ports():
    """Silence on the uplink and a cancel by wake word are performed."""
    house = House(limits=Limits(barge_in=BargeIn.WAKE_WORD))
    house.post(WAKE, LinkUp(), SpeechStarted(), SpeechStopped(), ResponseCreated(R1), AudioStarted(R1), WAKE)
    assert ("uplink.silence",) in house.uplink.calls
    assert ("cancel", R1) in house.link.calls


def test_an_echo_that_is_too_loud_reaches_the_service():
    """The service is told not to interrupt itself, and hears silence for the rest of the reply."""
    house = House(limits=Limits(barge_in_measured=True))
    house.post(WAKE, LinkUp(), SpeechStarted(), SpeechStopped(), ResponseCreated(R1), AudioStarted(R1))
    house.post(EchoMeasured(EchoFigures(), BargeIn.WAKE_WORD))
    assert house.link.calls[-1] == ("configure_turns", False)
    assert house.uplink.calls[-1] == ("uplink.silence",)


def test_a_guess_is_prepared_and_abandoned(house):
    """A rising score begins to connect; without a wake word the connection is dropped in time."""
    house.post(WakeWordApproached(0.3))
    house.clock.advance(house.limits.prepare_s)
    assert house.link.names() == ["link.prepare", "link.abandon"]


def test_a_guess_that_is_declined_is_forgotten_at_once(house):
    """The link's answer comes while it is being asked: there is no timer, and nothing to abandon."""
    house.link.on_call = lambda call: call == ("link.prepare",) and house.post(LinkLost(GUESS_DECLINED))
    house.post(WakeWordApproached(0.3), WakeWordApproached(0.4))
    assert house.clock.armed is None
    assert house.link.names() == ["link.prepare", "link.prepare"]


def test_a_session_is_renewed_in_the_window(house):
    """The new session is asked for while nobody speaks."""
    house.post(WAKE, LinkUp(), SpeechStarted(), SpeechStopped(), ResponseCreated(R1), AudioStarted(R1))
    house.post(ResponseDone(R1, "completed"), PlaybackDrained(), SessionExpiring())
    assert house.link.names()[-1] == "link.renew"


def test_a_question_is_asked_again(house):
    """The link's loss travels with what can be sent again; the session is there before the sound goes to it."""
    order = []
    house.link.on_call = house.uplink.on_call = order.append
    house.uplink.repeatable = Frames(50_000)
    house.post(WAKE, LinkUp(), SpeechStarted(from_frame=Frames(50_000)), LinkLost("link-lost"))
    assert order[-2:] == [("link.reopen",), ("uplink.repeat", 50_000)]
    house.clock.advance(house.limits.ask_again_s)
    assert order[-2:] == [("uplink.close",), ("link.close",)]
    house.uplink.repeatable = Frames(50_001)
    house.post(WAKE, LinkUp(), SpeechStarted(from_frame=Frames(50_000)), LinkLost("link-lost"))
    assert house.link.names()[-1] == "link.close", "its beginning is gone"


def test_a_function_call_is_answered_and_followed(house):
    """The result goes out, and the service is asked to go on when its response is over."""
    house.post(WAKE, LinkUp(), SpeechStarted(), SpeechStopped(), ResponseCreated(R1))
    house.post(FunctionCalled(R1, "call_1", "fly", "{}"), ResponseDone(R1, "completed"))
    assert house.link.calls[-2:] == [("answer_call", "call_1", UNKNOWN_FUNCTION), ("ask",)]


def test_the_deadline_is_a_timer(house):
    """When nothing is said in time, the conversation ends by itself."""
    house.post(WAKE, LinkUp())
    house.clock.advance(7.9)
    assert house.controller.state.phase is Phase.LISTENING
    house.clock.advance(0.2)
    assert house.controller.state.phase is Phase.IDLE
    assert house.link.calls[-1] == ("link.close",)
    assert house.clock.armed is None


def test_timer_is_forgotten_when_speech_plays(house):
    """While a reply is audible there is no deadline."""
    house.post(WAKE, LinkUp(), SpeechStarted(), SpeechStopped(), ResponseCreated(R1), AudioStarted(R1))
    assert house.clock.armed is None
    house.post(ResponseDone(R1, "completed"), PlaybackDrained())
    assert house.clock.armed is not None


def test_events_caused_by_actions_wait_their_turn(house):
    """An event posted from within an action is handled after that event's actions are done."""
    house.link.on_call = lambda call: house.post(LinkLost("link-refused")) if call == ("link.open",) else None
    house.post(WAKE)
    assert house.controller.state.phase is Phase.IDLE
    assert house.voice.calls == [("say", Notice.OFFLINE, True)]


def test_a_failing_port_does_not_wedge_the_controller(house):
    """An exception in a port leaves the controller able to take the next event."""

    def fail(call):
        raise RuntimeError(call)

    house.link.on_call = fail
    with pytest.raises(RuntimeError):
        house.post(WAKE)
    house.link.on_call = lambda call: None
    house.post(StopRequested())
    assert house.controller.state.phase is Phase.IDLE


def test_transitions_are_traced(house):
    """Every change of phase is one mark."""
    house.post(WAKE, StopRequested())
    marks = [fields for name, fields in house.trace.calls if name == "state"]
    assert [(mark["before"], mark["after"], mark["on"]) for mark in marks] == [
        ("idle", "listening", "WakeWordDetected"),
        ("listening", "idle", "StopRequested"),
    ]


def test_status_line(house):
    """The line is what the indicator shows."""
    house.post(MuteChanged(muted=True))
    assert house.controller.status_line() == "muted"


def test_a_text_reaches_the_link_and_each_step_is_told():
    """Whoever waits for its end sees every step, when its actions are done."""
    steps = []
    desk = House()
    controller = Controller(
        uplink=desk.uplink,
        loudspeaker=desk.loudspeaker,
        voice=desk.voice,
        link=desk.link,
        indicator=desk.indicator,
        clock=desk.clock,
        trace=desk.trace,
        limits=desk.limits,
        call_at=desk.clock.call_at,
        on_step=lambda before, event, after: steps.append((before.phase, type(event).__name__, after.phase)),
    )
    controller.post(DeviceFound(Device.LOUDSPEAKER))
    controller.post(TextGiven("Dinner is ready.", verbatim=True))
    assert desk.link.calls == [("link.open",), ("send_text", "Dinner is ready.", True)]
    assert steps[-1] == (Phase.IDLE, "TextGiven", Phase.THINKING)


def test_other_limits_hold_from_the_next_event_on(house):
    """A shorter window in the middle of a conversation; the line that people see is true at once."""
    house.post(WAKE, LinkUp(), SpeechStarted(), SpeechStopped(), ResponseCreated(R1), AudioStarted(R1))
    house.controller.use(replace(house.controller.limits, follow_up_s=0, words=("alexa",)))
    house.post(ResponseDone(R1, "completed"), PlaybackDrained())
    assert house.controller.state.phase is Phase.IDLE, "there was no window"
    assert house.indicator.calls[-1] == ("show", 'listening for "alexa"')
    house.controller.use(replace(house.controller.limits, words=("hey_jarvis",)))
    assert house.indicator.calls[-1] == ("show", 'listening for "hey jarvis"')


def test_the_end_of_a_conversation_is_told_once(house):
    """When all is closed; what is at rest already has no end."""
    ended = []
    house = House(on_idle=lambda: ended.append(house.link.calls[-1]))
    house.post(StopRequested(), WAKE)
    assert ended == []
    house.post(StopRequested())
    assert ended == [("link.close",)]
    house.post(StopRequested(), MuteChanged(muted=True))
    assert len(ended) == 1
