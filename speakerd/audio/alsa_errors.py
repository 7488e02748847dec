"""What ALSA's words mean: pyalsaaudio raises text without an errno, so the text is turned back into one here, once."""

from __future__ import annotations

import errno
import os

from speakerd.core.errors import DeviceError, Remedy

STATE_DISCONNECTED = 8
"""ALSA's name for a card that was pulled out (specified)."""

_CAUSES_WHILE_OPENING = {
    errno.EBUSY: ("device-busy", Remedy.RETRY),
    errno.EAGAIN: ("device-busy", Remedy.RETRY),
    errno.EINVAL: ("device-format", Remedy.OPERATOR),
    errno.EACCES: ("device-denied", Remedy.OPERATOR),
    errno.EPERM: ("device-denied", Remedy.OPERATOR),
}
"""Everything else that fails to open is missing and may come back: no such card, or its sound server is down."""

_ERRNO_BY_TEXT = {os.strerror(number): number for number in errno.errorcode}
"""The C library's own table turned around; Python leaves LC_MESSAGES alone, so ALSA's texts come from the same one."""


def errno_of(text: str) -> int | None:
    """Return the errno behind a message of pyalsaaudio (``No such device [hw:1]``), None if there is none."""
    return _ERRNO_BY_TEXT.get(text.rsplit(" [", 1)[0])


def error_while_opening(device: str, text: str) -> DeviceError:
    """Return the error for a PCM that could not be opened."""
    number = errno_of(text)
    code, remedy = _CAUSES_WHILE_OPENING.get(number or 0, ("device-missing", Remedy.RETRY))
    return DeviceError(code, f"cannot open the sound device {device!r}: {text}", remedy)


def error_while_running(device: str, text: str, state: int | None) -> DeviceError:
    """Return the error for a PCM that failed while it moved frames: whatever it says, it must be opened again."""
    how = "was unplugged" if state == STATE_DISCONNECTED or errno_of(text) == errno.ENODEV else "stopped working"
    return DeviceError("device-lost", f"the sound device {device!r} {how}: {text}", Remedy.RETRY)
