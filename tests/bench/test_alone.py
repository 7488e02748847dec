"""A process that leaves the network reaches itself and nobody else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from speakerd.bench.alone import has_way_to

LEAVE = """
import json, socket
from speakerd.bench import alone
try:
    alone.leave_the_network()
except OSError as error:
    print(json.dumps({"refused": str(error)}))
else:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        client.sendall(b"!")
        heard = server.accept()[0].recv(1) == b"!"
    ways = [alone.has_way_to(family, address) for family, address in alone._OUTSIDE]
    print(json.dumps({"heard": heard, "ways": ways}))
"""


def test_nothing_is_left_but_the_loopback() -> None:
    """The loopback works, and there is no way to anywhere else."""
    ran = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, check=True)
    told = json.loads(ran.stdout)
    if "refused" in told:
        pytest.skip(f"this machine does not let us leave the network: {told['refused']}")
    assert told == {"heard": True, "ways": [False, False]}


def test_there_is_a_way_to_oneself() -> None:
    """The question can be answered with yes."""
    assert has_way_to(socket.AF_INET, "127.0.0.1")
