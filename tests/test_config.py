"""YAML to settings: every problem at once, each with its place."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd import config
from speakerd.core.errors import ConfigError, Remedy
from speakerd.core.settings import Settings
from tests.fakes.other_user import without_rights

CHECKOUT = Path(__file__).parents[1]
WAKE_MODEL = "the name of a model such as hey_jarvis, or the absolute path of an .onnx file"
AZURE_KEY = "auth: {method: api_key, api_key_file: /k}\n"


def problems(text: str, env: Mapping[str, str] | None = None) -> list[str]:
    """Check a text and print what is wrong with it."""
    return [str(problem) for problem in config.check(text, "f.yaml", env or {})]


def load(text: str, tmp_path: Path, env: Mapping[str, str] | None = None) -> config.Loaded:
    """Load a text from a file."""
    path = tmp_path / "speakerd.yaml"
    path.write_text(text)
    return config.load(path, env or {})


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~", "{}", "assistant:\n", "\ufeff{}"])
def test_an_empty_file_is_valid(text: str, tmp_path: Path) -> None:
    """An empty file, or one of comments and empty sections, means every default."""
    assert load(text, tmp_path).settings == Settings()


def test_the_shipped_file_names_every_key_at_its_default() -> None:
    """The file in the checkout is the reference: all keys, all defaults, one comment each."""
    path = CHECKOUT / "config/speakerd.yaml"
    text = path.read_text()
    assert config.load(path, {}).settings == Settings()
    for section, model in Settings.model_fields.items():
        assert f"\n{section}:" in text
        for key in getattr(model.annotation, "model_fields", ()):
            assert f"\n  {key}:" in text, f"{section}.{key}"


def test_every_problem_is_reported_with_its_place() -> None:
    """Line and column point at the key when it is unknown or repeated, and at the value when that is wrong."""
    text = (
        "assistant:\n  speed: 3\n  voise: x\nwake:\n  models: [hey_jarvis,\n    -]\n"
        "log: {transcripts: 7}\nassistant:\n  speed: fast\n"
    )
    assert problems(text) == [
        f"f.yaml:6:5: wake.models[1]: is the text '-', allowed: {WAKE_MODEL}",
        "f.yaml:7:20: log.transcripts: is the number 7, allowed: true or false",
        "f.yaml:8:1: assistant: is set twice, first in line 1",
        "f.yaml:9:10: assistant.speed: is the text 'fast', allowed: a number from 0.25 to 1.5",
    ]


def test_what_the_file_does_not_name_is_placed_at_its_section() -> None:
    """A rule between keys points at the nearest thing that stands in the file."""
    (said,) = problems("log: {}\nservice:\n  provider: openai\nauth: {method: api_key}\n")
    assert said.startswith("f.yaml:4:1: auth.api_key_file: is empty, method api_key needs it")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "1:5: not valid YAML: expected the node content, but found '<stream end>'"),
        ("log:\n\ttranscripts: true", "2:1: not valid YAML: a tab, where YAML indents with spaces only"),
        ("%YAML 9.1\n--- {}", "1:1: not valid YAML: found incompatible YAML document (version 1.* is required)"),
        ('log: "\\UFFFFFFFF"', "1:1: not valid YAML: a number out of range near here"),
        ('log: "\\uD800"', "1:6: holds an escape that is not a character"),
        ('auth: {certificate_file: "/a\\0b"}', "1:26: holds an escape that is not a character"),
        ("log: {}\nx\x00y", "2:2: character U+0000 is not allowed in YAML"),
        ("log: &x {}", "1:6: anchors, aliases and tags"),
        ("log: *x", "1:6: anchors, aliases and tags"),
        ("log: !!map {}", "1:6: anchors, aliases and tags"),
        ("!!str log: {}", "1:1: anchors, aliases and tags"),
        ("? [log]\n: {}", "1:3: a key must be plain text"),
        ("- log", "1:1: must be a mapping of sections"),
        ("log", "1:1: must be a mapping of sections"),
        ("log: {}\n---\nlog: {}", "2:1: a second document, where one is allowed"),
        ("a: " + "[" * 100_000, "1:28: nested more than 24 deep"),
    ],
)
def test_yaml_that_is_broken_or_too_clever_is_refused(text: str, problem: str) -> None:
    """What is not plain YAML is one problem with its place, whatever PyYAML makes of it."""
    (said,) = problems(text)
    assert said.startswith(f"f.yaml:{problem}")


def test_the_words_on_off_and_no_stay_words(tmp_path: Path) -> None:
    """The booleans of YAML 1.1 do not bend the words of the configuration."""
    loaded = load(
        "audio: {echo_cancellation: off, earcons: off}\nconversation: {barge_in: off}\n"
        "assistant: {language: no}\nturn_detection: {noise_reduction: none}\n",
        tmp_path,
    ).settings
    assert (loaded.audio.echo_cancellation, loaded.audio.earcons) == ("off", False)
    assert (loaded.conversation.barge_in, loaded.turn_detection.noise_reduction) == ("off", "none")
    assert loaded.assistant.language == "no"


def test_scalars_have_the_type_they_look_like(tmp_path: Path) -> None:
    """Numbers, booleans and null are told from text, in quotes or of an odd form."""
    text = "1, -2.5, 1e3, true, null, ~, 'null', '1', 1:30, 0x10, 1_000, 2024-01-01, .inf, 1e999"
    assert load(f"service: {{session: {{a: [{text}]}}}}", tmp_path).settings.service.session["a"] == (
        [1, -2.5, 1000.0, True, None, None, "null", "1", "1:30", "0x10", "1_000", "2024-01-01", ".inf", "1e999"]
    )


def test_a_number_of_any_length_is_survived() -> None:
    """Python's limit on converting digits is never met."""
    (said,) = problems(f"turn_detection: {{silence_duration_ms: {'9' * 300}}}")
    assert "allowed: a whole number" in said
    assert problems(f"turn_detection: {{silence_duration_ms: {'9' * 5000}}}")


def test_the_environment_fills_what_azure_needs(tmp_path: Path) -> None:
    """Endpoint and deployment come from the environment where the file is silent, and the owner is told."""
    env = {"AZURE_OPENAI_ENDPOINT": "https://k.openai.azure.com", "AZURE_OPENAI_DEPLOYMENT_NAME": "kitchen"}
    loaded = load("service: {provider: azure}\n" + AZURE_KEY, tmp_path, env)
    assert (loaded.settings.service.endpoint, loaded.settings.service.model) == (
        env["AZURE_OPENAI_ENDPOINT"],
        "kitchen",
    )
    assert loaded.notes == [
        "service.endpoint taken from AZURE_OPENAI_ENDPOINT",
        "service.model taken from AZURE_OPENAI_DEPLOYMENT_NAME",
    ]


def test_the_file_wins_over_the_environment(tmp_path: Path) -> None:
    """What the file says is not overridden, and other providers do not look at Azure's variables."""
    env = {"AZURE_OPENAI_ENDPOINT": "https://k.openai.azure.com", "AZURE_OPENAI_DEPLOYMENT_NAME": "kitchen"}
    text = "service: {provider: azure, endpoint: 'https://f.openai.azure.com', model: mine}\n" + AZURE_KEY
    assert load(text, tmp_path, env).settings.service.model == "mine"
    assert load("service: {}", tmp_path, env).settings == Settings()


def test_a_wrong_variable_is_named() -> None:
    """A problem that came from the environment says so."""
    (said,) = problems("service: {provider: azure}\n" + AZURE_KEY, {"AZURE_OPENAI_ENDPOINT": "http://x"})
    assert said.startswith("environment: AZURE_OPENAI_ENDPOINT: is not the URL of a service")


def test_a_systemd_credential_stands_in_for_the_file(tmp_path: Path) -> None:
    """With a credential named api-key no file is needed."""
    (tmp_path / "api-key").write_text("k")
    text = "service: {provider: openai}\nauth: {method: api_key}\n"
    assert problems(text, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == []
    assert problems(text, {"CREDENTIALS_DIRECTORY": str(tmp_path / "elsewhere")}) != []


def test_a_credential_that_only_the_daemon_may_see_is_not_missed(tmp_path: Path) -> None:
    """On systemd 252 they are hidden from the check that comes before a reload."""
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o000)
    with without_rights():
        found = problems(
            "service: {provider: openai}\nauth: {method: api_key}\n", {"CREDENTIALS_DIRECTORY": str(hidden)}
        )
    assert found == []


def test_an_unused_key_in_the_environment_is_noted(tmp_path: Path) -> None:
    """A key that lies around while another sign-in is configured is said once, without its value."""
    (note,) = load("", tmp_path, {"AZURE_OPENAI_API_KEY": "hunter2"}).notes
    assert note == "AZURE_OPENAI_API_KEY is set and not used: auth.method is none"


def test_all_problems_are_in_the_error(tmp_path: Path) -> None:
    """A configuration that cannot be used is one error with a line for each problem."""
    with pytest.raises(ConfigError, match=r"(?s)yaml:1:8: log: .*yaml:2:1: x: ") as caught:
        load("log: [1]\nx: 1\n".replace("[", "  ["), tmp_path)
    assert caught.value.remedy is Remedy.EXIT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"log: {}\nx: \xff", r":2:4: is not UTF-8 text"),
        ("log: {}".encode("utf-16"), r":1:1: is not UTF-8 text"),
        (b"#" * (config.MAX_BYTES + 1), "is larger than 128 KiB"),
    ],
)
def test_a_file_that_is_no_text_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    """Neither another encoding nor a huge file reaches the YAML reader."""
    path = tmp_path / "speakerd.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        config.check_file(path, {})


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A file asked for by name must be there."""
    with pytest.raises(ConfigError, match=r"nothing\.yaml: cannot be read: No such file"):
        config.load(tmp_path / "nothing.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.check_file(tmp_path, {})


def test_a_file_that_the_service_may_not_read_is_told_with_what_to_do() -> None:
    """An editor of root's may leave it so."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "speakerd.yaml"
        file.touch(0o000)
        with without_rights(), pytest.raises(ConfigError, match=f"Permission denied.*sudo chmod 644 {file}"):
            config.check_file(file, {})


def test_the_checkout_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name, the system's file comes first, then the one of the working directory, then the checkout's."""
    if config.SYSTEM_PATH.exists():
        pytest.skip(f"{config.SYSTEM_PATH} exists here and comes first")
    monkeypatch.chdir(tmp_path)
    assert config.load(None, {}).path == CHECKOUT / "config/speakerd.yaml"
    (tmp_path / "config").mkdir()
    (tmp_path / "config/speakerd.yaml").write_text("log: {transcripts: on}")
    assert config.load(None, {}).settings.log.transcripts
    assert config.check_file(None, {}) == []


PIECES = (
    "assistant:|\n|  |voice|: |- |[|]|{|}|,|'|\"|\\|&a|*a|!!x|? |>|%YAML 1.2|---|...|\t|#|<<|1|1e9|\\U|\\x|FFFFFFFF|off"
    "|\x85|\ufeff|\0|\u00e9"
)
pieces = st.sampled_from([*PIECES.split("|"), "|"])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.lists(pieces, max_size=25).map("".join))
def test_story_any_text_gives_problems_or_settings(text: str) -> None:
    """No text makes anything but problems with a place in it, or nothing to complain about."""
    for problem in config.check(text, "f", {}):
        assert problem.line >= 1
        assert problem.column >= 1
        assert "\n" not in str(problem)
