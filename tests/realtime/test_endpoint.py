"""From the configured service to the address the SDK is given."""

from __future__ import annotations

import pytest

from speakerd.core.errors import LinkError, Remedy
from speakerd.realtime.endpoint import Endpoint, Provider


@pytest.mark.parametrize(
    ("provider", "endpoint", "url"),
    [
        ("azure", "https://kitchen.openai.azure.com", "wss://kitchen.openai.azure.com/openai/v1"),
        ("azure", "https://kitchen.openai.azure.com/", "wss://kitchen.openai.azure.com/openai/v1"),
        ("azure", "https://k.openai.azure.com/openai/realtime?api-version=x", "wss://k.openai.azure.com/openai/v1"),
        ("azure", "wss://proxy.example/any", "wss://proxy.example/any"),
        ("openai", None, "wss://api.openai.com/v1"),
        ("openai", "https://host.example", "wss://host.example/v1"),
        ("openai", "https://host.example/api/v1/", "wss://host.example/api/v1"),
        ("embedded", "ws://127.0.0.1:9/v1", "ws://127.0.0.1:9/v1"),
        ("embedded", "ws://[::1]:9/v1", "ws://[::1]:9/v1"),
        ("openai", "ws://localhost:9/v1", "ws://localhost:9/v1"),
    ],
)
def test_each_provider_has_its_address(provider: Provider, endpoint: str | None, url: str) -> None:
    """Azure and OpenAI addresses become those of the Realtime API; WebSocket addresses are taken as they are."""
    found = Endpoint.from_service(provider, endpoint, "m")
    assert (found.websocket_base_url, found.model) == (url, "m")


@pytest.mark.parametrize(("provider", "minutes"), [("azure", 30), ("openai", 60), ("embedded", 60)])
def test_a_session_lasts_as_long_as_its_provider_says(provider: Provider, minutes: int) -> None:
    """Azure ends sessions after half an hour, wherever it is reached; the others after an hour."""
    assert Endpoint.from_service(provider, "wss://host.example/v1", "m").longest_session_s == 60 * minutes


@pytest.mark.parametrize(
    ("provider", "endpoint"),
    [
        ("azure", None),
        ("embedded", None),
        ("azure", "kitchen.openai.azure.com"),
        ("azure", "https://kit chen.example"),
        ("azure", "http://kitchen.openai.azure.com"),
        ("openai", "ws://kitchen.example"),
        ("openai", "ws://10.0.0.1"),
        ("openai", "wss://[::1"),
        ("openai", "wss://host:port"),
        ("embedded", "https://127.0.0.1"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(provider: Provider, endpoint: str | None) -> None:
    """No address, no URL, or no encryption beyond this machine: only another configuration helps."""
    with pytest.raises(LinkError) as refused:
        Endpoint.from_service(provider, endpoint, "m")
    assert (refused.value.code, refused.value.remedy) == ("endpoint-invalid", Remedy.EXIT)


def test_an_endpoint_knows_how_far_it_is() -> None:
    """Encryption and loopback are read off the address."""
    near, far = Endpoint("ws://127.0.0.1:9/v1", "m"), Endpoint("wss://api.openai.com/v1", "m")
    assert (near.secure, near.loopback, far.secure, far.loopback) == (False, True, True, False)
