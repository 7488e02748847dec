"""``--record``: what the service heard and said, kept as sound and text, one folder for each session.

A thread of its own does the writing, so that a slow disk holds up no session. A disk that fails is told once; the
sessions go on.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import queue
import threading
import wave
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from speakerd.core.errors import Remedy, SpeakerdError
from speakerd.core.units import SAMPLE_BYTES, WIRE_RATE_HZ
from speakerd.embedded.g711 import Decoder, decoder_for
from speakerd.embedded.turn_log import words_of

_log = logging.getLogger("speakerd.embedded")

_WAITING_PIECES = 256
"""How much may wait for the disk before it is thrown away (guessed): minutes of several conversations."""

_FLUSH_S = 5.0
"""How long the end of the service waits for the disk (guessed)."""

_BYTES_PER_MS = WIRE_RATE_HZ * SAMPLE_BYTES // 1000


class Recorder:
    """Writes recordings into a folder.

    Args:
        folder: Made when it is not there, for its owner's eyes only.
        now: Local time.

    Ends:
        ``close`` waits for what is still to be written.

    Raises:
        SpeakerdError: the folder cannot be made or written (code ``embedded-record``).
    """

    def __init__(self, folder: Path, now: Callable[[], datetime] = datetime.now) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SpeakerdError("embedded-record", f"cannot record into {folder}: {error}", Remedy.EXIT) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SpeakerdError("embedded-record", f"cannot record into {folder}: it is not writable", Remedy.EXIT)
        self._folder = folder
        self._now = now
        self._told = False
        self._waiting: queue.Queue[tuple[Path, bytes] | None] = queue.Queue(_WAITING_PIECES)
        self._thread = threading.Thread(target=self._work, name="embedded-record", daemon=True)
        self._thread.start()

    def session(self, session_id: str) -> SessionRecording:
        """Return the recording of a session that begins now."""
        folder = self._folder / f"{self._now():%Y%m%d-%H%M%S}-{session_id}"
        return SessionRecording(folder, self._now, self.append)

    def append(self, path: Path, content: bytes) -> None:
        """Have content appended to a file; never waits."""
        try:
            self._waiting.put_nowait((path, content))
        except queue.Full:
            self._tell("the disk is too slow")

    def close(self) -> None:
        """Wait for the disk, but not for ever."""
        try:
            self._waiting.put(None, timeout=_FLUSH_S)
        except queue.Full:
            self._tell("the disk is too slow")
        else:
            self._thread.join(_FLUSH_S)

    def _work(self) -> None:
        """Write what comes. Ends with ``close``."""
        while (piece := self._waiting.get()) is not None:
            path, content = piece
            try:
                path.parent.mkdir(mode=0o700, exist_ok=True)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
                    file.write(content)
            except OSError as error:
                self._tell(str(error))

    def _tell(self, problem: str) -> None:
        if not self._told:
            self._told = True
            _log.warning("recording has gaps, the sessions go on: %s", problem)


class SessionRecording:
    """Records one session: ``transcript.jsonl``, and a WAV file for each thing heard or said, numbered in order.

    Args:
        folder: Where to.
        now: Local time.
        append: Has content appended to a file.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime], append: Callable[[Path, bytes], None]) -> None:
        self._folder = folder
        self._now = now
        self._append = append
        self._count = 0
        self._heard: dict[str, bytes] = {}
        self._said: dict[str, bytearray] = {}
        self._decoders: dict[str, Decoder | None] = {}

    def posted(self, event: dict[str, Any]) -> None:
        """Keep what is said."""
        match event["type"]:
            case "session.created":
                session = event["session"]
                self._line("opened", session_id=session["id"], model=session["model"])
            case "conversation.item.added":
                self._typed(event["item"])
            case "response.created":
                response = event["response"]
                self._said[response["id"]] = bytearray()
                self._decoders[response["id"]] = decoder_for(response["audio"]["output"]["format"])
            case "response.output_audio.delta":
                if event["response_id"] in self._said:  # a late delta is no part of the answer
                    self._play(event["response_id"], base64.b64decode(event["delta"]))
            case "response.done":
                self._done(event["response"])

    def listened(self, item_id: str, pcm: bytes) -> None:
        """Keep what the user said until its words are known."""
        self._heard[item_id] = pcm

    def recognised(self, item_id: str, text: str) -> None:
        """Write what the user said."""
        pcm = self._heard.pop(item_id, b"")
        self._line("heard", **self._sound("heard", pcm), item_id=item_id, text=text)

    def closed(self) -> None:
        """Write what had no end, and say that this is all."""
        for item_id, pcm in self._heard.items():
            self._line("heard", **self._sound("heard", pcm), item_id=item_id, text=None)
        for response_id, said in self._said.items():
            self._line("said", **self._sound("said", said), response_id=response_id, status="cut off", text=None)
        self._line("closed")

    def _play(self, response_id: str, audio: bytes) -> None:
        decoder = self._decoders[response_id]
        self._said[response_id] += audio if decoder is None else decoder.decode(audio)

    def _typed(self, item: dict[str, Any]) -> None:
        texts = [part["text"] for part in item.get("content") or () if part.get("type") == "input_text"]
        if texts:
            self._line("typed", item_id=item["id"], role=item["role"], text=" ".join(texts))

    def _done(self, response: dict[str, Any]) -> None:
        pcm = self._said.pop(response["id"], bytearray())
        self._decoders.pop(response["id"], None)
        for item in response["output"]:
            if item["type"] == "function_call":
                self._line("called", response_id=response["id"], name=item["name"], arguments=item["arguments"])
        words = words_of(response)
        sound = self._sound("said", pcm)
        self._line("said", **sound, response_id=response["id"], status=response["status"], text=words)

    def _sound(self, kind: str, pcm: bytes | bytearray) -> dict[str, Any]:
        """Write a WAV file and return what the transcript says of it."""
        if not pcm:
            return {"file": None, "ms": 0}
        self._count += 1
        name = f"{self._count:03}-{kind}.wav"
        self._append(self._folder / name, wav(pcm))
        return {"file": name, "ms": len(pcm) // _BYTES_PER_MS}

    def _line(self, kind: str, **fields: Any) -> None:
        at = self._now().astimezone().isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, "kind": kind, **fields}, ensure_ascii=False)
        self._append(self._folder / "transcript.jsonl", f"{line}\n".encode())


def wav(pcm: bytes | bytearray) -> bytes:
    """Return wire audio as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(SAMPLE_BYTES)
        sound.setframerate(WIRE_RATE_HZ)
        sound.writeframes(pcm)
    return file.getvalue()
