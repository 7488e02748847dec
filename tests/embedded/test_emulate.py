"""``speakerd emulate``: what it says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from speakerd.core.errors import SpeakerdError
from speakerd.embedded.emulate import Wishes, emulate
from speakerd.embedded.spawn import parse_announcement


async def test_first_line_is_for_programs_and_the_rest_for_people() -> None:
    """It tells where it listens and which tier it has, then how to point clients at it."""
    lines: list[str] = []
    told = asyncio.Event()

    def announce(line: str) -> None:
        lines.append(line)
        if "Ctrl+C" in line:
            told.set()

    serving = asyncio.create_task(emulate(port=0, tier="scripted", announce=announce))
    await told.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    announced = parse_announcement(lines[0])
    assert announced is not None
    assert announced.tier == "scripted"
    assert any("provider: embedded" in line and announced.url in line for line in lines)
    assert any("AsyncOpenAI" in line for line in lines)


@pytest.mark.parametrize(
    ("host", "tls", "warnings"), [("127.0.0.1", False, 0), ("0.0.0.0", False, 1), ("0.0.0.0", True, 0)]
)
async def test_clear_text_beyond_this_machine_is_warned_of(
    host: str, tls: bool, warnings: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who listens on other addresses without TLS is told once that everybody on the way can read along."""
    if tls:
        pytest.importorskip("cryptography", reason="the certificate is made by speakerd[local]")
    (tmp_path / "key").write_text("open-sesame")
    told = asyncio.Event()
    wishes = Wishes(tls=tls, api_key_file=tmp_path / "key")
    serving = asyncio.create_task(
        emulate(host=host, port=0, tier="scripted", announce=lambda _line: told.set(), wishes=wishes)
    )
    await told.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert sum("clear text" in message and "--tls" in message for message in caplog.messages) == warnings


async def test_faults_of_the_file_strike_the_first_client(tmp_path: Path) -> None:
    """``--faults FILE`` holds at once, not only from the file's first change on."""
    path = tmp_path / "faults.json"
    path.write_text('{"http_status": 503}')
    first_line: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def announce(line: str) -> None:
        if not first_line.done():
            first_line.set_result(line)

    serving = asyncio.create_task(emulate(port=0, tier="scripted", announce=announce, wishes=Wishes(faults=path)))
    announced = parse_announcement(await first_line)
    assert announced is not None
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{announced.url}/realtime?model=m", additional_headers={"api-key": "any"})
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert refused.value.response.status_code == 503


async def test_a_port_that_is_none_is_named() -> None:
    """A port that cannot be is refused with what can be done, as one is that is taken."""
    with pytest.raises(SpeakerdError, match=r"99999.*0 to 65535.*--port"):
        await emulate(port=99_999, tier="scripted")


async def test_other_addresses_are_refused() -> None:
    """It listens on this machine only."""
    with pytest.raises(SpeakerdError, match="loopback"):
        await emulate(host="192.0.2.1", port=0, tier="scripted")
