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
from speakerd.wake import models
from speakerd.wake.detector import OpenWakeWord
from speakerd.wake.shapes import CHUNK_FRAMES
from tests.fakes.models import wake_models
from tests.fakes.onnx_writer import graph, node, write
from tests.fakes.voices import pad, say

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


def test_a_short_history_changes_no_score(folder: Path) -> None:
    """The stock engine with its ten seconds of history scores exactly as ours."""
    said = pad(say("Hey Jarvis, what time is it?", RATE_HZ), RATE_HZ, 0.3, 1.0)
    ours = scores(OpenWakeWord.load(["hey_jarvis"]), said)
    stock = OpenWakeWord.load(["hey_jarvis"])._model
    stock.preprocessor.raw_data_buffer = type(stock.preprocessor.raw_data_buffer)(maxlen=160_000)
    stock.preprocessor.melspectrogram_max_len = 970
    stock.preprocessor.feature_buffer_max_len = 120
    whole = np.pad(said, (0, -len(said) % CHUNK_FRAMES)).reshape(-1, CHUNK_FRAMES)
    assert ours == [float(stock.predict(chunk)["hey_jarvis_v0.1"]) for chunk in whole]


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
