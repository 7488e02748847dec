"""What ALSA's words mean, as a table."""

from __future__ import annotations

import pytest

from speakerd.audio.alsa_errors import STATE_DISCONNECTED, errno_of, error_while_opening, error_while_running
from speakerd.core.errors import Remedy

OPENING = [
    ("No such device [plughw:CARD=Device,DEV=0]", "device-missing", Remedy.RETRY),
    ("No such file or directory [hw:0]", "device-missing", Remedy.RETRY),
    ("Connection refused [default]", "device-missing", Remedy.RETRY),
    ("Host is down [default]", "device-missing", Remedy.RETRY),
    ("Something nobody has ever read [hw:0]", "device-missing", Remedy.RETRY),
    ("Device or resource busy [hw:0]", "device-busy", Remedy.RETRY),
    ("Resource temporarily unavailable [hw:0]", "device-busy", Remedy.RETRY),
    ("Permission denied [hw:0]", "device-denied", Remedy.OPERATOR),
    ("Operation not permitted [hw:0]", "device-denied", Remedy.OPERATOR),
    ("Invalid argument [usbmic]", "device-format", Remedy.OPERATOR),
]


@pytest.mark.parametrize(("text", "code", "remedy"), OPENING)
def test_a_failed_open_is_sorted_by_what_to_do(text: str, code: str, remedy: Remedy) -> None:
    """Each cause has a code and a remedy, and the message names the device and ALSA's words."""
    error = error_while_opening("hw:0", text)
    assert (error.code, error.remedy) == (code, remedy)
    assert "'hw:0'" in str(error)
    assert text in str(error)


@pytest.mark.parametrize(
    ("text", "state", "how"),
    [
        ("No such device [mic]", STATE_DISCONNECTED, "was unplugged"),
        ("No such device [mic]", 3, "was unplugged"),
        ("Input/output error [mic]", STATE_DISCONNECTED, "was unplugged"),
        ("Input/output error [mic]", 3, "stopped working"),
        ("File descriptor in bad state [mic]", 1, "stopped working"),
        ("PCM device is closed", None, "stopped working"),
    ],
)
def test_a_failure_while_running_is_a_lost_device(text: str, state: int | None, how: str) -> None:
    """Whatever ALSA says, it must be opened again."""
    error = error_while_running("mic", text, state)
    assert (error.code, error.remedy) == ("device-lost", Remedy.RETRY)
    assert how in str(error)


def test_text_that_is_no_errno_has_none() -> None:
    """pyalsaaudio's own complaints are told apart from the kernel's."""
    assert errno_of("No such device [a [b] c]") is None
    assert errno_of("PCM device is closed") is None
    assert errno_of("Broken pipe [x]") == 32
