"""The volume control of a card, which is not there in a machine without one."""

from __future__ import annotations

import pytest

from speakerd.audio import alsa
from speakerd.audio.mixer import Mixer, mixer_of
from speakerd.core.errors import DeviceError


class Jack:
    """A control as the Pi's own jack has it; a quarter of a decibel is as fine as it gets."""

    def __init__(self):
        self.stands_db = -20.0

    def range_db(self):
        return (-102.39, 4.0)

    def db(self):
        return self.stands_db

    def set_db(self, db):
        self.stands_db = round(4 * db) / 4


def mixer(*there: str, wanted: str = "auto", jack: Jack | None = None) -> Mixer:
    return Mixer(
        "plughw:CARD=Headphones,DEV=0",
        wanted,
        controls=lambda card: {"hw:Headphones": there}[card],
        open_control=lambda _card, _name: jack or Jack(),
    )


@pytest.mark.parametrize(
    ("there", "wanted", "name"),
    [
        (("Mic", "PCM"), "auto", "PCM"),
        (("PCM", "Speaker", "Headphone"), "auto", "Speaker"),
        (("PCM", "Speaker"), "PCM", "PCM"),
        (("Capture",), "auto", None),
        ((), "auto", None),
        (("Master",), "none", None),
    ],
)
def test_the_likeliest_control_or_the_wanted_one_is_used(there, wanted, name):
    """Or none."""
    assert mixer(*there, wanted=wanted).name() == name


def test_a_control_that_is_not_there_is_named_with_those_that_are():
    """So that the configuration can be put right."""
    with pytest.raises(DeviceError, match="it has: PCM, Mic"):
        mixer("PCM", "Mic", wanted="Master").name()


@pytest.mark.parametrize("percent", [0, 1, 30, 50, 99, 100])
def test_what_was_set_is_shown(percent):
    """As near as the control's steps allow."""
    jack = Jack()
    mixer("PCM", jack=jack).set_percent("PCM", percent)
    assert mixer("PCM", jack=jack).percent("PCM") == pytest.approx(percent, abs=1)


@pytest.mark.parametrize(
    ("device", "card"),
    [
        ("plughw:CARD=Headphones,DEV=0", "hw:Headphones"),
        ("hw:1,0", "hw:1"),
        ("hw:vc4hdmi0", "hw:vc4hdmi0"),
        ("default", "default"),
        ("kitchen", "kitchen"),
    ],
)
def test_a_pcm_names_its_mixer(device, card):
    """Cards by their id, all else by its own name."""
    assert mixer_of(device) == card


def test_a_machine_without_a_mixer_has_no_controls():
    """ALSA itself is asked: nothing is there of this name, and what is opened all the same says so."""
    alsa.silence_alsa_messages()
    assert alsa.volume_controls("hw:no_such_card") == []
    with pytest.raises(DeviceError) as error:
        alsa.open_control("hw:no_such_card", "PCM")
    assert error.value.code == "mixer-lost"
