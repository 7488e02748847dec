"""What the service manager is told."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

import pytest

from speakerd.host.notify import Notifier


def test_systemd_is_told_what_counts() -> None:
    """Ready, the status line on one line, and stopping, in systemd's words."""
    told: list[str] = []
    notifier = Notifier(told.append)
    notifier.ready()
    notifier.alive()
    notifier.status("offline\nsince 14:02")
    notifier.stopping()
    assert told == ["READY=1", "WATCHDOG=1", "STATUS=offline since 14:02", "STOPPING=1\nSTATUS=stopping"]


def test_a_line_is_logged_when_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    """Showing the same line again says nothing new."""
    told: list[str] = []
    notifier = Notifier(told.append)
    with caplog.at_level(logging.INFO, "speakerd"):
        for line in ("muted", "muted", "listening"):
            notifier.show(line)
    assert told == ["STATUS=muted", "STATUS=listening"]
    assert caplog.messages == ["muted", "listening"]


def test_outside_a_unit_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without systemd's socket there is nobody to tell, and that is fine."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()
    notifier.ready()
    notifier.stopping()


def test_systemds_own_library_speaks_on_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a unit, a datagram arrives where NOTIFY_SOCKET points."""
    pytest.importorskip("systemd.daemon", reason="systemd-python is not built here")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        Notifier().ready()
        assert manager.recv(100) == b"READY=1"


def test_a_service_manager_that_is_gone_is_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Telling nobody is a warning, not the end."""
    pytest.importorskip("systemd.daemon", reason="systemd-python is not built here")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready()
    assert "systemd cannot be told" in caplog.text


def test_a_reload_is_told_with_its_moment() -> None:
    """On the monotonic clock, in microseconds, as systemd's protocol wants it."""
    told: list[str] = []
    before_us = time.monotonic_ns() // 1000
    Notifier(told.append).reloading()
    reloading, moment = told[0].splitlines()
    assert reloading == "RELOADING=1"
    assert before_us <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
