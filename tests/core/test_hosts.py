"""A host's name tells whether it is this machine."""

from __future__ import annotations

import pytest

from speakerd.core.hosts import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine(host):
    """The loopback range and its name."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "example.org", "localhost.example.org", "10.0.0.1", "0.0.0.0", "::"])
def test_elsewhere(host):
    """Everything else, the wildcard addresses included."""
    assert not is_loopback(host)
