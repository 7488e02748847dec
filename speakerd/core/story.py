"""What the journal tells beyond words: a message id for each thing that happens, and its fields. Pure.

Whoever keeps the machine finds by them what was logged, whatever its words: ``journalctl MESSAGE_ID=…``, or
``journalctl -o json`` with the fields. The ids never change; the words may. Every field is told as ``SPEAKERD_`` and
its name in capitals, beside ``SPEAKERD_EVENT``, which is the name of the kind. Without a journal the words stand alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class Kind(enum.Enum):
    """What has happened. The value is its message id: 128 random bits, made once (chosen)."""

    STARTING = "02a53f4e21f64b93a2e6b93bd2e9b9ef"
    """The daemon begins. Fields: version."""

    READY = "1b2bc24605d549d4bc82b4abaa57436e"
    """Every part is up, or is being looked for. Fields: seconds, since the parts were made."""

    STATE = "53df4825d6924fd99af45852553962dd"
    """The status line has changed; it is the message."""

    STOPPING = "6253bd1f180f43f4831c6e1dbcd89609"
    """The daemon ends, because it was asked to."""

    WAKE_WORD = "45492880e1bc4ca68f67da3f5694008e"
    """A wake word was heard. Fields: model, score."""

    TURN = "ce2fa7b908f2449ead2c9f4acd61fa56"
    """A turn is over. Fields: turn, and the keys of its line (``host/turn_log.py``)."""

    NOTICE = "8c63af5a413a46eb970abeb023b24a18"
    """A sentence was said that tells what is wrong. Fields: cause."""

    DEVICE_FOUND = "8ecc15de8fa045398d212b76d339e174"
    """A sound card is open. Fields: device, rate_hz, channels, sample_format, realtime."""

    DEVICE_LOST = "20ea4d9201fa406f852dba49e6d5d581"
    """A sound card is not there and is looked for. Fields: device, code."""

    LINK_LOST = "8d43f97519674d5ba91e5053f38fcdd9"
    """The session with the service ended by itself, or could not be opened. Fields: code, remedy."""

    REFUSED = "ac23747126d14e698c08a75dcca354b0"
    """The service refused something and the session goes on. Fields: code."""

    SIGNED_IN = "e46d283296474168b5633871c50fb55e"
    """Signing in works, or works again."""

    SIGN_IN_TROUBLE = "651319bde2ff4db58bb9abd7f1063f5b"
    """Signing in does not work. Fields: state, code."""

    BUDGET_SPENT = "0bdf57dfa2054915a72edb8573445b55"
    """Today's budget is spent. Fields: daily_usd."""

    BUDGET_BACK = "ebdf89f0654347d587b05976b44734db"
    """There is budget again."""

    RELOADED = "a7f55d612a1940e4bfba26f58579e9df"
    """The configuration was read again, and is good. Fields: changes, how many."""

    RELOAD_REFUSED = "fc9d4a77ef1842709200a09ed391eb71"
    """The new configuration is wrong, the old one holds. Fields: problems, how many."""

    NOT_FED = "110d41ebd3fc44fa9db5878aafddb60a"
    """The watchdog is not fed, the service manager will end the daemon. Fields: part."""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that has happened."""

    kind: Kind
    """What."""

    fields: Mapping[str, object]
    """What is known of it; never a transcript, a key or a token."""

    def as_journal_fields(self) -> dict[str, str]:
        """Return the journal's fields, by their names there; what was not there to measure is left out."""
        told = {f"SPEAKERD_{name.upper()}": str(value) for name, value in self.fields.items() if value is not None}
        return {"MESSAGE_ID": self.kind.value, "SPEAKERD_EVENT": self.kind.name.lower().replace("_", "-"), **told}


def story(kind: Kind, **fields: object) -> dict[str, Told]:
    """Return what a log call takes as ``extra`` beside its words."""
    return {"story": Told(kind, MappingProxyType(fields))}
