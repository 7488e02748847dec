"""Tell where the CPU time of 80 ms of sound goes, in openWakeWord as it comes and in the lean engine.

    .venv/bin/python .ci/wake_profile.py [--chunks N] [--stock PYTHON]

Both hear the same noise, which keeps every part at work, each in a process of its own with one thread. An interpreter
with openwakeword as it installs can be named; without one our own is used.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from speakerd.demo.props import clean_environment  # noqa: E402 - found through the line above
from speakerd.wake import models  # noqa: E402

PARTS = ("melspectrogram", "embedding", "classifier")

WARM_UP_CHUNKS = 50
"""So many are heard before the first that counts (chosen: what is made once is made by then)."""

COMMON = """
import collections, json, sys, time
import numpy as np

chunks, warm_up, classifier, melspectrogram, embedding = (json.loads(each) for each in sys.argv[1:])
spent = collections.Counter()

def timed(owner, name, part):
    function = getattr(owner, name)
    def measured(*given, **named):
        begun_s = time.process_time()
        try:
            return function(*given, **named)
        finally:
            spent[part] += time.process_time() - begun_s
    is_static = isinstance(vars(owner).get(name), staticmethod)
    setattr(owner, name, staticmethod(measured) if is_static else measured)

def measure(score):
    noise = np.rint(np.random.default_rng(1).normal(0, 800, (warm_up + chunks, 1280))).astype(np.int16)
    for chunk in noise[:warm_up]:
        score(chunk)
    spent.clear()
    begun_s = time.process_time()
    for chunk in noise[warm_up:]:
        score(chunk)
    spent["all"] = time.process_time() - begun_s
    print(json.dumps({part: 1000 * span_s / chunks for part, span_s in spent.items()}))
"""

STOCK = (
    COMMON
    + """
import importlib.util, types
if importlib.util.find_spec("sklearn") is None:
    stand_in = types.ModuleType("openwakeword.custom_verifier_model")
    stand_in.train_custom_verifier = None
    sys.modules[stand_in.__name__] = stand_in
from openwakeword.model import Model

model = Model(
    wakeword_models=[classifier],
    inference_framework="onnx",
    melspec_model_path=melspectrogram,
    embedding_model_path=embedding,
)
timed(model.preprocessor, "melspec_model_predict", "melspectrogram")
timed(model.preprocessor, "embedding_model_predict", "embedding")
for word, predict in model.model_prediction_function.items():
    holder = types.SimpleNamespace(predict=predict)
    timed(holder, "predict", "classifier")
    model.model_prediction_function[word] = holder.predict
measure(model.predict)
"""
)

LEAN = (
    COMMON
    + """
from pathlib import Path
from speakerd.wake.lean import Lean
from speakerd.wake.lean_classifier import Classifier
from speakerd.wake.lean_features import Embedding, Melspectrogram

lean = Lean({"word": Path(classifier)}, (Path(melspectrogram), Path(embedding)))
timed(Melspectrogram, "rows", "melspectrogram")
timed(Melspectrogram, "finished", "melspectrogram")
timed(Embedding, "process", "embedding")
timed(Classifier, "score", "classifier")
measure(lean.score)
"""
)


def measured(python: str, program: str, chunks: int) -> dict[str, float]:
    """Run one of the programs; return the CPU milliseconds of each part for one chunk."""
    files = [str(models.resolve("hey_jarvis")), *map(str, models.features())]
    arguments = [json.dumps(each) for each in (chunks, WARM_UP_CHUNKS, *files)]
    environment = {**clean_environment(), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [python, "-c", program, *arguments]
    run = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603 - no part of it is foreign
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def table(stock: dict[str, float], lean: dict[str, float]) -> str:
    """Return the parts of both, one below the other."""
    lines = [f"{'of 80 ms, CPU ms':<24}{'stock':>8}{'lean':>8}"]
    lines += [f"{part:<24}{stock[part]:>8.3f}{lean[part]:>8.3f}" for part in PARTS]
    rest = [each["all"] - sum(each[part] for part in PARTS) for each in (stock, lean)]
    lines.append(f"{'the rest':<24}{rest[0]:>8.3f}{rest[1]:>8.3f}")
    lines.append(f"{'all':<24}{stock['all']:>8.3f}{lean['all']:>8.3f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chunks", type=int, default=1500)
    parser.add_argument("--stock", metavar="PYTHON", help="an interpreter with openwakeword as it installs")
    given = parser.parse_args(arguments)
    try:
        stock = measured(given.stock or sys.executable, STOCK, given.chunks)
        lean = measured(sys.executable, LEAN, given.chunks)
    except subprocess.CalledProcessError as error:
        print(f"not measured: a program ended with {error.returncode}; what it said is above", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print(table(stock, lean))
    return 0


if __name__ == "__main__":
    sys.exit(main())
