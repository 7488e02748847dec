"""The least programs that do it at all, as peers: what listening and talking cost before anything clever is done.

They are texts, run in processes of their own without a line of ours in them.
"""

from __future__ import annotations

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
