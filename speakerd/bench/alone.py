"""One spoken question to the neural tier in a process that has left the network.

Run by the bench, in a child of its own. The child moves into a network namespace where only the loopback exists, sees
for itself that nothing else can be reached, and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
"""``unshare``: what is left behind (Linux, specified)."""

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
"""``netdevice``: read and write an interface's flags (Linux, specified)."""

_OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that are nobody's (RFC 5737, RFC 3849): only whether there is a way to them is asked, nothing is sent."""


def main(log: Path) -> int:
    """Leave the network, ask, print what happened as JSON. Exit code 0, also where leaving is not allowed."""
    try:
        leave_the_network()
    except OSError as error:
        print(json.dumps({"not_shown": f"this machine does not let us leave the network: {error}"}))  # noqa: T201 - its result
        return 0
    reachable = [address for family, address in _OUTSIDE if has_way_to(family, address)]
    if reachable:
        print(json.dumps({"not_shown": f"there is still a way to {reachable[0]}"}))  # noqa: T201 - the same
        return 0
    print(json.dumps(asyncio.run(_ask(log))))  # noqa: T201 - the same
    return 0


def leave_the_network() -> None:
    """Move this process into a network namespace of its own and bring its loopback up. Call it before any thread.

    Raises:
        OSError: the kernel does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # Root needs no user namespace, and some kernels forbid those to everybody.
    if libc.unshare(_CLONE_NEWNET) != 0 and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH22x", b"lo", 0)
        _, flags = struct.unpack("16sH22x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


def has_way_to(family: int, address: str) -> bool:
    """Return whether the kernel knows a route to an address. Sends nothing."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            datagrams.connect((address, 9))
    except OSError as error:
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return False
        raise
    return True


async def _ask(log: Path) -> dict[str, Any]:
    """Start the service, ask it one question and return how it answered."""
    from speakerd.bench.neural import QUESTIONS, wire_speech
    from speakerd.bench.service import serving
    from speakerd.bench.talker import dialler, talking
    from speakerd.demo.mouth import find_mouth

    question, expected = QUESTIONS[0]
    pcm = wire_speech((await asyncio.to_thread(find_mouth)).speak, question)
    async with serving("neural", log) as service:
        dial = dialler(service.url)
        await dial.warm()
        async with talking(dial) as talker:
            reply, said_s = await talker.ask(pcm)
    assert reply.first_s is not None
    return {
        "question": question,
        "answer": reply.text,
        "right": expected in reply.text,
        "ready_s": round(service.ready_s, 3),
        "first_audio_ms": round((reply.first_s - said_s) * 1000, 1),
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
