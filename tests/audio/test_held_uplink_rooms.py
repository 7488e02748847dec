"""Whoever speaks over a reply's end, in a room with an echo and behind the real canceller, is sent whole."""

from __future__ import annotations

import numpy as np
import pytest

from speakerd.audio.echo import EchoCanceller, EchoPath, Pcm
from speakerd.audio.held_uplink import HeldUplink
from speakerd.core.preroll import Preroll
from speakerd.core.talk_over import levels_dbfs
from speakerd.core.units import WIRE_RATE_HZ, Frames
from speakerd.core.uplink_gate import UplinkGate
from tests.fakes.ports import FakeTrace

PERIOD = 480
REPLY_S, QUESTION_S, TOTAL_S = 5.0, 1.8, 8.5
ROOM_DBFS, USER_DBFS = -65.0, -29.0
Float = np.ndarray


def voice(span_s: float, seed: int) -> Float:
    """Return noise of speech's pitches in syllables of differing loudness, as loud as the user."""
    random = np.random.default_rng(seed)
    frames = int(span_s * WIRE_RATE_HZ)
    spectrum = np.fft.rfft(random.standard_normal(frames))
    pitch_hz = np.fft.rfftfreq(frames, 1 / WIRE_RATE_HZ)
    sound = np.fft.irfft(spectrum * ((pitch_hz > 150) & (pitch_hz < 6000)) / np.maximum(pitch_hz, 150), frames)
    syllables = 0.1 + np.abs(np.sin(np.pi * 4 * np.arange(frames) / WIRE_RATE_HZ))
    sound *= syllables * np.repeat(random.uniform(0.5, 1.0, 100), WIRE_RATE_HZ // 4)[:frames]
    return sound / sound.std() * 10 ** (USER_DBFS / 20) * 32768


def placed(sound: Float, at_s: float) -> Float:
    """Return a sound in its place."""
    everything = np.zeros(int(TOTAL_S * WIRE_RATE_HZ))
    begin = int(at_s * WIRE_RATE_HZ)
    everything[begin : begin + len(sound)] = sound[: len(everything) - begin]
    return everything


def echo_of(reply: Float, echo_db: float) -> Float:
    """Return what a room that rings for 0.2 s makes of a reply, 30 ms later, so much louder than the user."""
    frames = WIRE_RATE_HZ // 5
    response = np.random.default_rng(3).standard_normal(frames) * 10 ** (-3 * np.arange(frames) / frames)
    response[0] = 4 * np.abs(response).max()
    response = np.concatenate((np.zeros(720), response / np.sqrt(response @ response)))
    size = len(reply) + len(response)
    heard = np.fft.irfft(np.fft.rfft(reply, size) * np.fft.rfft(response, size), size)[: len(reply)]
    return heard * 10 ** (echo_db / 20)


class Played:
    """A loudspeaker that plays a reply, and then nothing."""

    realignments = 0

    def __init__(self, reply: Pcm) -> None:
        self._reply = reply
        self._taken = 0

    def take(self, frames: int) -> Pcm | None:
        self._taken += frames
        return self._reply[self._taken - frames : self._taken]

    def realign(self) -> None:
        """Count anew."""

    def skip(self, frames: int) -> Pcm:
        return np.zeros(0, np.int16)

    def put_back(self, far: Pcm) -> None:
        """Take nothing."""


def sent_of(near: Pcm, reply: Pcm) -> Pcm:
    """Return what is sent, each frame in its place: silence during the reply, and what was held back of it later."""
    sent = np.zeros(len(near), np.int16)

    def send(piece: bytes, _first: Frames | None) -> None:
        pcm = np.frombuffer(piece, np.int16)
        sent[gate.next_frame - len(pcm) : gate.next_frame] = pcm

    preroll, echo = Preroll(len(near)), EchoPath(EchoCanceller(), Played(reply))
    gate = UplinkGate(preroll, send)
    uplink = HeldUplink(gate, preroll, echo, FakeTrace())
    uplink.open(Frames(0))
    for at in range(0, len(near), PERIOD):
        if at == 0:
            uplink.silence()
        preroll.append(echo.process(near[at : at + PERIOD]))
        uplink.pump()
        if at == int(REPLY_S * WIRE_RATE_HZ):
            uplink.open(None)
    return sent


@pytest.mark.parametrize("echo_db", [-6.0, 0.0, 6.0, 10.0])
@pytest.mark.parametrize("before_s", [0.1, 0.4, 0.8, 1.2])
def test_a_question_over_the_end_of_a_reply_is_sent_whole(before_s: float, echo_db: float) -> None:
    """No 20 ms of it are more than 10 dB quieter than they were said."""
    reply = placed(voice(REPLY_S, 1), 0.0)
    user = placed(voice(QUESTION_S, int(before_s * 10)), REPLY_S - before_s)
    room = np.random.default_rng(5).standard_normal(len(user)) * 10 ** (ROOM_DBFS / 20) * 32768
    near = np.rint(echo_of(reply, echo_db) + user + room).astype(np.int16)
    said, sent = levels_dbfs(user.astype(np.int16)), levels_dbfs(sent_of(near, reply.astype(np.int16)))
    spoken = said > USER_DBFS - 15
    assert np.count_nonzero(spoken & (sent < said - 10)) == 0
