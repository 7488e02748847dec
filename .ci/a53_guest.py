"""What runs in the emulated machine of ``bench_a53.py``: its first process, and one process for each measurement.

    a53_guest.py [TASK ...]      as process 1: do these tasks, or all, tell what each found, switch the machine off
    a53_guest.py TASK            as another: do one task

Instructions are counted by the processor's own counter, which the emulator keeps exactly: those of this thread, and
only those outside the kernel, as an emulator of programs would count them. The kernel's are counted beside them.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MARK = "A53 "
"""What a line begins with that is for the host."""

PACKAGES, MODELS, SOUNDS = Path("/packages"), Path("/models"), Path("/sounds")
"""Where the host has put things."""

WORD = "hey_jarvis"
"""The wake word whose engines are measured."""

FEW, MANY = 10, 40
"""Chunks whose costs are subtracted from one another, so that what is paid once drops out (chosen)."""

_PERF_EVENT_OPEN, _INSTRUCTIONS, _NOT_THE_KERNEL, _NOT_PROGRAMS = 241, 1, 1 << 5, 1 << 4
"""The system call's number on this processor, the event, and two flags of its attributes (specified by Linux)."""

_ATTRIBUTES = struct.Struct("IIQQQQQ16x")
"""The first edition of what the call takes: type, size, event, period, sample, format, flags (specified)."""

_POWER_OFF = 0x4321FEDC
"""What ``reboot`` takes (specified by Linux)."""

_NOT_BY_NAME = ("speakerd", "openwakeword")
"""What is not imported to see whether it can be: ourselves; and what imports packages that are left out unless the
daemon does it, as in the measurements."""

_libc = ctypes.CDLL(None, use_errno=True)


class Counter:
    """Counts this thread's instructions from now on."""

    def __init__(self) -> None:
        self._files = [self._open(flags) for flags in (_NOT_THE_KERNEL, _NOT_PROGRAMS)]

    def read(self) -> tuple[int, int]:
        """Return the instructions so far, those of the program and the kernel's for it."""
        mine, kernels = (struct.unpack("Q", os.read(file, 8))[0] for file in self._files)
        return mine, kernels

    def of(self, work: Callable[[], object]) -> dict[str, int]:
        """Return the instructions of some work; the counter's own are some 2000."""
        before = self.read()
        work()
        after = self.read()
        return {"instructions": after[0] - before[0], "kernel": after[1] - before[1]}

    @staticmethod
    def _open(flags: int) -> int:
        attributes = ctypes.create_string_buffer(_ATTRIBUTES.pack(0, _ATTRIBUTES.size, _INSTRUCTIONS, 0, 0, 0, flags))
        file: int = _libc.syscall(_PERF_EVENT_OPEN, attributes, 0, -1, -1, 0)
        if file < 0:
            raise OSError(ctypes.get_errno(), "the emulated processor has no counter of instructions")
        return file


def tell(fact: str, **found: object) -> None:
    """Tell the host something."""
    print(MARK + json.dumps({"fact": fact, **found}), flush=True)


# --- the measurements, each in a process of its own


def chunks_of(sound: str) -> Any:
    """Return a sound that the host made. Shape: (n, 1280), int16."""
    import numpy as np

    frames = np.fromfile(SOUNDS / f"{sound}.s16", "<i2")
    return frames[: len(frames) // 1280 * 1280].reshape(-1, 1280)


def per_chunk(counter: Counter, work: Callable[[Any], object], chunks: Any) -> dict[str, float]:
    """Return the cost of a chunk: that of many less that of few, by how many more there are. The first ones warm up."""
    assert len(chunks) >= 2 * FEW + MANY, "the sound is too short"
    parts = (chunks[:FEW], chunks[FEW : 2 * FEW], chunks[2 * FEW : 2 * FEW + MANY])

    def over(part: Any) -> None:
        for chunk in part:
            work(chunk)

    _, few, many = (counter.of(lambda part=part: over(part)) for part in parts)
    return {kind: (many[kind] - few[kind]) / (MANY - FEW) for kind in few}


def files() -> tuple[dict[str, Path], tuple[Path, Path]]:
    """Return the word's classifier and the features' models."""
    from speakerd.wake import models

    return {WORD: models.resolve(WORD)}, models.features()


def start_of(counter: Counter, make: Callable[[], Any]) -> Any:
    """Make an engine, tell what that costs with numpy there already, and return it."""
    import numpy  # noqa: ICN001, F401 - its own cost is told with the imports

    made = []
    tell("start", **counter.of(lambda: made.append(make())))
    return made[0]


def task_lean(counter: Counter) -> None:
    """Measure the lean engine, and its parts."""

    def make() -> Any:
        from speakerd.wake.lean import Lean

        return Lean(*files())

    engine = start_of(counter, make)
    tell("scores", word=[engine.score(chunk)[WORD] for chunk in chunks_of("word")])
    speech = chunks_of("speech")
    tell("chunk", **per_chunk(counter, engine.score, speech))
    tell("twins", **per_chunk(counter, engine.follow, speech[:120].reshape(-1, 2, 1280)))
    _tell_parts(counter, engine, speech)


def _tell_parts(counter: Counter, engine: Any, speech: Any) -> None:
    import numpy as np

    from speakerd.wake.lean_features import Embedding, Melspectrogram
    from speakerd.wake.onnx_file import read

    melspectrogram, embedding = (
        make(read(path)) for make, path in zip((Melspectrogram, Embedding), files()[1], strict=True)
    )
    audio = np.concatenate((np.zeros(480, np.float32), speech[0])).astype(np.float32)
    rows = melspectrogram.finished(melspectrogram.rows(audio)[None])[0]
    history = np.zeros((engine.embeddings(WORD), 96), np.float32)
    parts: dict[str, Callable[[Any], object]] = {
        "melspectrogram": lambda _: melspectrogram.finished(melspectrogram.rows(audio)[None]),
        "embedding": lambda _: embedding.process(rows),
        "classifier": lambda _: engine.score_of(WORD, history),
    }
    for part, work in parts.items():
        tell(part, **per_chunk(counter, work, speech))


def task_gated(counter: Counter) -> None:
    """Measure the lean engine behind the gate in a quiet room, and what waking up costs."""
    from speakerd.wake.gated import GatedDetector
    from speakerd.wake.lean import Lean

    engine = GatedDetector(Lean(*files()))
    quiet = chunks_of("quiet")
    for chunk in quiet[:40]:
        engine.score(chunk)
    before = engine.scored
    tell("chunk", **per_chunk(counter, engine.score, quiet[40:]), scored=engine.scored - before)
    tell("waking", **counter.of(lambda: engine.score(chunks_of("speech")[30])), chunks=engine.memory_chunks)


def task_openwakeword(counter: Counter) -> None:
    """Measure openWakeWord as the daemon makes it."""

    def make() -> Any:
        from speakerd.wake.detector import OpenWakeWord

        return OpenWakeWord(*files())

    engine = start_of(counter, make)
    tell("scores", word=[engine.score(chunk)[WORD] for chunk in chunks_of("word")])
    tell("chunk", **per_chunk(counter, engine.score, chunks_of("speech")))


def task_stock(counter: Counter) -> None:
    """Measure ``openwakeword.Model``; only its training code is left out, whose packages are not in our lock file."""
    from speakerd.wake.detector import OpenWakeWord

    OpenWakeWord(*files())  # puts something in the place of the training code
    words, (melspectrogram, embedding) = files()

    def make() -> Any:
        from openwakeword.model import Model

        return Model(
            wakeword_models=[str(path) for path in words.values()],
            inference_framework="onnx",
            melspec_model_path=str(melspectrogram),
            embedding_model_path=str(embedding),
            ncpu=1,
        )

    engine = start_of(counter, make)
    tell("chunk", **per_chunk(counter, engine.predict, chunks_of("speech")))


def task_import(counter: Counter, name: str) -> None:
    """Import a package."""
    tell("import", **counter.of(lambda: importlib.import_module(name)))


TASKS: dict[str, Callable[[Counter], None]] = {
    "lean": task_lean,
    "gated": task_gated,
    "openwakeword": task_openwakeword,
    "stock": task_stock,
}
"""What is measured, by name."""


IMPORTS = "imports"
"""The import of each package, as a task for the first process."""


# --- process 1


def names(packages: Path = PACKAGES) -> dict[str, bool]:
    """Return what the packages are imported as, and whether they have compiled parts; those come first."""
    found = {}
    for path in sorted(packages.iterdir()):
        name = path.name.partition(".")[0]
        if not name.isidentifier() or name in _NOT_BY_NAME:
            continue
        if (path / "__init__.py").exists() or path.suffix in {".py", ".so"}:
            found[name] = path.suffix == ".so" or any(path.rglob("*.so"))
        elif path.name == name:  # a folder that several packages share
            for part in path.glob("*/__init__.py"):
                found[f"{name}.{part.parent.name}"] = any(part.parent.rglob("*.so"))
            found |= {f"{name}.{part.name.partition('.')[0]}": True for part in path.glob("*.so")}
    return dict(sorted(found.items(), key=lambda item: (not item[1], item[0])))


def do(task: str) -> None:
    """Do a task in a process of its own, and tell how that ended."""
    begun_s = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, __file__, task], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    for line in done.stdout.splitlines():
        if not line.startswith(MARK):
            print(f"[{task}] {line}", flush=True)
            continue
        tell("found", task=task, what=json.loads(line.removeprefix(MARK)))
    ended = signal.Signals(-done.returncode).name if done.returncode < 0 else done.returncode
    tell("end", task=task, ended=ended, took_s=round(time.monotonic() - begun_s, 3), said=done.stdout[-400:])


def first_process(only: Sequence[str]) -> None:
    """Do everything, or only some of it, and switch the machine off."""
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp")):  # noqa: S108 - ours
        Path(place).mkdir(exist_ok=True)
        _libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
    console = os.open("/dev/console", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(console, stream)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    os.environ.update(PYTHONPATH=str(PACKAGES), SPEAKERD_MODELS=str(MODELS), OPENBLAS_NUM_THREADS="1", HOME="/tmp")  # noqa: S108
    processor = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    tell("machine", python=sys.version.split()[0], kernel=os.uname().release, processor=processor)
    try:
        wanted = only or (IMPORTS, *TASKS)
        for name, is_compiled in names().items() if IMPORTS in wanted else ():
            if is_compiled:
                do(f"import {name}")  # leaves its bytecode behind, as an installation does: not yet a measurement
            do(f"import {name}")
        for task in TASKS:
            if task in wanted:
                do(task)
        tell("done")
    finally:
        _libc.sync()
        _libc.reboot(_POWER_OFF)


def main() -> None:
    """Be the process that was asked for."""
    if os.getpid() == 1:
        first_process(sys.argv[1:])
        return
    task, _, name = sys.argv[1].partition(" ")
    counter = Counter()
    if name:
        task_import(counter, name)
    else:
        TASKS[task](counter)


if __name__ == "__main__":
    main()
