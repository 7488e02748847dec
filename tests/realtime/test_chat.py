"""The chat, against a strict scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import pytest

from speakerd.core.errors import AuthError, Remedy, SpeakerdError
from speakerd.realtime.chat import Play, chat
from speakerd.realtime.link import Endpoint, SessionSpec
from speakerd.realtime.usage import Usage
from tests.fakes.link_listener import Signer
from tests.fakes.realtime_server import Client, RealtimeServer, Refuse

PCM = bytes(4800)
FOREVER = object()


class Terminal:
    """Types what it was given, then ends (or waits); keeps what it was shown."""

    def __init__(self, lines: Iterable[object]) -> None:
        self._lines = list(lines)
        self.shown = ""

    async def read_line(self) -> str | None:
        line = self._lines.pop(0) if self._lines else None
        if line is FOREVER:
            await asyncio.Event().wait()
        return line if isinstance(line, str) else None

    def write(self, text: str) -> None:
        self.shown += text


async def chatted(
    server: RealtimeServer,
    terminal: Terminal,
    *,
    play: Play | None = None,
    strict: bool = False,
    signer: Signer | None = None,
) -> int:
    return await chat(
        endpoint=Endpoint(server.url, "gpt-realtime"),
        credentials=signer or Signer(),
        spec=SessionSpec(),
        play=play,
        strict=strict,
        read_line=terminal.read_line,
        write=terminal.write,
    )


async def asked(client: Client, text: str) -> Mapping[str, object]:
    item = (await client.expect("conversation.item.create"))["item"]
    assert item == {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return await client.expect("response.create")


async def answer(client: Client, response: str, words: Iterable[str], status: str = "completed") -> None:
    await client.emit("response.created", response={"id": response})
    for word in words:
        await client.emit(
            "response.output_audio_transcript.delta", response_id=response, item_id="a", output_index=0, delta=word
        )
    await client.emit_audio(response, "a", PCM)
    await client.emit("response.done", response={"id": response, "status": status, "status_details": {"reason": "max"}})


async def test_a_typed_message_is_answered_in_writing_and_sound() -> None:
    """Text goes out, the transcript streams, the sound is played whole before the next prompt; q ends it."""
    played: list[bytes] = []

    async def play(pcm: bytes) -> None:
        played.append(pcm)

    async def script(client: Client) -> None:
        session = await client.configure()
        assert session["type"] == "realtime"
        assert session["audio"]["input"]["turn_detection"] is None
        await asked(client, "How are you?")
        await answer(client, "r1", ["Fine", ", thanks."])
        await asked(client, "Good.")
        await answer(client, "r2", ["Yes."])

    terminal = Terminal(["How are you? ", "", "Good.", "q"])
    async with RealtimeServer(script) as server:
        assert await chatted(server, terminal, play=play) == 0
        await server.assert_complete()
        assert server.visits[0].close_code == 1000
    prompt = "Enter a message: "
    assert terminal.shown == f"{prompt}Fine, thanks.\n{prompt}{prompt}Yes.\n{prompt}Conversation ended.\n"
    assert played == [PCM, PCM]


async def test_without_sound_the_sizes_are_shown() -> None:
    """With nobody to play it, the size of each piece of audio is told; the end of input ends it."""

    async def script(client: Client) -> None:
        await client.configure()
        await asked(client, "Hi")
        await answer(client, "r1", ["Hello."], status="incomplete")

    terminal = Terminal(["Hi"])
    async with RealtimeServer(script) as server:
        assert await chatted(server, terminal) == 0
        await server.assert_complete()
    assert "Hello.\n(received 4800 bytes of audio)\n(incomplete: max)\n" in terminal.shown


async def fails_thrice(client: Client) -> None:
    refused = await client.expect("session.update")
    await client.emit_error("invalid_value", refused["event_id"])
    await client.expect("session.update")
    await client.emit("session.updated", session={})
    response = await asked(client, "one")
    await client.emit_error("server_error", str(response["event_id"]))
    await asked(client, "two")
    await client.emit("response.created", response={"id": "r2"})
    await client.emit_error("something_else")
    details = {"error": {"code": "insufficient_quota", "message": "pay"}}
    await client.emit("response.done", response={"id": "r2", "status": "failed", "status_details": details})
    await asked(client, "three")
    await client.emit_error("nameless")


async def test_errors_are_shown_and_survived() -> None:
    """Refused updates, refused requests, failed responses and nameless trouble show their code; the chat goes on."""
    terminal = Terminal(["one", "two", "three", "q"])
    async with RealtimeServer(fails_thrice) as server:
        assert await chatted(server, terminal) == 0
        await server.assert_complete()
    codes = ["invalid_value", "server_error", "something_else", "insufficient_quota: pay", "nameless"]
    for code in codes:
        assert f"error {code}" in terminal.shown


async def test_strict_stops_at_the_first_error() -> None:
    """With strict, the first error event is the end, with exit code 1 and its code."""

    async def script(client: Client) -> None:
        refused = await client.expect("session.update")
        await client.emit_error("invalid_value", refused["event_id"])

    terminal = Terminal([])
    async with RealtimeServer(script) as server:
        assert await chatted(server, terminal, strict=True) == 1
        await server.assert_complete()
    assert "service-error: invalid_value" in terminal.shown


@pytest.mark.parametrize(
    ("plan", "answers", "code", "exit_code"),
    [
        (Refuse(404), (), "link-http-404", 1),
        (None, (AuthError("auth-none", "no key", Remedy.OPERATOR),), "auth-none", 77),
    ],
)
async def test_what_is_wrong_is_said_with_its_remedy(
    plan: Refuse | None, answers: tuple[SpeakerdError, ...], code: str, exit_code: int
) -> None:
    """A service that refuses and a missing credential are named by code, with what to do."""
    terminal = Terminal([])
    async with RealtimeServer(*([plan] if plan else [])) as server:
        assert await chatted(server, terminal, signer=Signer(*answers)) == exit_code
        await server.assert_complete()
    assert f"\n{code}: " in terminal.shown
    assert "what to do: change the configuration" in terminal.shown


async def test_a_session_refused_twice_is_the_end() -> None:
    """When even the minimum is refused, chat says so and leaves."""

    async def script(client: Client) -> None:
        for _ in range(2):
            refused = await client.expect("session.update")
            await client.emit_error("invalid_value", refused["event_id"])

    terminal = Terminal([])
    async with RealtimeServer(script) as server:
        assert await chatted(server, terminal) == 1
        await server.assert_complete()
    assert "session-refused" in terminal.shown


async def test_a_lost_connection_ends_the_chat_while_somebody_types() -> None:
    """A close of the service is noticed at the prompt."""

    async def script(client: Client) -> None:
        await client.configure()
        await client.close(1001)

    terminal = Terminal([FOREVER])
    async with RealtimeServer(script) as server:
        assert await chatted(server, terminal) == 1
    assert "link-closed-1001" in terminal.shown


async def test_cancelling_the_chat_closes_the_socket() -> None:
    """Ctrl-C at the prompt propagates and leaves with a clean close."""
    ready = asyncio.Event()

    async def script(client: Client) -> None:
        await client.configure()
        ready.set()

    async with RealtimeServer(script) as server:
        task = asyncio.create_task(chatted(server, Terminal([FOREVER])))
        await ready.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.assert_complete()
        assert server.visits[0].close_code == 1000


async def test_a_reply_is_paid_for_and_the_last_one_ends_it() -> None:
    """What each reply took is told before the next message is asked for; without money nothing more is asked."""
    told: list[Usage] = []

    async def script(client: Client) -> None:
        await client.configure()
        await asked(client, "hello")
        await client.emit("response.created", response={"id": "r1"})
        usage = {"output_token_details": {"audio_tokens": 4}}
        await client.emit("response.done", response={"id": "r1", "status": "completed", "usage": usage})

    terminal = Terminal(["hello", "never asked"])
    async with RealtimeServer(script) as server:
        code = await chat(
            endpoint=Endpoint(server.url, "gpt-realtime"),
            credentials=Signer(),
            spec=SessionSpec(),
            play=None,
            strict=False,
            read_line=terminal.read_line,
            write=terminal.write,
            on_usage=told.append,
            has_money=lambda: not told,
        )
        await server.assert_complete()
    assert (code, told) == (0, [Usage(0, 0, 0, 0, 0, 4)])
    assert terminal.shown.count("Enter a message: ") == 1
