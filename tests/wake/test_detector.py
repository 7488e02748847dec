"""openWakeWord itself, with its real models and synthesised people."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from speakerd.core.errors import WakeError
from speakerd.core.wake_gate import WakeTrigger
from speakerd.wake import detector as detector_module
from speakerd.wake import engine, models
from speakerd.wake.detector import OpenWakeWord
from speakerd.wake.shapes import CHUNK_FRAMES, EMBEDDING_CHUNKS
from speakerd.wake.streaming import StreamingFeatures
from tests.fakes.models import wake_models
from tests.fakes.onnx_writer import graph, node, write
from tests.fakes.stock import Stock, on_its_own_features
from tests.fakes.voices import pad, say
from tests.wake.test_lean import check_following, mixed

RATE_HZ = 16_000
NEGATIVES = ("harvest", "hello there", "What time is it?", "Set a timer for five minutes.", "election", "Stop.")


@pytest.fixture(scope="module")
def folder() -> Path:
    """The folder of the fetched models."""
    return wake_models()


@pytest.fixture(scope="module")
def detector(folder: Path) -> OpenWakeWord:
    """One engine for all tests that put silence before what they say."""
    return OpenWakeWord.load(["hey_jarvis"])


def scores(detector: OpenWakeWord, pcm: npt.NDArray[np.int16], word: str = "hey_jarvis") -> list[float]:
    """Return the word's score after each chunk."""
    whole = np.pad(pcm, (0, -len(pcm) % CHUNK_FRAMES))
    return [detector.score(chunk)[word] for chunk in whole.reshape(-1, CHUNK_FRAMES)]


@pytest.mark.parametrize(
    "voice", ["hibari", "flite", "flite-rms", "flite-kal", "espeak", "espeak-f2", "espeak-scotland"]
)
def test_the_word_is_heard_from_every_voice(detector: OpenWakeWord, voice: str) -> None:
    """Somebody saying "hey jarvis" scores high, and is one detection."""
    heard = scores(detector, pad(say("hey jarvis", RATE_HZ, voice), RATE_HZ, 1.5, 1.0))
    assert max(heard) > 0.8
    trigger = WakeTrigger(0.5, 2.0)
    assert sum(trigger.process({"hey_jarvis": score}, 0.08, playing=False) is not None for score in heard) == 1


@pytest.mark.parametrize("text", NEGATIVES)
def test_other_speech_is_not_the_word(detector: OpenWakeWord, text: str) -> None:
    """What people say otherwise scores near nothing."""
    assert max(scores(detector, pad(say(text, RATE_HZ), RATE_HZ, 1.5, 1.0))) < 0.1


def test_silence_and_noise_are_not_the_word(detector: OpenWakeWord) -> None:
    """Neither digital silence nor loud noise scores."""
    noise = np.random.default_rng(7).integers(-3000, 3000, 5 * RATE_HZ).astype(np.int16)
    assert max(scores(detector, np.concatenate([np.zeros(3 * RATE_HZ, np.int16), noise]))) < 0.1


def test_one_breath_is_heard(detector: OpenWakeWord) -> None:
    """A question right behind the word does not hide the word, and the word is heard before the question is over."""
    said = say("Hey Jarvis, what time is it?", RATE_HZ)
    heard = scores(detector, pad(said, RATE_HZ, 1.5, 1.0))
    first = next(i for i, score in enumerate(heard) if score >= 0.5)
    assert (first + 1) * CHUNK_FRAMES < 1.5 * RATE_HZ + len(said)


@pytest.mark.parametrize("sentence", ["hey jarvis", "hey jarvis stop", "hey jarvis what time is it"])
def test_the_engine_tells_where_the_word_ended(folder: Path, sentence: str) -> None:
    """As near as was measured, in one breath and before a pause, and its own scores go on as if never asked."""
    before = 2 * RATE_HZ
    end = before + np.flatnonzero(np.abs(say("hey jarvis", RATE_HZ).astype(int)) > 300)[-1]
    said = np.pad(say(sentence, RATE_HZ), (before, RATE_HZ))
    asked, other = OpenWakeWord.load(["hey_jarvis"]), OpenWakeWord.load(["hey_jarvis"])
    for at in range(0, len(said) - CHUNK_FRAMES, CHUNK_FRAMES):
        score = asked.score(said[at : at + CHUNK_FRAMES])["hey_jarvis"]
        assert score == other.score(said[at : at + CHUNK_FRAMES])["hey_jarvis"]
        if score >= 0.5:
            since = asked.ended_before("hey_jarvis")
            assert since is not None
            assert (at + CHUNK_FRAMES - since) / RATE_HZ == pytest.approx(end / RATE_HZ, abs=0.25)
            break
    else:
        pytest.fail("it was not heard")
    following = said[at + CHUNK_FRAMES : at + 2 * CHUNK_FRAMES]
    assert asked.score(following) == other.score(following)


def test_a_word_that_was_not_measured_tells_no_end(folder: Path, tmp_path: Path) -> None:
    """Neither another that ships nor an own model that happens to bear the name."""
    own = tmp_path / "hey_jarvis.onnx"
    own.write_bytes(models.resolve("alexa").read_bytes())
    detector = OpenWakeWord.load(["hey_mycroft", str(own)])
    assert [detector.ended_before(word) for word in detector.words] == [None, None]


def test_a_word_said_right_at_the_start_is_heard(folder: Path) -> None:
    """The first audio a new engine gets may be the word itself."""
    assert max(scores(OpenWakeWord.load(["hey_jarvis"]), pad(say("hey jarvis", RATE_HZ), RATE_HZ, 0.0, 0.5))) > 0.8


def test_equal_starts_make_equal_scores(folder: Path) -> None:
    """Two new engines score the same audio the same, and numpy's own random numbers are not disturbed."""
    said = say("hey jarvis", RATE_HZ)
    np.random.seed(3)  # noqa: NPY002 - it is the global generator that must stay as it is
    expected = np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002 - the same
    assert scores(OpenWakeWord.load(["hey_jarvis"]), said) == scores(OpenWakeWord.load(["hey_jarvis"]), said)
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == expected  # noqa: NPY002 - the same


def test_scores_are_those_of_model_itself(folder: Path) -> None:
    """Of every word on every chunk from the first one on, in speech, noise and silence; so the detections are, too."""
    words = {word: models.resolve(word) for word in models.WORDS}
    ours, stock = OpenWakeWord(words, models.features()), Stock(words)
    assert isinstance(ours._model.preprocessor, StreamingFeatures)
    triggers = WakeTrigger(0.5, 2.0), WakeTrigger(0.5, 2.0)
    detections = 0
    for chunk in mixed():
        answers = ours.score(chunk), stock.score(chunk)
        assert answers[0] == pytest.approx(answers[1], abs=1e-4)
        found = [each.process(scores, 0.08, playing=False) for each, scores in zip(triggers, answers, strict=True)]
        assert (found[0] and found[0].model) == (found[1] and found[1].model)
        detections += found[0] is not None
    assert detections >= 6


def test_a_short_history_changes_no_score(folder: Path) -> None:
    """Where the features are openWakeWord's own they keep less of the past than its ten seconds, for the same."""
    words = {"hey_jarvis": models.resolve("hey_jarvis")}
    said = pad(say("Hey Jarvis, what time is it?", RATE_HZ), RATE_HZ, 0.3, 1.0)
    stock = Stock(words)
    whole = np.pad(said, (0, -len(said) % CHUNK_FRAMES)).reshape(-1, CHUNK_FRAMES)
    assert scores(on_its_own_features(words), said) == [stock.score(chunk)["hey_jarvis"] for chunk in whole]


def lstm(prefix: str, directions: int, given: int, hidden: int) -> dict[str, np.ndarray]:
    """Return the weights of an LSTM by the names of its inputs; of a GRU with three quarters of them."""
    random = np.random.default_rng(len(prefix) + hidden)
    shapes = {"w": (4 * hidden, given), "r": (4 * hidden, hidden), "b": (8 * hidden,)}
    return {
        prefix + name: (random.standard_normal((directions, *shape)) / 8).astype("f4") for name, shape in shapes.items()
    }


def recurrent(path: Path, kind: str, embeddings: int) -> Path:
    """Write a classifier as openWakeWord's training makes of ``rnn``: two layers both ways, the last step decides."""
    weights = lstm("1", 2, 96, 24) | lstm("02", 2, 48, 24)
    if kind == "GRU":
        parts = {"w": 3 * 24, "r": 3 * 24, "b": 6 * 24}
        weights = {name: value[:, : parts[name[-1]]] for name, value in weights.items()}
    nodes = [node("Transpose", ["x"], "t", perm=[1, 0, 2])]
    given = "t"
    for layer in ("1", "02"):
        names = [given, layer + "w", layer + "r", layer + "b"]
        nodes += [
            node(kind, names, layer + "y", hidden_size=24, direction="bidirectional"),
            node("Transpose", [layer + "y"], layer + "z", perm=[0, 2, 1, 3]),
            node("Reshape", [layer + "z", "flat"], layer + "h"),
        ]
        given = layer + "h"
    nodes += [
        node("Gather", [given, "last"], "l", axis=0),
        node("Gemm", ["l", "w", "c"], "g"),
        node("Sigmoid", ["g"], "y"),
    ]
    weights |= {
        "flat": np.array([0, 0, -1], "i8"),
        "last": np.array(-1, "i8"),
        "w": np.random.default_rng(1).standard_normal((48, 1)).astype("f4"),
        "c": np.zeros(1, "f4"),
    }
    return write(path / f"{kind}{embeddings}.onnx", graph(nodes, weights, {"x": [1, embeddings, 96]}, {"y": [1, 1]}))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_recurrent_head_is_scored_as_by_model_itself(folder: Path, tmp_path: Path, kind: str) -> None:
    """Such a word is why there is this engine: it is taken for it, and hears streaming features.

    Beside a word that looks less far back, and one that looks farther; with all of them followed, and by a twin.
    """
    words = {
        kind: recurrent(tmp_path, kind, 28),
        "short": recurrent(tmp_path, kind, 9),
        "alexa": models.resolve("alexa"),
    }
    ours, stock = engine.make(words, models.features()), Stock(words)
    assert isinstance(ours, OpenWakeWord)
    assert isinstance(ours._model.preprocessor, StreamingFeatures)
    assert ours.memory_chunks == 28 + EMBEDDING_CHUNKS
    found = []
    for at, chunk in enumerate(mixed()[:160]):
        right = stock.score(chunk)
        if at in range(40, 70):
            ours.follow(chunk[None])
            continue
        twin = ours.twin()
        found.append(ours.score(chunk))
        assert found[-1] == pytest.approx(right, abs=1e-4)
        assert twin.score(chunk) == found[-1]
    for word in (kind, "short"):
        assert np.ptp([answer[word] for answer in found[10:]]) > 0.2, "it says the same to everything"


@pytest.mark.parametrize("before", [0, 1, 3, 40])
def test_what_is_followed_at_once_makes_the_same_scores(folder: Path, before: int) -> None:
    """At the very start as well as later on."""
    words = {word: models.resolve(word) for word in models.WORDS}
    one_by_one, at_once = OpenWakeWord(words, models.features()), OpenWakeWord(words, models.features())
    check_following(one_by_one, at_once, before)


def test_a_twin_goes_its_own_way(folder: Path) -> None:
    """It shares the networks and nothing that changes."""
    chunks = mixed()[:60]
    stream, alone = OpenWakeWord.load(["alexa"]), OpenWakeWord.load(["alexa"])
    for chunk in chunks[:30]:
        assert stream.score(chunk) == alone.score(chunk)
    twin = stream.twin()
    assert twin._model.models["alexa_v0.1"] is stream._model.models["alexa_v0.1"]
    assert twin.score(chunks[30]) == stream.twin().score(chunks[30])
    twin.follow(chunks[:20])
    for chunk in chunks[30:]:
        assert stream.score(chunk) == alone.score(chunk)


def test_an_own_model_may_look_further_back_than_there_was_anything(folder: Path, tmp_path: Path) -> None:
    detector = OpenWakeWord({"long": recurrent(tmp_path, "LSTM", 120)}, models.features())
    for chunk in mixed()[:20]:
        assert 0 <= detector.score(chunk)["long"] <= 1


def test_the_package_is_left_as_it_was(folder: Path, tmp_path: Path) -> None:
    """Its features are another for the moment of making a ``Model``, also of a bad file."""
    features, model = detector_module._import_openwakeword()
    module = sys.modules[model.__module__]
    OpenWakeWord.load(["alexa"])
    assert module.AudioFeatures is features
    (tmp_path / "bad.onnx").write_bytes(b"no")
    with pytest.raises(WakeError):
        OpenWakeWord.load([str(tmp_path / "bad.onnx")])
    assert module.AudioFeatures is features


@pytest.mark.parametrize("published", [True, False])
def test_the_older_release_is_asked_by_its_own_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, published: bool
) -> None:
    """0.4 has other parameters, and nothing but ONNX."""
    right = Stock({"alexa": models.resolve("alexa")})
    features, model = detector_module._import_openwakeword()

    class OlderFeatures(features):  # type: ignore[valid-type,misc] # it has no types
        def __init__(self, melspec_onnx_model_path: str, embedding_onnx_model_path: str, ncpu: int) -> None:
            super().__init__(melspec_onnx_model_path, embedding_onnx_model_path, ncpu=ncpu)

    class OlderModel(model):  # type: ignore[valid-type,misc] # the same
        def __init__(self, wakeword_model_paths: list[str]) -> None:
            super().__init__(wakeword_models=wakeword_model_paths, inference_framework="onnx")

    OlderModel.__module__ = model.__module__
    monkeypatch.setattr(detector_module, "_import_openwakeword", lambda: (OlderFeatures, OlderModel))
    monkeypatch.setattr(models, "are_published", lambda _: published)  # else both are made and compared
    ours = OpenWakeWord.load(["alexa"])
    assert isinstance(ours._model.preprocessor, StreamingFeatures)
    for chunk in mixed()[:40]:
        assert ours.score(chunk) == pytest.approx(right.score(chunk), abs=1e-4)


def test_several_words_and_an_own_model(folder: Path, tmp_path: Path) -> None:
    """Words that ship and a path work side by side; a path's word is its file's stem."""
    own = tmp_path / "hey_computer.onnx"
    own.write_bytes(models.resolve("alexa").read_bytes())
    detector = OpenWakeWord.load(["hey_jarvis", str(own)])
    assert detector.words == ("hey_jarvis", "hey_computer")
    said = pad(say("alexa", RATE_HZ), RATE_HZ, 1.5, 1.0)
    whole = np.pad(said, (0, -len(said) % CHUNK_FRAMES)).reshape(-1, CHUNK_FRAMES)
    answers = [detector.score(chunk) for chunk in whole]
    assert max(answer["hey_computer"] for answer in answers) > 0.8
    assert max(answer["hey_jarvis"] for answer in answers) < 0.1


def test_audio_of_another_kind_is_refused(detector: OpenWakeWord) -> None:
    """Floats, which the engine would take for silence, and other lengths are errors."""
    with pytest.raises(ValueError, match="not float32"):
        detector.score(np.zeros(CHUNK_FRAMES, np.float32))
    with pytest.raises(ValueError, match=r"not int16 \(640,\)"):
        detector.score(np.zeros(640, np.int16))


def test_a_file_that_is_no_model_is_told(folder: Path, tmp_path: Path) -> None:
    """A broken .onnx of the owner's is an error with its name."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model at all")
    with pytest.raises(WakeError, match=r"broken\.onnx") as call:
        OpenWakeWord.load([str(broken)])
    assert call.value.code == "wake-model-corrupt"


def test_a_model_of_another_kind_is_told(folder: Path) -> None:
    """An .onnx that is no classifier of one word is an error, not a strange score."""
    with pytest.raises(WakeError, match=r"embedding_model\.onnx") as call:
        OpenWakeWord.load([str(folder / "embedding_model.onnx")])
    assert call.value.code == "wake-model-corrupt"


def test_a_model_of_any_number_of_embeddings_is_told(folder: Path, tmp_path: Path) -> None:
    """openWakeWord cannot ask for "n" of them."""
    nodes = [
        node("ReduceMean", ["x"], "m", axes=[1], keepdims=0),
        node("Gemm", ["m", "w"], "g"),
        node("Sigmoid", ["g"], "y"),
    ]
    any_number = graph(nodes, {"w": np.zeros((96, 1), "f4")}, {"x": [1, "n", 96]}, {"y": [1, 1]})
    with pytest.raises(WakeError, match=r"any\.onnx is not a wake word model") as call:
        OpenWakeWord.load([str(write(tmp_path / "any.onnx", any_number))])
    assert call.value.code == "wake-model-corrupt"


def test_two_files_of_one_name_are_told(folder: Path, tmp_path: Path) -> None:
    """Two models whose files are named alike cannot be told apart."""
    twin = tmp_path / models.WORDS["alexa"].file
    twin.write_bytes(models.resolve("alexa").read_bytes())
    with pytest.raises(WakeError, match="the same file name"):
        OpenWakeWord.load(["alexa", str(twin)])


def test_nothing_heavy_is_imported_before_it_is_needed(folder: Path) -> None:
    """The module's import loads no engine; the engine's brings neither scipy nor scikit-learn; training is refused."""
    script = (
        "import sys\n"
        "from speakerd.wake.detector import OpenWakeWord\n"
        "assert not {'openwakeword', 'onnxruntime'} & set(sys.modules)\n"
        "OpenWakeWord.load(['hey_jarvis'])\n"
        "assert not {'scipy', 'sklearn', 'tflite_runtime'} & set(sys.modules)\n"
        "import openwakeword\n"
        "try:\n    openwakeword.train_custom_verifier()\n"
        "except NotImplementedError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "training code" in done.stdout
