"""What only a conversation needs is loaded when the speaker hears already."""

from __future__ import annotations

import asyncio

HEAVY = (
    *("openai", "azure.identity", "msal", "websockets", "httpx", "onnxruntime", "openwakeword", "ctranslate2"),
    *("speakerd.realtime.connection", "speakerd.realtime.session"),
)

WATCH = """
import os, sys, time

HEAVY = {heavy!r}

def watch(event, arguments):
    if event == "import" and arguments[0] in HEAVY:
        with open({diary!r}, "a") as diary:
            diary.write(f"{{os.getpid()}} {{arguments[0]}} {{time.monotonic()}}\\n")

sys.addaudithook(watch)
"""


async def test_heavy_packages_come_after_the_first_sound_was_scored(play, tmp_path):
    """The interpreter itself writes down what it imports, and when: the service's library, and nothing else, comes."""
    folder, diary = tmp_path / "watch", tmp_path / "imports"
    folder.mkdir()
    diary.touch()
    (folder / "sitecustomize.py").write_text(WATCH.format(heavy=HEAVY, diary=str(diary)))
    async with play(start_service=False, environment={"PYTHONPATH": str(folder)}) as stage:
        warming = await stage.wait_for("warming")
        ready = [mark["t"] for mark in stage.marks("ready")]
        assert len(ready) == 3
        assert warming["hearing"] is True
        while "openai" not in (imports := imported(diary, stage.daemon.pid)):
            stage.daemon.require_alive()
            await asyncio.sleep(0.02)
        assert min(imports.values()) > warming["t"] >= max(ready)
        assert not {"onnxruntime", "openwakeword", "azure.identity", "msal", "ctranslate2"} & imports.keys()


def imported(diary, pid):
    """Return what a process began to import so far, and when."""
    rows = [line.split() for line in diary.read_text().splitlines()]
    return {name: float(at_s) for process, name, at_s in reversed(rows) if int(process) == pid}
