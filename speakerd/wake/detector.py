"""Scores for wake words, one for every 80 ms of audio, by openWakeWord, whose classifiers run on onnxruntime.

What a score means (threshold, refractory time) is ``core/wake_gate.py``'s business; when it is computed is
``worker.py``'s; of what, ``streaming.py``'s. This is the only file that knows openwakeword.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
import threading
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from speakerd.core.errors import Remedy, WakeError
from speakerd.wake import fade, models, streaming
from speakerd.wake.shapes import CHUNK_FRAMES, EMBEDDING_WIDTH, NOISE_SEED, memory_chunks

_FRAMEWORK = "onnx"
"""What openwakeword computes on; its default, TensorFlow Lite, breaks on numpy 2."""

_LOADING = threading.Lock()
"""Held while something of the package, or of numpy, that is there once for all threads is another for a moment."""


class Detector(Protocol):
    """A wake word engine. Thread: one at a time, the one that made it."""

    name: str
    """What it is called in the configuration."""

    chunk_frames: int
    """Frames at 16 kHz it takes at once."""

    words: tuple[str, ...]
    """The wake words it listens for."""

    memory_chunks: int
    """A score depends on so many chunks, and on nothing before them."""

    def score(self, chunk: npt.NDArray[np.int16]) -> dict[str, float]:
        """Return how much each word was just said, 0 to 1, after another chunk of audio."""

    def follow(self, chunks: npt.NDArray[np.int16]) -> None:
        """Take in chunks of audio whose scores nobody wants, at once.

        After ``memory_chunks`` of them it does not matter what came before.

        Shape: (n, chunk_frames).
        """

    def ended_before(self, word: str) -> int | None:
        """Return how many frames before the last chunk's end a word ended that this chunk's score made a detection.

        Negative: it will end. None: this engine, or this word's model, cannot tell.
        """

    def twin(self) -> Detector:
        """Return a second stream over the same networks, with a past of its own and no weights of its own."""


class OpenWakeWord:
    """openWakeWord's ``Model``, 0.4 and 0.6 alike: classifiers on onnxruntime with one thread, features as a stream.

    Making one takes a third of a second of a desktop's CPU and several of a small board's: do it off the event loop.
    Thread: one at a time.
    """

    name = "openwakeword"
    chunk_frames = CHUNK_FRAMES

    def __init__(self, words: Mapping[str, Path], features: tuple[Path, Path]) -> None:
        """Load the models.

        Args:
            words: The classifier of each wake word, by the name that ``score`` answers with.
            features: The melspectrogram model and the embedding model.

        Raises:
            WakeError: ``wake-model-corrupt``: a file is not a model, or not of this kind.
        """
        self.words = tuple(words)
        self._paths = dict(words)
        self._words_by_stem = {path.stem: word for word, path in words.items()}
        if len(self._words_by_stem) != len(words):
            message = "two wake word models have the same file name; rename one: " + ", ".join(map(str, words.values()))
            raise WakeError("wake-model-corrupt", message, Remedy.OPERATOR)
        self._model = _load_model(words.values())
        for stem, word in self._words_by_stem.items():
            _check_classifier(self._model.models[stem], words[word])
        depth = max(self._model.model_inputs.values())
        self._model.preprocessor = streaming.choose(features, depth, lambda: _load_features(*features))
        self.memory_chunks = memory_chunks(depth)

    @classmethod
    def load(cls, names_or_paths: Sequence[str]) -> OpenWakeWord:
        """Make a detector of what ``wake.models`` holds: names that ship, or paths whose stem becomes the word.

        Raises:
            WakeError: ``wake-model-missing`` or ``wake-model-corrupt``.
        """
        words = {name if name in models.WORDS else Path(name).stem: models.resolve(name) for name in names_or_paths}
        return cls(words, models.features())

    def score(self, chunk: npt.NDArray[np.int16]) -> dict[str, float]:
        """Return how much each word was just said, 0 to 1, after another chunk of audio.

        Shape: (1280,).
        Units: S16 at 16 kHz.

        Raises:
            ValueError: the chunk has another shape or type; openWakeWord would quietly hear silence.
        """
        if chunk.shape != (CHUNK_FRAMES,) or chunk.dtype != np.int16:
            raise ValueError(f"a chunk is int16 ({CHUNK_FRAMES},), not {chunk.dtype} {chunk.shape}")
        scores = self._model.predict(chunk)
        return {word: float(scores[stem]) for stem, word in self._words_by_stem.items()}

    def follow(self, chunks: npt.NDArray[np.int16]) -> None:
        """Take in chunks of audio whose scores nobody wants; the classifiers are saved.

        Shape: (n, 1280), n at least 1.
        Units: S16 at 16 kHz.
        """
        self._model.preprocessor.follow(chunks)
        for stem in self._words_by_stem:  # the first five scores of a stream are 0, counted in here
            self._model.prediction_buffer[stem].extend([0.0] * len(chunks))

    def ended_before(self, word: str) -> int | None:
        """Return how many frames before the last chunk's end the word ended; None: its model cannot tell.

        The work of some 8 chunks; call it only when something was detected.
        """
        path = self._paths[word]
        buffer = self._model.prediction_buffer[path.stem]
        return fade.ended_before(self, word, float(buffer[-1]) if buffer else 0.0, fade.of(path))

    def twin(self) -> OpenWakeWord:
        """Return a second stream over the same networks; it begins with this one's past and goes its own way.

        Copied is what a stream changes. Making a new ``Model`` would load every network again.
        """
        twin = copy.copy(self)
        model = twin._model = copy.copy(self._model)  # noqa: SLF001 - it is of this class
        model.prediction_buffer = copy.deepcopy(self._model.prediction_buffer)
        model.preprocessor = self._model.preprocessor.fork()
        return twin


def _load_model(classifiers: Iterable[Path]) -> Any:
    """Return openwakeword's ``Model`` over these files, without features, whichever release is installed."""
    features, model_class = _import_openwakeword()
    paths = [str(path) for path in classifiers]
    arguments: dict[str, Any] = {"wakeword_model_paths": paths}
    if _takes_framework(features):
        arguments = {"wakeword_models": paths, "inference_framework": _FRAMEWORK}
    module = sys.modules[model_class.__module__]
    with _LOADING, _model_errors(paths):
        theirs = module.AudioFeatures
        module.AudioFeatures = _no_features  # type: ignore[attr-defined] # what the constructor calls
        try:
            return model_class(**arguments)
        finally:
            module.AudioFeatures = theirs  # type: ignore[attr-defined] # the same


def _no_features(**_options: object) -> None:
    """Stand in for openwakeword's features, which would load two networks that a stream does without."""


def _load_features(melspectrogram: Path, embedding: Path) -> Any:
    """Return openwakeword's own ``AudioFeatures`` over these files, begun with the same noise each time."""
    features, _ = _import_openwakeword()
    paths = [str(melspectrogram), str(embedding)]
    if _takes_framework(features):
        names, arguments = ("melspec_model_path", "embedding_model_path"), {"inference_framework": _FRAMEWORK}
    else:
        # It asks for CUDA first; that there is none is no news on a Pi.
        warnings.filterwarnings("ignore", message="Specified provider 'CUDAExecutionProvider'", category=UserWarning)
        names, arguments = ("melspec_onnx_model_path", "embedding_onnx_model_path"), {}
    with _LOADING, _model_errors(paths):
        global_noise = np.random.get_state()  # noqa: NPY002 - openwakeword draws from numpy's global generator
        np.random.seed(NOISE_SEED)  # noqa: NPY002 - the same
        try:
            return features(ncpu=1, **dict(zip(names, paths, strict=True)), **arguments)
        finally:
            np.random.set_state(global_noise)  # noqa: NPY002 - the same


def _takes_framework(features: Any) -> bool:
    """Return which release it is: its features' signature tells, the ``Model``'s hides behind a decorator in 0.6."""
    return "inference_framework" in inspect.signature(features).parameters


@contextlib.contextmanager
def _model_errors(paths: Sequence[str]) -> Iterator[None]:
    """Turn what onnxruntime and openwakeword make of a bad file into an error that names it."""
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    kinds = [kind for kind in vars(ort).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    load_errors: tuple[type[Exception], ...] = (*kinds, IndexError, ValueError)
    try:
        yield
    except load_errors as error:
        message = f"not a wake word model among {', '.join(paths)}: {error}"
        raise WakeError("wake-model-corrupt", message, Remedy.OPERATOR) from error


def _import_openwakeword() -> tuple[Any, Any]:
    """Import openwakeword without its training code; return its ``AudioFeatures`` and its ``Model``.

    The package imports its verifier's training function at once, and with it scikit-learn and scipy: 80 MB and nine
    tenths of the import's time for something a daemon never calls. A module in its place keeps them away.
    """
    name = "openwakeword.custom_verifier_model"
    if name not in sys.modules:
        stand_in = types.ModuleType(name, "Stands in for openwakeword's training code, which speakerd does not load.")
        stand_in.train_custom_verifier = _cannot_train  # type: ignore[attr-defined] # a module made by hand
        sys.modules[name] = stand_in
    from openwakeword.model import Model
    from openwakeword.utils import AudioFeatures

    return AudioFeatures, Model


def _cannot_train(*_args: object, **_options: object) -> NoReturn:
    """Stand in for the training of a verifier."""
    raise NotImplementedError("speakerd leaves openwakeword's training code out; train in another environment")


def _check_classifier(session: Any, path: Path) -> None:
    """Refuse a network that does not turn so and so many embeddings into one score."""
    takes, gives = session.get_inputs()[0].shape, session.get_outputs()[0].shape
    match takes:
        case [_, int(), int(width)]:  # a name in the middle would mean any number: openWakeWord cannot ask for that
            is_known = width == EMBEDDING_WIDTH
        case _:
            is_known = False
    if not is_known or (len(gives), gives[-1]) != (2, 1):
        message = f"{path} is not a wake word model: it turns {takes} into {gives}"
        raise WakeError("wake-model-corrupt", message, Remedy.OPERATOR)
