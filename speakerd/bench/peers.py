"""``speakerd bench peers``: the daemon beside the least program of its kind and beside the peers that can be had.

The peers come from the package registry on demand (``peers_install.py``); how the programs take turns is
``peers_acts.py``'s business, what is made of the figures ``peers_table.py``'s.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from speakerd.bench import peers_install
from speakerd.bench.figures import format_table, holds, machine
from speakerd.bench.peers_acts import Acts, Plan
from speakerd.bench.peers_install import PEERS, Peer, PeerError
from speakerd.bench.peers_table import OURS, PUBLISHED, format_programs, judged
from speakerd.core.errors import SpeakerdError
from speakerd.demo.props import cache_dir

Say = Callable[[str], None]


def measure(out: Path, turns: int, say: Say, *, peers: Sequence[Peer] = PEERS, plan: Plan | None = None) -> bool:
    """Measure the programs side by side.

    Args:
        out: Where ``peers.json`` and the logs are written; made if missing.
        turns: Conversations to hold with each program.
        say: Told what happens.
        peers: Which are wanted besides the bare program.
        plan: How long each program is looked at; None: long enough to be trusted.

    Returns:
        Whether every conversation worked and no target was missed. A peer that cannot be had is no failure.
    """
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    interpreters, missing = _prepare(peers, say)
    before = machine()
    acts = Acts(logs, turns, interpreters, say, plan or Plan())
    try:
        asyncio.run(acts.run())
    except SpeakerdError as error:
        say(f"the bench broke off: {error}")
        return False
    rows = judged(acts.programs)
    data = {
        **before,
        "conversations": turns,
        "figures": [row.shown() for row in rows],
        "programs": {name: costs.plain() for name, costs in acts.programs.items()},
        "peers": {peer.package: {"version": peer.version(), "about": peer.about} for peer in interpreters},
        "missing": missing,
    }
    (out / "peers.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    for line in ("", format_programs(acts.programs), "", *_footnotes(interpreters, missing), "", format_table(rows)):
        say(line)
    say(f"written to {out / 'peers.json'}")
    return holds(rows)


def _prepare(peers: Sequence[Peer], say: Say) -> tuple[dict[Peer, Path], dict[str, str]]:
    """Return the interpreters of the peers that can be had, and why the others cannot."""
    interpreters: dict[Peer, Path] = {}
    missing: dict[str, str] = {}
    for peer in peers:
        try:
            peers_install.require_portaudio()
            interpreters[peer] = peers_install.prepare(
                peer, cache_dir(), say, environment=peers_install.settings_of_pip()
            )
        except PeerError as error:
            missing[peer.package] = str(error)
            say(f"without {peer.package}: {error}")
    return interpreters, missing


def _footnotes(interpreters: Mapping[Peer, Path], missing: Mapping[str, str]) -> list[str]:
    """Return what must be known to read the table."""
    ours = (
        "its first append is asked for through its control socket; CPU and memory are those with its canceller on, "
        "the rest is with it off, as there is no echo on this card"
    )
    lines = ["bare: a loop of ALSA calls and a socket.", f"{OURS}: {ours}."]
    lines += [f"{peer.package} {peer.version()}: {peer.about}." for peer in interpreters]
    for package, why in missing.items():
        lines.append(f"{package} is not measured: {why}.")
        if package in PUBLISHED:
            lines.append(f"  measured once on another day and another sound path: {PUBLISHED[package]}")
    return lines
