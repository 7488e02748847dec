"""Clocks and networks that come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from speakerd.auth.surroundings import CLOCK_PATIENCE_S, LOOK_EVERY_S, Surroundings, routes_of
from speakerd.core.sign_in import CLOCK, NO_NETWORK, SignIn

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
DEFAULT = "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
HOME = "wlan0\t0002A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"
DOWN = "eth0\t00000000\t0102A8C0\t0002\t0\t0\t600\t00000000\t0\t0\t0\n"
NOWHERE = "0" * 32
SIX = f"{NOWHERE} 00 {NOWHERE} 00 fe80{'0' * 27}1 00000400 00000001 00000000 00000003    wlan0\n"
SIX_LOOPBACK = f"{NOWHERE} 00 {NOWHERE} 00 {NOWHERE} ffffffff 00000001 00000000 00200201       lo\n"


class Machine:
    """Clocks and files that a test sets; sleeping is what lets its time pass."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now_s = 100.0
        self.ahead_s = 1.7e9
        self.kicks: list[str] = []
        self.slept: list[float] = []
        self.after: dict[float, str] = {}
        """Files that appear at a time."""
        self.surroundings = Surroundings(
            self.kicks.append,
            now=lambda: self.now_s,
            wall=lambda: self.now_s + self.ahead_s,
            sleep=self.sleep,
            root=root,
        )

    async def sleep(self, span_s: float) -> None:
        if len(self.slept) > 100:
            raise TimeoutError
        self.slept.append(span_s)
        self.now_s += span_s
        for when_s, name in self.after.items():
            if self.now_s >= when_s:
                self.write(name)

    def write(self, name: str, content: str = "") -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def routes(self, four: str = "", six: str = "") -> None:
        self.write("proc/net/route", HEAD + four)
        self.write("proc/net/ipv6_route", six)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# --- the clock at the start ------------------------------------------------------------------------------------------


async def test_where_nobody_asks_for_the_time_nobody_waits(machine: Machine) -> None:
    """Another program keeps the clock, or none does."""
    await machine.surroundings.until_clock_is_set()
    assert machine.slept == []


async def test_a_clock_that_is_set_is_not_waited_for(machine: Machine) -> None:
    """After a restart of the service it was set long ago."""
    machine.write("run/systemd/timesync/synchronized")
    await machine.surroundings.until_clock_is_set()
    assert machine.slept == []


async def test_the_first_attempt_waits_for_the_clock(machine: Machine) -> None:
    """Until the time server was asked, and half a second longer at most."""
    machine.write("run/systemd/timesync/clock")
    machine.after = {107.2: "run/systemd/timesync/synchronized"}
    await machine.surroundings.until_clock_is_set()
    assert 107.2 <= machine.now_s <= 107.7


async def test_no_clock_is_waited_for_for_long(machine: Machine) -> None:
    """Without a network there is nobody to ask."""
    machine.write("run/systemd/timesync/clock")
    await machine.surroundings.until_clock_is_set()
    assert machine.now_s == 100.0 + CLOCK_PATIENCE_S


async def test_the_step_that_was_waited_for_is_no_news(machine: Machine) -> None:
    """Nothing has been tried before it."""
    machine.write("run/systemd/timesync/clock")
    machine.ahead_s += 3600
    await machine.surroundings.until_clock_is_set()
    machine.surroundings.look()
    assert machine.kicks == []


# --- the clock later -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [-4e8, -31.0, 31.0, 7200.0])
def test_a_clock_that_is_set_is_told_once(machine: Machine, step_s: float) -> None:
    """Forwards or backwards."""
    machine.surroundings.look()
    machine.ahead_s += step_s
    for _ in range(3):
        machine.surroundings.look()
    assert machine.kicks == ["the clock was set"]


def test_a_clock_that_is_adjusted_is_no_news(machine: Machine) -> None:
    """However far it comes in the end."""
    for _ in range(100):
        machine.ahead_s += 0.9
        machine.surroundings.look()
    assert machine.kicks == []


async def test_it_looks_every_two_seconds(machine: Machine) -> None:
    """For as long as the daemon runs."""
    machine.ahead_s += 3600
    with pytest.raises(TimeoutError):
        await machine.surroundings.run()
    assert set(machine.slept) == {LOOK_EVERY_S}
    assert machine.kicks == ["the clock was set"]


# --- the network -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("four", "six"), [(HOME + DEFAULT, ""), (HOME, ""), ("", SIX)])
def test_a_network_that_comes_back_is_told_once(machine: Machine, four: str, six: str) -> None:
    """By either protocol."""
    machine.routes()
    machine.surroundings.hear(SignIn(NO_NETWORK))
    machine.surroundings.look()
    assert machine.kicks == []
    machine.routes(four, six)
    machine.surroundings.look()
    machine.surroundings.look()
    assert machine.kicks == ["the network has changed"]


def test_a_network_that_is_lost_is_no_news(machine: Machine) -> None:
    """Nothing works now that did not before."""
    machine.routes(HOME + DEFAULT, SIX)
    machine.surroundings.hear(SignIn(NO_NETWORK))
    machine.routes(HOME)
    machine.surroundings.look()
    assert machine.kicks == []
    machine.routes(HOME + DEFAULT)
    machine.surroundings.look()
    assert len(machine.kicks) == 1


def test_the_network_is_nobodys_business_while_signing_in_works(machine: Machine) -> None:
    """The tables are not even read."""
    machine.routes()
    machine.surroundings.look()
    machine.routes(DEFAULT)
    machine.surroundings.look()
    for sign_in in (SignIn(CLOCK), SignIn(None)):
        machine.surroundings.hear(sign_in)
        machine.routes(HOME + DEFAULT)
        machine.surroundings.look()
        machine.routes()
    assert machine.kicks == []


def test_a_verdict_that_is_told_again_does_not_hide_a_change(machine: Machine) -> None:
    """The routes are compared with those of the last look."""
    machine.routes()
    machine.surroundings.hear(SignIn(NO_NETWORK))
    machine.routes(DEFAULT)
    machine.surroundings.hear(SignIn(NO_NETWORK, "ann@example.com"))
    machine.surroundings.look()
    assert len(machine.kicks) == 1


def test_routes_that_lead_nowhere_do_not_count(machine: Machine) -> None:
    """Those that are down, and those to ourselves; lines that are no routes are left alone."""
    machine.routes(DOWN + "wlan0\n" + "wlan0 0 0 zz 0 0 0 0\n" + "\n", SIX_LOOPBACK + "\xff\n")
    assert routes_of(machine.root) == frozenset()


def test_what_the_kernel_counts_is_no_change(machine: Machine) -> None:
    """Uses, references and weights."""
    machine.routes(DEFAULT, SIX)
    before = routes_of(machine.root)
    machine.routes(DEFAULT.replace("\t0\t0\t600", "\t3\t9\t100"), SIX.replace("00000001 00000000", "00000007 0000000a"))
    assert routes_of(machine.root) == before
    assert len(before) == 2


def test_a_machine_without_tables_has_no_routes(machine: Machine) -> None:
    """IPv6 may be switched off, and the sandbox may hide them."""
    assert routes_of(machine.root) == frozenset()


def test_this_machines_tables_are_understood() -> None:
    """Whatever they hold, reading them does not fail."""
    assert all(len(route) == 4 and route[0] != "lo" for route in routes_of())
