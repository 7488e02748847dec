"""Who may ask the daemon."""

from __future__ import annotations

import os
import socket

import pytest

from speakerd.host.peers import Peer, may_ask, peer_of


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
