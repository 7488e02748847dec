"""The choice of what may cut a reply, from the echo's figures."""

from __future__ import annotations

import pytest

from speakerd.core.echo_path import (
    AUDIBLE_DBFS,
    CLIPPED_GOOD,
    CLIPPED_MAX,
    DRIFT_GOOD_PPM,
    DRIFT_MAX_PPM,
    LEAKS_MAX,
    BargeIn,
    EchoFigures,
    audible_dbfs,
    choose,
    describe,
)

CLEAN = {"windows": 40, "clean_windows": 40}


@pytest.mark.parametrize("before", BargeIn)
def test_without_figures_nothing_changes(before: BargeIn) -> None:
    """What was chosen to begin with stays until something was measured."""
    assert choose(EchoFigures(leaks=9.0, clipped=1.0), before) is before


@pytest.mark.parametrize(
    ("figures", "choice"),
    [
        ({}, BargeIn.SPEECH),
        ({"leaks": LEAKS_MAX - 0.5, "clean_windows": 0}, BargeIn.SPEECH),
        ({"leaks": LEAKS_MAX, "clean_windows": 0}, BargeIn.WAKE_WORD),
        ({"leaks": LEAKS_MAX, "clean_windows": 30}, BargeIn.SPEECH),
        ({"drift_ppm": 0.9 * DRIFT_MAX_PPM}, BargeIn.SPEECH),
        ({"drift_ppm": DRIFT_MAX_PPM}, BargeIn.WAKE_WORD),
        ({"drift_ppm": -DRIFT_MAX_PPM}, BargeIn.WAKE_WORD),
        ({"clipped": 0.9 * CLIPPED_MAX}, BargeIn.SPEECH),
        ({"clipped": CLIPPED_MAX}, BargeIn.OFF),
    ],
)
def test_trust_is_lost_at_once(figures: dict[str, float], choice: BargeIn) -> None:
    """Echo let through, clocks that drift, a microphone that clips: each takes its right away."""
    assert choose(EchoFigures(**(CLEAN | figures)), BargeIn.SPEECH) is choice


@pytest.mark.parametrize(
    ("figures", "choice"),
    [
        ({}, BargeIn.SPEECH),
        ({"clean_windows": 10}, BargeIn.WAKE_WORD),
        ({"drift_ppm": 0.9 * DRIFT_MAX_PPM}, BargeIn.WAKE_WORD),
        ({"drift_ppm": 0.9 * DRIFT_GOOD_PPM}, BargeIn.SPEECH),
    ],
)
def test_trust_comes_back_slowly(figures: dict[str, float], choice: BargeIn) -> None:
    """After a long clean record speech may cut a reply again; on the edge nothing flaps."""
    assert choose(EchoFigures(**(CLEAN | figures), proven=True), BargeIn.WAKE_WORD) is choice


@pytest.mark.parametrize(
    ("figures", "choice"),
    [
        ({"clean_windows": 3, "drift_ppm": 0.0}, BargeIn.WAKE_WORD),
        ({"clean_windows": 4, "drift_ppm": 0.0}, BargeIn.SPEECH),
        ({"clean_windows": 4, "drift_ppm": DRIFT_MAX_PPM}, BargeIn.WAKE_WORD),
        ({"clean_windows": 4}, BargeIn.WAKE_WORD),
        ({"clean_windows": 4, "echo_dbfs": -30.0, "noise_dbfs": -60.0}, BargeIn.WAKE_WORD),
        ({"clean_windows": 4, "echo_dbfs": -70.0, "noise_dbfs": -60.0}, BargeIn.SPEECH),
        ({"clean_windows": 12}, BargeIn.SPEECH),
        ({"clean_windows": 12, "leaks": LEAKS_MAX}, BargeIn.WAKE_WORD),
        ({"clean_windows": 1, "inaudible": True}, BargeIn.SPEECH),
        ({"clean_windows": 0, "inaudible": True}, BargeIn.WAKE_WORD),
    ],
)
def test_the_first_trust_comes_soon(figures: dict[str, float], choice: BargeIn) -> None:
    """A few clean windows, if it never failed; more where the drift is not known, and one where there is no echo."""
    assert choose(EchoFigures(**({"windows": 20} | figures)), BargeIn.WAKE_WORD) is choice


def test_the_figures_in_words() -> None:
    """What a person reads; what is not known or is nothing is left out."""
    assert describe(EchoFigures()) == "no echo measured yet"
    assert describe(EchoFigures(windows=9, echo_dbfs=-64.0, inaudible=True)) == "no echo is heard"
    plain = EchoFigures(windows=9, echo_dbfs=-38.4, noise_dbfs=-65.0)
    assert describe(plain) == "echo -38 dBFS; none let through (4 s); room noise -65 dBFS"
    figures = EchoFigures(
        windows=20,
        leaks=1.5,
        spoken_over=3,
        echo_dbfs=-38.4,
        removed_db=23.2,
        delay_ms=40.3,
        drift_ppm=-800.2,
        clipped=0.012,
        noise_dbfs=-65.0,
    )
    assert describe(figures) == (
        "echo -38 dBFS, 23 dB of it removed, 40 ms late; let through in 1.5 of 20 windows (10 s); "
        "clocks 800 ppm apart; 1.2% of the samples clipped; somebody spoke over 3 more; room noise -65 dBFS"
    )


def test_a_microphone_that_still_clips_stays_off() -> None:
    """It must clip much less before the wake word counts again."""
    assert choose(EchoFigures(**CLEAN, clipped=CLIPPED_GOOD), BargeIn.OFF) is BargeIn.OFF
    assert choose(EchoFigures(windows=40, clipped=CLIPPED_GOOD / 2), BargeIn.OFF) is BargeIn.WAKE_WORD


def test_what_is_audible_depends_on_the_room() -> None:
    """In a quiet room a residue must reach a level, in a loud one it must stand out."""
    assert audible_dbfs(-90.0) == AUDIBLE_DBFS
    assert audible_dbfs(-40.0) > -40.0


def test_how_far_the_echo_stands_out() -> None:
    """Told relative to the room's noise, once it is known."""
    assert EchoFigures().echo_over_noise_db is None
    assert EchoFigures(noise_dbfs=-60.0, echo_dbfs=-35.0).echo_over_noise_db == 25.0
