"""The virtual sound card inside a booted machine: somebody speaks out here, the service hears it in there.

The clock of a container is this machine's, so moments in the service's diary and in the room are the same.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speakerd.demo import simcard
from speakerd.demo.diary import Diary, Mark
from speakerd.demo.mouth import SPEECH_RATE_HZ
from speakerd.demo.props import HEADPHONES, cache_dir
from speakerd.demo.room import Room

INSIDE = "/srv/stage"
"""Where a machine has the stage's folder."""

_POLL_S = 0.02


class Stage:
    """A room, a card that stands in it, and the diary of the service that uses the card. Context manager.

    Args:
        folder: Shared with the machine, at ``INSIDE``.
        room_s: How long the room lasts.
    """

    def __init__(self, folder: Path, *, room_s: float = 120.0) -> None:
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)  # the service's user writes its diary here
        plugin = Path(shutil.copy(simcard.build(cache_dir()), folder))
        self.folder = folder
        self.room = Room.create(folder / "room", room_s)
        self.room.path.chmod(0o666)
        conf = simcard.write_asound_conf(folder, self.room.path, plugin, card=HEADPHONES, playback_card=HEADPHONES)
        conf.write_text(conf.read_text(encoding="utf-8").replace(str(folder.resolve()), INSIDE), encoding="utf-8")
        self._diary = Diary(folder / "trace.jsonl")

    def close(self) -> None:
        """Leave the room."""
        self.room.close()

    @property
    def lines(self) -> str:
        """What the unit needs to use the card: a drop-in that names it, and the one folder more to write to."""
        return "\n".join(
            (
                f"Environment=ALSA_CONFIG_PATH={INSIDE}/asound.conf SPEAKERD_TRACE={INSIDE}/trace.jsonl",
                f"ReadWritePaths={INSIDE}",
            )
        )

    def begin(self) -> None:
        """Expect that the service starts anew, and with it its diary."""
        self._diary.begin()

    def say(self, words: NDArray[np.int16]) -> float:
        """Say something now, and return when it ends."""
        return self.room.say(words, SPEECH_RATE_HZ)[1]

    def marks(self, name: str, *, after_s: float = 0.0) -> list[Mark]:
        """Return the diary's marks of one name after a moment."""
        return self._diary.marks(name, after_s)

    def wait_for(self, name: str, *, after_s: float = 0.0, timeout_s: float = 20.0, **fields: object) -> Mark:
        """Return the first mark of a name after a moment whose fields are these; wait for it."""
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            for mark in self.marks(name, after_s=after_s):
                if all(mark.get(key) == value for key, value in fields.items()):
                    return mark
            time.sleep(_POLL_S)
        said = [mark for mark in self._diary.marks() if mark["name"] not in {"uplink", "downlink"}][-20:]
        raise AssertionError(f"waited {timeout_s:g} s in vain for {name} {fields}; the last that happened:\n{said}")
