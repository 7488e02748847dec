"""The configuration's model: every key once, with its name, default, range and meaning.

Reading YAML, files and environment variables lives in ``config.py``; rules between keys and the wording of complaints
live in ``settings_check.py``. A key arrives here together with the capability behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

THRESHOLD_WORDS = {"sensitive": 0.35, "normal": 0.5, "strict": 0.7}
"""What the three words of ``wake.threshold`` stand for (specified)."""


_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,63}")
_SCOPE = re.compile(r"(https|api)://[A-Za-z0-9./_-]{1,200}/\.default")


def _switch(value: object) -> object:
    """Take the words people write for a boolean; what is neither stays as it is and is refused by type."""
    words = {"on": True, "yes": True, "off": False, "no": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _allowed(allowed: str) -> WrapValidator:
    """Answer anything wrong with one sentence, where a union would give one complaint per member."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise ValueError(allowed) from error

    return WrapValidator(check)


def _matching(good: Callable[[str], bool], allowed: str) -> AfterValidator:
    """Refuse text that is not good, in words that say what is."""

    def check(value: str) -> str:
        if not good(value):
            raise ValueError(allowed)
        return value

    return AfterValidator(check)


def _is_language(code: str) -> bool:
    return code.isascii() and code.isalpha() and code.islower() and len(code) in (2, 3)


def _is_guid(text: str) -> bool:
    return _GUID.fullmatch(text) is not None


def _is_tenant(text: str) -> bool:
    return _is_guid(text) or _DOMAIN.fullmatch(text) is not None


def _is_scope(text: str) -> bool:
    return _SCOPE.fullmatch(text) is not None


def _is_wake_model(model: str) -> bool:
    name = model.replace("_", "").replace("-", "")
    return (name.isascii() and name.isalnum()) or (model.startswith("/") and model.endswith(".onnx"))


Switch = Annotated[bool, BeforeValidator(_switch)]
"""True or false, also as on, off, yes, no."""

Name = Annotated[str, Field(min_length=1, max_length=200), _matching(str.isprintable, "one line of text")]
"""A short name on one line."""

AbsolutePath = Annotated[
    str, _matching(lambda path: path.startswith("/") and path.isprintable(), "the absolute path of a file")
]
"""Where a file stands, from the root."""

ClientId = Annotated[
    str, _matching(_is_guid, "an application (client) id such as 01234567-89ab-cdef-0123-456789abcdef")
]
"""An app registration's or identity's id."""

Tenant = Annotated[str, _matching(_is_tenant, "a directory (tenant) id, or its domain such as example.onmicrosoft.com")]
"""A directory of Entra."""

Scope = Annotated[str, _matching(_is_scope, "https://HOST/.default, as the service's documentation names it")]
"""What a token opens."""

Language = Annotated[
    str,
    _matching(_is_language, "an ISO 639-1 code such as en or de"),
    Field(json_schema_extra={"pattern": "^[a-z]{2,3}$"}),
]
"""A language's code."""

WakeModel = Annotated[
    str, _matching(_is_wake_model, "the name of a model such as hey_jarvis, or the absolute path of an .onnx file")
]
"""A wake word model."""

WakeThreshold = Annotated[
    Annotated[float, Field(gt=0, le=1)] | Literal["sensitive", "normal", "strict"],
    _allowed("a number above 0 and up to 1, or sensitive (0.35), normal (0.5) or strict (0.7)"),
]
"""A score, or a word for one."""

Channel = Annotated[
    Annotated[int, Field(ge=0, le=31)] | Literal["auto"],
    _allowed("auto, or the number of a channel, counted from 0, up to 31"),
]
"""One channel of a card."""


Price = Annotated[float, Field(ge=0, le=10_000)] | None
"""USD per million tokens."""


class Section(BaseModel):
    """A part of the file. Immutable; wrong types, unknown keys and infinite numbers are refused."""

    # What the keys' docstrings say is put into the schema when that is made (``settings_schema.py``): pydantic would
    # read and parse this file at every start, 18 of the 35 ms of CPU that the import takes (measured).
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Assistant(Section):
    """Who answers."""

    voice: Name = "marin"
    """Voice of the replies: alloy, ash, ballad, coral, echo, sage, shimmer, verse, marin, cedar, or a newer one."""

    instructions: str = "You are a friendly speaker in a kitchen. Answer in one or two short sentences.\n"
    """Character and task of the assistant, in plain words."""

    language: Language = "en"
    """ISO 639-1 code of the language of spoken notices, and the hint for transcription."""

    speed: float = Field(default=1.0, ge=0.25, le=1.5)
    """How fast it speaks, as a factor."""


class Service(Section):
    """Where the answers come from."""

    provider: Literal["azure", "openai", "embedded"] = "embedded"
    """Azure OpenAI, OpenAI, or the embedded service, which needs no account and no network."""

    endpoint: str | None = None
    """URL of the service; null: OpenAI's own, or an embedded service that speakerd starts itself.

    Azure needs https://NAME.openai.azure.com. A ws:// or wss:// URL is taken as it is, plain ws:// only to loopback.
    """

    model: Name = "gpt-realtime"
    """Realtime model; on Azure the deployment's name."""

    transcription: Name | None = None
    """Model (on Azure: deployment) that writes down what the user said; null: none."""

    session: dict[str, Any] = Field(default_factory=dict)
    """Extra fields of the Realtime session, passed on as they are."""


class Auth(Section):
    """How speakerd signs in. Secrets never stand in the file."""

    method: Literal["managed_identity", "device_code", "certificate", "azure_cli", "default", "api_key", "none"] = (
        "none"
    )
    """Microsoft Entra ID by the machine's own identity (Azure Arc), by a person once (speakerd login), by a
    certificate, as the Azure CLI or as the developer's surroundings say; a key from a file; or nothing (embedded
    service only)."""

    tenant: Tenant | None = None
    """Directory (tenant) of the app registration, as its id or domain; certificate needs it, and with device_code an
    app for one tenant. Null: the tenant of whoever signs in."""

    client: ClientId | None = None
    """Application id of your own app registration; with managed_identity that of a user-assigned identity, or null."""

    scope: Scope = "https://cognitiveservices.azure.com/.default"
    """What a token is asked for."""

    certificate_file: AbsolutePath | None = None
    """File that holds certificate and key, readable by its owner only; null: the systemd credential certificate."""

    api_key_file: AbsolutePath | None = None
    """File that holds the key, readable by its owner and group only; null: the systemd credential api-key."""

    @property
    def is_entra(self) -> bool:
        """Whether Microsoft Entra ID signs us in."""
        return self.method not in {"api_key", "none"}


class Wake(Section):
    """The wake word."""

    models: tuple[WakeModel, ...] = Field(default=("hey_jarvis",), min_length=1, max_length=8, strict=False)
    """Names of models, or absolute paths of .onnx files; any of them wakes."""

    threshold: WakeThreshold = 0.5
    """Score from which a wake word counts, 0 to 1, or sensitive (0.35), normal (0.5), strict (0.7)."""

    refractory_s: float = Field(default=2.0, ge=0, le=60)
    """Seconds after a detection in which no other counts."""

    engine: Literal["auto", "openwakeword", "lean"] = "auto"
    """What computes the scores: lean takes 40 MB less, starts sooner; openwakeword knows every model, auto chooses."""

    gate: Switch = True
    """Let the networks sleep while the room is quiet; they catch up, so nothing is missed. False: they always work."""

    noise_suppression: Switch = False
    """Take noise out before the wake word is looked for: helps where it is loud. Needs the package libspeexdsp1."""

    @property
    def threshold_score(self) -> float:
        """The threshold as a number, whatever way it was written."""
        return THRESHOLD_WORDS[self.threshold] if isinstance(self.threshold, str) else self.threshold


class TurnDetection(Section):
    """How the service hears that the user has begun and finished, in the service's own names."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    """By silence, or by meaning."""

    threshold: float = Field(default=0.5, ge=0, le=1)
    """How sure server_vad must be that it hears speech, 0 to 1; more in a loud room."""

    prefix_padding_ms: int = Field(default=300, ge=0, le=10_000)
    """Milliseconds before the detected beginning that belong to the utterance (server_vad)."""

    silence_duration_ms: int = Field(default=500, ge=0, le=10_000)
    """Milliseconds of silence that end an utterance (server_vad)."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    """How soon semantic_vad takes an utterance for finished."""

    noise_reduction: Literal["near_field", "far_field", "none"] = "far_field"
    """The service's filter: far_field for a microphone in the room, near_field for one at the mouth, or none."""


class Conversation(Section):
    """How a conversation runs."""

    follow_up_s: float = Field(default=8, ge=0, le=300)
    """Seconds to listen on without a wake word after a reply; 0: never."""

    max_turns: int = Field(default=20, ge=1, le=1000)
    """Most turns after one wake word."""

    barge_in: Literal["auto", "speech", "wake_word", "off"] = "auto"
    """What cuts a reply short: speech, only a wake word, nothing, or what is measured of the echo (auto)."""

    memory_minutes: float = Field(default=10, ge=0, le=1440)
    """How far back a new session is told what was said, as text; 0: every conversation begins anew."""


class Capture(Section):
    """The microphone."""

    device: Name = "default"
    """ALSA name of the card; speakerd devices lists them."""

    channel: Channel = "auto"
    """The channel to hear, counted from 0; auto chooses."""


class Playback(Section):
    """The loudspeaker."""

    device: Name = "default"
    """ALSA name of the card; speakerd devices lists them."""

    volume: int | None = Field(default=None, ge=0, le=100)
    """Volume; speakerd volume sets another, kept until another is written here; null: as it comes."""

    mixer: Name = "auto"
    """Volume control of the card; auto finds one, none leaves it alone and makes the sound itself quieter."""


class Audio(Section):
    """The sound cards."""

    capture: Capture = Capture()
    """The microphone."""

    playback: Playback = Playback()
    """The loudspeaker."""

    echo_cancellation: Literal["auto", "on", "off"] = "auto"
    """Take our own voice out of the microphone; auto: while there is an echo of it."""

    earcons: Switch = True
    """Play the short sounds that say what is going on."""


class ModelPrices(Section):
    """What one model costs, in USD per million tokens; null: as in the built-in table."""

    text_in: Price = None
    """Text read."""

    text_cached: Price = None
    """Text read that was cached."""

    text_out: Price = None
    """Text written."""

    audio_in: Price = None
    """Audio read."""

    audio_cached: Price = None
    """Audio read that was cached."""

    audio_out: Price = None
    """Audio spoken."""


class Budget(Section):
    """Money. All sums are estimates by list prices."""

    daily_usd: Annotated[float, Field(ge=0.01, le=10_000)] | None = None
    """When today's estimate reaches this many USD, speakerd says so and opens no more sessions; null: no limit."""

    prices: dict[str, ModelPrices] = Field(default_factory=dict)
    """USD per million tokens, by model (on Azure: deployment), over the built-in table."""


class Log(Section):
    """What the journal may hold."""

    transcripts: Switch = False
    """Write what was said to the journal."""


class Settings(Section):
    """The whole file; without a file every default holds."""

    assistant: Assistant = Assistant()
    """Who answers."""

    service: Service = Service()
    """Where the answers come from."""

    auth: Auth = Auth()
    """How speakerd signs in."""

    wake: Wake = Wake()
    """The wake word."""

    turn_detection: TurnDetection = TurnDetection()
    """How the service hears that the user has begun and finished."""

    conversation: Conversation = Conversation()
    """How a conversation runs."""

    audio: Audio = Audio()
    """The sound cards."""

    budget: Budget = Budget()
    """Money. All sums are estimates by list prices."""

    log: Log = Log()
    """What the journal may hold."""
