"""Where the service is: from what the owner configured to the address the SDK is given.

Pure. Connecting is ``link.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from speakerd.core.errors import LinkError, Remedy
from speakerd.core.hosts import is_loopback
from speakerd.realtime.expiry import AZURE_LIFE_S, OPENAI_LIFE_S

OPENAI_BASE_URL = "wss://api.openai.com/v1"
"""OpenAI's own service (specified)."""

Provider = Literal["azure", "openai", "embedded"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Realtime service and the model to ask there."""

    websocket_base_url: str
    """What ``/realtime`` is appended to; ``wss://``, or ``ws://`` on this machine."""

    model: str
    """The model; on Azure the deployment's name."""

    longest_session_s: float = OPENAI_LIFE_S
    """How long a session lasts there, whatever it says of itself."""

    @classmethod
    def from_service(cls, provider: Provider, endpoint: str | None, model: str) -> Endpoint:
        """Find the address of a configured service.

        Raises:
            LinkError: ``endpoint-invalid``: there is none, or it cannot be used. Remedy EXIT.
        """
        if endpoint is None:
            if provider != "openai":
                raise _invalid(f"service.endpoint is missing, and {provider} has no address of its own")
            return cls(OPENAI_BASE_URL, model)
        try:
            url = urlsplit(endpoint)
            host, _ = url.hostname, url.port  # both raise where they cannot be read
        except ValueError as error:
            raise _invalid(f"service.endpoint {endpoint!r} is not a URL: {error}") from error
        if not host or not endpoint.isprintable() or " " in endpoint:
            raise _invalid(f"service.endpoint {endpoint!r} names no host")
        longest_s = AZURE_LIFE_S if provider == "azure" else OPENAI_LIFE_S
        return cls(_base_url(provider, endpoint, url), model, longest_s)

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.websocket_base_url).scheme == "wss"

    @property
    def loopback(self) -> bool:
        """Whether the service runs on this machine."""
        return is_loopback(urlsplit(self.websocket_base_url).hostname or "")


def _base_url(provider: Provider, endpoint: str, url: SplitResult) -> str:
    match provider, url.scheme:
        case _, "wss":
            return endpoint
        case _, "ws" if is_loopback(url.hostname or ""):
            return endpoint
        case _, "ws":
            raise _invalid(f"service.endpoint {endpoint!r} is not encrypted; plain ws:// is for this machine only")
        case "azure", "https":
            # The portal shows longer addresses with the retired API's path and version: only the host counts.
            return f"wss://{url.netloc}/openai/v1"
        case "openai", "https":
            return f"wss://{url.netloc}{url.path.rstrip('/') or '/v1'}"
    raise _invalid(f"service.endpoint {endpoint!r} cannot be used with {provider}: use https://, wss:// or ws://")


def _invalid(message: str) -> LinkError:
    return LinkError("endpoint-invalid", message, Remedy.EXIT)
