"""Who may ask the daemon."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from speakerd.host.peers import Peer, may_ask, peer_of, watched


def test_the_kernel_tells_who_is_there():
    """This process, with all its groups."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = peer_of(ours)
    assert (peer.pid, peer.uid) == (os.getpid(), os.getuid())
    assert peer.groups == {os.getgid(), *os.getgroups()}


@pytest.mark.parametrize(
    ("uid", "groups", "admitted"),
    [
        (0, {0}, True),
        (os.getuid(), {7}, True),
        (4321, {4321, 990}, True),
        (4321, {4321}, False),
    ],
)
def test_root_ourselves_and_the_group_may_ask(uid, groups, admitted):
    """Nobody else."""
    assert may_ask(Peer(1, uid, frozenset(groups)), {"speakerd": 990}.get) is admitted


def test_without_the_group_nobody_has_it():
    """A speaker that was not installed has no group."""
    assert not may_ask(Peer(1, 4321, frozenset({4321})), lambda _name: None)
    assert not may_ask(Peer(1, 4321, frozenset({4321})))


async def test_whoever_has_closed_is_gone_and_whoever_asks_no_more_is_not():
    """It is told once, also of one who was gone before."""
    ours, theirs = socket.socketpair()
    told = []
    with ours, theirs:
        with watched(ours, lambda: told.append("gone")):
            theirs.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0)
            assert told == []
            theirs.close()
            for _ in range(3):
                await asyncio.sleep(0)
        with watched(ours, lambda: told.append("gone before")):
            for _ in range(3):
                await asyncio.sleep(0)
    assert told == ["gone", "gone before"]
