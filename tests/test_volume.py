"""How loud it is, by the card's control or without one."""

from __future__ import annotations

import pytest

from speakerd.core.errors import DeviceError, Remedy, SpeakerdError
from speakerd.volume import Volume


class Card:
    """A card's mixer, or none; and what else can make the sound quieter."""

    def __init__(self, name=None):
        self.control = name
        self.stands = 77
        self.gains = []
        self.kept = []
        self.trouble = None
        self.broken = False

    def name(self):
        return self.control

    def percent(self, name):
        return self.stands

    def set_percent(self, name, percent):
        if self.broken:
            raise DeviceError("mixer-lost", "gone", Remedy.RETRY)
        self.stands = percent

    def keep(self, percent, over):
        self.kept.append((percent, over))
        return self.trouble

    def volume(self, wanted=None):
        return Volume(self, self.gains.append, begin=wanted, chosen=None, over=None, keep=self.keep)


def ask(volume, **request):
    return volume.handlers["volume"](request)


def test_without_a_control_the_sound_itself_is_made_quieter():
    """And what was set is kept."""
    card = Card()
    volume = card.volume()
    assert ask(volume)["line"] == "volume 100, by the sound itself"
    assert ask(volume, percent=50) == {"percent": 50, "by": "software", "line": "volume 50, by the sound itself"}
    assert (card.gains, card.kept) == ([0.125], [(50, None)])


def test_whoever_sets_it_is_told_where_it_is_not_kept():
    """A restart would surprise them."""
    card = Card()
    card.trouble = "until the next start only: the disk is full"
    assert ask(card.volume(), percent=50)["line"] == f"volume 50, by the sound itself; {card.trouble}"


def test_a_control_is_moved_and_the_sound_left_alone():
    """Where somebody else has moved it, that is what is shown."""
    card = Card("PCM")
    volume = card.volume()
    assert ask(volume)["line"] == "volume 77, by the card's control PCM"
    assert ask(volume, percent=0)["percent"] == 0
    assert (card.gains, card.kept) == ([1.0], [(0, None)])


@pytest.mark.parametrize("name", [None, "PCM"])
def test_what_was_set_is_put_back_with_the_card(name):
    """Also after a restart; what was never set is left as it comes."""
    card = Card(name)
    card.volume().restore()
    assert (card.gains, card.stands) == ([], 77)
    card.volume(50).restore()
    assert (card.gains, card.stands) == (([0.125], 77) if name is None else ([1.0], 50))


def test_a_control_that_cannot_be_used_is_told(caplog):
    """To whoever asks; at the start to the journal, and the speaker goes on."""
    card = Card("PCM")
    card.broken = True
    volume = card.volume(50)
    volume.restore()
    assert "could not be set: gone" in caplog.text
    with pytest.raises(DeviceError):
        ask(volume, percent=40)
    assert card.kept == []


@pytest.mark.parametrize("percent", [-1, 101, "50", 3.5, True, [1]])
def test_a_volume_has_a_range(percent):
    """What is allowed is said."""
    with pytest.raises(SpeakerdError, match="from 0 to 100"):
        ask(Card().volume(), percent=percent)


def test_another_control_takes_over_with_what_was_chosen():
    """What somebody chose goes with it; else it is as a start would make it, and nothing wanted is as it comes."""
    card, other = Card(), Card("PCM")
    volume = card.volume(30)
    volume.use(card, 50)
    assert card.gains == [0.125]
    volume.use(card, None)
    assert card.gains == [0.125, 1.0]
    ask(volume, percent=20)
    volume.use(other, None)
    assert (other.stands, card.gains[-1]) == (20, 1.0)


def test_what_was_wished_last_counts():
    """A command over the configuration, and another volume in that over the command: live and at the next start."""
    card = Card("PCM")
    volume = card.volume(30)
    ask(volume, percent=20)
    assert card.kept == [(20, 30)]
    volume.use(card, 60)
    assert card.stands == 60

    def restarted(begin):
        Volume(card, card.gains.append, begin=begin, chosen=20, over=30, keep=card.keep).restore()
        return card.stands

    assert [restarted(30), restarted(60), restarted(30)] == [20, 60, 20]
