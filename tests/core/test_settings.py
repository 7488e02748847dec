"""The configuration's model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from speakerd.core.settings import Settings


def leaves(model: type[BaseModel], at: str = "") -> Iterator[tuple[str, Any]]:
    """Walk every key of the model."""
    for name, field in model.model_fields.items():
        yield f"{at}{name}", field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{at}{name}.")


def test_nothing_configured_is_the_embedded_service_without_sign_in() -> None:
    """Every key has a default, and the defaults need no account."""
    settings = Settings()
    assert (settings.service.provider, settings.auth.method) == ("embedded", "none")
    assert (settings.assistant.voice, settings.service.model) == ("marin", "gpt-realtime")
    assert settings.turn_detection.silence_duration_ms == 500
    assert settings.conversation.follow_up_s == 8


def test_every_key_has_a_default() -> None:
    """Nothing has to be configured."""
    for name, field in leaves(Settings):
        assert not field.is_required(), name


def test_settings_do_not_change() -> None:
    """Settings are immutable: a reload makes new ones."""
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.assistant.voice = "cedar"  # type: ignore[misc]  # what is tried is what must fail


@pytest.mark.parametrize(
    ("written", "score"), [("sensitive", 0.35), ("normal", 0.5), ("strict", 0.7), (0.61, 0.61), (1, 1.0)]
)
def test_a_wake_threshold_is_a_number_or_a_word_for_one(written: object, score: float) -> None:
    """The words stand for the scores that the contract names."""
    assert Settings.model_validate({"wake": {"threshold": written}}).wake.threshold_score == score


@pytest.mark.parametrize(
    ("written", "value"), [("on", True), ("Yes", True), ("off", False), ("NO", False), (True, True)]
)
def test_a_switch_takes_the_words_people_write(written: object, value: bool) -> None:
    """On, off, yes and no are booleans where a boolean is asked for."""
    assert Settings.model_validate({"audio": {"earcons": written}}).audio.earcons is value


@pytest.mark.parametrize(
    "wrong",
    [
        {"assistant": {"speed": 1.51}},
        {"assistant": {"speed": "1.0"}},
        {"assistant": {"speed": float("inf")}},
        {"assistant": {"voice": ""}},
        {"assistant": {"voice": "two\nlines"}},
        {"assistant": {"language": "english"}},
        {"auth": {"api_key_file": "relative.key"}},
        {"auth": {"client": "speakerd"}},
        {"auth": {"client": "01234567-89ab-cdef-0123-456789abcdef "}},
        {"auth": {"tenant": "my tenant"}},
        {"auth": {"scope": "https://cognitiveservices.azure.com"}},
        {"wake": {"models": []}},
        {"wake": {"models": ["../escape"]}},
        {"wake": {"models": ["relative/model.onnx"]}},
        {"wake": {"threshold": 0}},
        {"wake": {"threshold": True}},
        {"wake": {"threshold": "loose"}},
        {"turn_detection": {"silence_duration_ms": -1}},
        {"turn_detection": {"silence_duration_ms": 0.5}},
        {"conversation": {"max_turns": True}},
        {"audio": {"capture": {"channel": -1}}},
        {"audio": {"earcons": "perhaps"}},
        {"audio": {"earcons": 1}},
        {"budget": {"daily_usd": 0}},
        {"budget": {"daily_usd": "2"}},
        {"budget": {"prices": {"kitchen": {"audio_in": -1}}}},
        {"budget": {"prices": {"kitchen": {"video_in": 1}}}},
        {"budget": {"prices": {"kitchen": 3}}},
        {"unknown": {}},
    ],
)
def test_what_is_not_allowed_is_refused(wrong: dict[str, Any]) -> None:
    """No value is bent until it fits."""
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_wake_models_are_names_or_absolute_paths() -> None:
    """Both kinds of wake word model are taken, and any number up to eight."""
    models = ["hey_jarvis", "hey-you_2", "/opt/words/computer.onnx"]
    assert Settings.model_validate({"wake": {"models": models}}).wake.models == tuple(models)


@pytest.mark.parametrize("tenant", ["01234567-89ab-cdef-0123-456789abcdef", "example.onmicrosoft.com", "example.org"])
def test_who_signs_in(tenant: str) -> None:
    """By a person, a certificate or the machine it is Entra; a key or nothing is not."""
    client = "01234567-89AB-cdef-0123-456789abcdef"
    auth = {"method": "device_code", "tenant": tenant, "client": client, "scope": "https://ai.azure.com/.default"}
    assert Settings.model_validate({"auth": auth}).auth.is_entra
    assert not Settings.model_validate({"auth": {"method": "api_key"}}).auth.is_entra
    assert not Settings().auth.is_entra


def test_prices_are_kept_by_model() -> None:
    """A model's row holds what the owner names, and nothing where they are silent; without a limit there is none."""
    budget = Settings.model_validate({"budget": {"prices": {"my.kitchen": {"audio_in": 32}}}}).budget
    assert budget.daily_usd is None
    assert budget.prices["my.kitchen"].model_dump(exclude_none=True) == {"audio_in": 32.0}
    assert Settings.model_validate({"budget": {"daily_usd": 2}}).budget.daily_usd == 2
