"""Who is at the other end of the control socket, and whether anybody still is, by the kernel's word.

The socket's mode keeps strangers out already; this holds where the mode was changed, or the socket was handed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

GROUP = "speakerd"
"""Whose members may ask (contract)."""

_CREDENTIALS = struct.Struct("3i")
"""``struct ucred``: process, user, group (specified)."""

_SO_PEERGROUPS = 59
"""Linux's option for the other side's supplementary groups, which Python does not name (specified, since Linux 4.13).
It asks the kernel and no directory: nothing hangs, and what the process has is what counts."""

_MAX_GROUPS = 4096
"""Somebody with more groups is taken to have none of them (guess; people have some 20)."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who has connected."""

    pid: int
    """Process; it may have ended since."""

    uid: int
    """User, as it was at the connect."""

    groups: frozenset[int]
    """All groups of the process."""


def peer_of(connection: socket.socket) -> Peer:
    """Return who is at the other end.

    Raises:
        OSError: the kernel cannot tell.
    """
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(told)
    try:
        more = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MAX_GROUPS)
    except OSError:  # more groups than that, or a kernel that cannot tell: the main one counts
        more = b""
    return Peer(pid, uid, frozenset({gid, *struct.unpack(f"{len(more) // 4}I", more)}))


def may_ask(peer: Peer, group_id: Callable[[str], int | None] | None = None) -> bool:
    """Return whether somebody may ask the daemon: root, its own user, and the members of its group.

    Args:
        peer: Who.
        group_id: Finds a group's number; None: the system's.
    """
    wanted = (group_id or _group_id)(GROUP)
    return peer.uid in {0, os.getuid()} or (wanted is not None and wanted in peer.groups)


@contextlib.contextmanager
def watched(connection: socket.socket, on_gone: Callable[[], None]) -> Iterator[None]:
    """Tell once when the other end has closed; not when it has only said that it will ask nothing more.

    The loop's own watch knows of no difference between the two, so this one is beside it. Thread: event loop.

    Args:
        connection: The connection.
        on_gone: Told.
    """
    loop = asyncio.get_running_loop()
    with select.epoll() as watch:
        watch.register(connection.fileno(), 0)  # of a closed end the kernel tells unasked

        def tell() -> None:
            loop.remove_reader(watch.fileno())
            on_gone()

        loop.add_reader(watch.fileno(), tell)
        try:
            yield
        finally:
            loop.remove_reader(watch.fileno())


def _group_id(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:  # a speaker that was not installed: its own user only
        return None
