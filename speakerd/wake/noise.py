"""Noise taken out of the microphone before the wake word is looked for, by the system's libspeexdsp.

This is the only file that knows the library, of which it uses the preprocessor. It is loaded when somebody wants it:
nobody who does not pays for it.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from speakerd.core.errors import Remedy, WakeError
from speakerd.core.units import WAKE_RATE_HZ

LIBRARY = "libspeexdsp.so.1"
"""The name its first version is known by to the loader (specified); Debian has it in the package ``libspeexdsp1``."""

BLOCK_FRAMES = WAKE_RATE_HZ // 100
"""The preprocessor takes 10 ms at once (specified: 10 to 20 ms; what was measured is 10)."""

DELAY_FRAMES = BLOCK_FRAMES
"""What comes out lags behind what goes in by a block: blocks overlap by half (measured with an impulse)."""

ATTENUATION_DB = -15
"""How far noise is taken down at most (the library's default, and what was measured)."""

_SET_NOISE_SUPPRESS = 18
"""The request that sets it (specified: ``speex_preprocess.h``)."""


class NoiseSuppressor:
    """A stream of wake audio that leaves with less noise than it came with.

    What it does to a chunk depends on all it has heard, so it must be given everything, in order. Equal streams leave
    equal. Thread: one at a time.

    Args:
        name: The library's, as the loader knows it.

    Raises:
        WakeError: ``wake-noise-library``: it is not on this machine.
    """

    delay_frames = DELAY_FRAMES

    def __init__(self, name: str = LIBRARY) -> None:
        library = _library(name)
        state = library.speex_preprocess_state_init(BLOCK_FRAMES, WAKE_RATE_HZ)
        if not state:
            raise MemoryError("speex_preprocess_state_init has no memory")
        attenuation = ctypes.c_int(ATTENUATION_DB)
        library.speex_preprocess_ctl(state, _SET_NOISE_SUPPRESS, ctypes.byref(attenuation))
        self._state, self._run = state, library.speex_preprocess_run
        weakref.finalize(self, library.speex_preprocess_state_destroy, state)

    def process(self, frames: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Return as many frames as come in, with less noise, ``delay_frames`` behind; what comes in stays as it is.

        Shape: any, of whole blocks altogether.
        Units: S16 at 16 kHz.

        Raises:
            ValueError: the frames are of another type, or no whole blocks.
        """
        if frames.dtype != np.int16 or frames.size % BLOCK_FRAMES:
            raise ValueError(f"int16 in blocks of {BLOCK_FRAMES}, not {frames.dtype} {frames.shape}")
        out = frames.copy()  # the library works in place
        begin = out.ctypes.data
        for at in range(begin, begin + out.nbytes, BLOCK_FRAMES * out.itemsize):
            self._run(self._state, at)
        return out


def require_library(name: str = LIBRARY) -> None:
    """Load the library, so that whoever needs it later has it.

    Args:
        name: The library's, as the loader knows it.

    Raises:
        WakeError: ``wake-noise-library``: it is not on this machine.
    """
    _library(name)


@functools.cache
def _library(name: str) -> Any:
    """Return the library with its functions declared."""
    try:
        # The interpreter is kept meanwhile: a block takes some 10 us, getting it back from another thread up to 5 ms.
        library = ctypes.PyDLL(name)
    except OSError as error:
        message = (
            f"wake.noise_suppression needs {name}: install it with apt-get install libspeexdsp1, or set the key to "
            f"false ({error})"
        )
        raise WakeError("wake-noise-library", message, Remedy.OPERATOR) from error
    library.speex_preprocess_state_init.argtypes = (ctypes.c_int, ctypes.c_int)
    library.speex_preprocess_state_init.restype = ctypes.c_void_p
    library.speex_preprocess_ctl.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    library.speex_preprocess_run.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    library.speex_preprocess_state_destroy.argtypes = (ctypes.c_void_p,)
    library.speex_preprocess_state_destroy.restype = None
    return library
