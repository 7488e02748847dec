"""The least programs that do it at all, as peers: what listening and talking cost before anything clever is done.

They are texts, run in processes of their own without a line of ours in them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from speakerd.demo import simcard
from speakerd.demo.process import Child
from speakerd.demo.props import HEADPHONES, cache_dir, clean_environment
from speakerd.demo.stage import Stage

_START_S = 20.0
"""How long a bare program may take to be up: a second on a busy machine (guessed)."""

_POLL_S = 0.05
"""How often its output is looked at meanwhile (chosen)."""

CAPTURE = """\
import alsaaudio
pcm = alsaaudio.PCM(alsaaudio.PCM_CAPTURE, device="default", rate=48000, channels=1,
                    format=alsaaudio.PCM_FORMAT_S16_LE, periodsize=960, periods=8)
print("up", flush=True)
while True:
    pcm.read()
"""
"""Reads periods of 20 ms and throws them away."""

TALK = """\
import base64, json, sys, threading
import alsaaudio
from websockets.sync.client import connect

def card(kind, periods):
    return alsaaudio.PCM(kind, device="plug:default", rate=24000, channels=1,
                         format=alsaaudio.PCM_FORMAT_S16_LE, periodsize=480, periods=periods)

def listen(socket):
    microphone = card(alsaaudio.PCM_CAPTURE, 8)
    while True:
        pcm = base64.b64encode(microphone.read()[1]).decode()
        socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": pcm}))

with connect(sys.argv[1], additional_headers={"Authorization": "Bearer local"}, compression=None) as socket:
    socket.send(json.dumps({"type": "session.update", "session": json.loads(sys.argv[2])}))
    loudspeaker = card(alsaaudio.PCM_PLAYBACK, 4)
    threading.Thread(target=listen, args=(socket,), daemon=True).start()
    print("up", flush=True)
    for message in socket:
        event = json.loads(message)
        if event["type"] == "response.output_audio.delta":
            pcm = base64.b64decode(event["delta"])
            for at in range(0, len(pcm), 960):
                loudspeaker.write(pcm[at:at + 960].ljust(960, bytes(1)))
        elif event["type"] == "response.done":
            print(event["response"]["status"], flush=True)
"""
"""Sends every period of 20 ms as it comes, plays every delta as it comes; ALSA converts the rate. No echo canceller, no
backlog, no interruption. Arguments: the socket's URL, the session as JSON. Prints how each response ended."""

CONVERSE = """\
import base64, json, queue, sys, threading
import alsaaudio
from websockets.sync.client import connect

PERIOD, PERIODS = 480, 4
todo = queue.SimpleQueue()

def card(kind, periods):
    return alsaaudio.PCM(kind, device="plug:default", rate=24000, channels=1,
                         format=alsaaudio.PCM_FORMAT_S16_LE, periodsize=PERIOD, periods=periods)

def listen(socket):
    microphone = card(alsaaudio.PCM_CAPTURE, 8)
    while True:
        pcm = base64.b64encode(microphone.read()[1]).decode()
        socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": pcm}))

def play(socket):
    loudspeaker = card(alsaaudio.PCM_PLAYBACK, PERIODS)
    item, frames = None, 0
    while True:
        now, pcm = todo.get()
        if pcm is None:
            queued = max(0, PERIOD * PERIODS - max(0, loudspeaker.avail()))
            loudspeaker.drop()
            if item is not None and queued:
                socket.send(json.dumps({"type": "conversation.item.truncate", "item_id": item, "content_index": 0,
                                        "audio_end_ms": (frames - queued) // 24}))
            item = None
            continue
        if now != item:
            item, frames = now, 0
        while loudspeaker.write(pcm) < 0:
            pass
        frames += PERIOD

with connect(sys.argv[1], additional_headers={"Authorization": "Bearer local"}, compression=None) as socket:
    socket.send(json.dumps({"type": "session.update", "session": json.loads(sys.argv[2])}))
    for job in (listen, play):
        threading.Thread(target=job, args=(socket,), daemon=True).start()
    print("up", flush=True)
    for message in socket:
        event = json.loads(message)
        if event["type"] == "response.output_audio.delta":
            pcm = base64.b64decode(event["delta"])
            for at in range(0, len(pcm), 2 * PERIOD):
                todo.put((event["item_id"], pcm[at:at + 2 * PERIOD].ljust(2 * PERIOD, bytes(1))))
        elif event["type"] == "input_audio_buffer.speech_started":
            while not todo.empty():
                todo.get_nowait()
            todo.put((None, None))
"""
"""The same, and it can be interrupted: a thread plays, what waits is thrown away when the user speaks, and the service
is told what was written less what ALSA still held. Arguments as ``TALK``. Prints nothing more."""


@contextlib.asynccontextmanager
async def running(stage: Stage, name: str, program: str, *arguments: str) -> AsyncIterator[Child]:
    """Run a bare program in the stage's room, with a card whose microphone does not hear the loudspeaker.

    Raises:
        StageError: it ends before it is up (code ``stage-ended``).
    """
    folder = stage.directory / name
    folder.mkdir(exist_ok=True)
    child = Child(name, folder / "output.log")
    child.log.unlink(missing_ok=True)
    plugin = simcard.build(cache_dir())
    conf = simcard.write_asound_conf(folder, stage.room.path, plugin, card=HEADPHONES)
    try:
        await child.start(
            [sys.executable, "-c", program, *arguments],
            env={**clean_environment(), "ALSA_CONFIG_PATH": str(conf)},
            cwd=folder,
        )
        async with asyncio.timeout(_START_S):
            while not child.output().startswith("up"):
                child.require_alive()
                await asyncio.sleep(_POLL_S)
        yield child
    finally:
        await child.stop()
