"""A real systemd for the real unit: what each booted test begins with.

``installed``  what ``make install`` left on a fresh machine of one release, once a run, as a layer to stand on
``machine``    a machine that was installed so, just booted; nothing else has happened on it (0.5 s to boot)
``stage``      a room and a virtual card that the service on ``machine`` uses; speak with ``stage.say(voice(…))``
``service``    ``machine`` with the service started on ``stage`` and ready
``release``    ``bookworm`` (systemd 252), and for tests with ``@on_every_release`` also ``trixie`` (257)

To hang the daemon: ``machine.systemctl("kill", "--signal=STOP", "--kill-who=main", "speakerd")`` stops its process,
``stage.room.set_fault("capture", "stall")`` and ``"zeros"`` hang and deafen its card; with
``machine.drop_in("90-hang", "Environment=…")`` before ``machine.systemctl("restart", "speakerd")`` the daemon starts
otherwise. ``machine.wait_until(lambda: machine.unit_property("NRestarts") == "1", "a restart")`` waits for what
follows. ``machine.drop_in("20-watchdog", "WatchdogSec=6")`` makes the watchdog less patient.

What is skipped, and why, is said in ``_why_not``. A machine that a test fails on shows its journal.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from speakerd.demo.mouth import find_mouth
from speakerd.demo.process import StageError, last_lines
from tests.booted import root
from tests.booted.machine import Machine, MachineError
from tests.booted.stage import INSIDE, Stage

CHECKOUT, WHEELS = "/srv/speakerd", "/srv/wheels"
"""Where a machine has a checkout to install from, and the Python packages."""

INSTALL_S = 240.0
"""How long make install may take; 15 to 25 s on two busy cores (measured)."""

Test = TypeVar("Test", bound=Callable[..., object])

_machines = pytest.StashKey[list[Machine]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a run makes what the others stand on, with a cold cache all of it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(600))


@functools.cache
def _why_not() -> str:
    """Return why no machine can be booted here, or nothing."""
    if os.geteuid() != 0:
        return "only root can boot a container"
    needs = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "setpriv": "util-linux"}
    for command, package in needs.items():
        if shutil.which(command) is None:
            return f"no {command} on this machine (package {package})"
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        return "this kernel has no overlay file system"
    apart = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    if subprocess.run(apart, capture_output=True, check=False).returncode != 0:
        return "this root may not mount anything (a container with few rights)"
    return ""


@dataclass(frozen=True)
class Installed:
    """What ``make install`` left on a fresh machine."""

    ground: list[Path]
    """What a machine that was installed so stands on."""

    output: str
    """What the installation said."""

    took_s: float
    """How long it took, from a folder of packages."""

    enabled: str
    """What systemd said: whether the service starts with the machine. Then it was told not to; tests start it."""

    checkout: Path
    """What it was installed from."""

    wheels: Path
    """The Python packages."""


def on_every_release(test: Test) -> Test:
    """Mark a test that has to do with systemd's own version."""
    test.releases = list(root.PYTHONS)  # type: ignore[attr-defined]
    return test


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let each test run on its releases."""
    if "release" in metafunc.fixturenames:
        releases = getattr(metafunc.function, "releases", ["bookworm"])
        metafunc.parametrize("release", releases, indirect=True, scope="session")


@pytest.fixture(scope="session")
def release(request: pytest.FixtureRequest) -> str:
    """Return the name of a Debian release."""
    if reason := _why_not():
        pytest.skip(f"no machine can be booted here: {reason}")
    return str(request.param)


@pytest.fixture(scope="session")
def installed(release: str, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install on a fresh machine, once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / f"installed-{release}"
    bottom, wheels = root.root_of(release), root.wheels_of(release)
    checkout, record = folder / "checkout", folder / "record.json"
    with root.locked(shared / f"installed-{release}.lock"):
        if not record.exists():
            shutil.rmtree(folder, ignore_errors=True)
            copy_checkout(checkout)
            with Machine(folder, [bottom], binds={CHECKOUT: checkout, WHEELS: wheels}) as machine:
                begun_s = time.monotonic()
                try:
                    output = machine.do(*INSTALL, timeout_s=INSTALL_S)
                except MachineError as error:
                    raise MachineError(f"{error}\n{machine.journal()}") from error
                took_s = time.monotonic() - begun_s
                enabled = machine.systemctl("is-enabled", "speakerd")
                machine.systemctl("disable", "--now", "--quiet", "speakerd")
            record.write_text(json.dumps([output, took_s, enabled]), encoding="utf-8")
    return Installed([folder / "written", bottom], *json.loads(record.read_text(encoding="utf-8")), checkout, wheels)


INSTALL = ("make", "--silent", "-C", CHECKOUT, "install", f"WHEELS={WHEELS}", "LOCAL=no")
"""What an owner types, without a network and with an account."""


def copy_checkout(to: Path) -> None:
    """Copy what a clone of this checkout would hold, with what is not committed yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root.PROJECT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (source := root.PROJECT / name).is_file() and not source.is_symlink():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to / name)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Return a quiet room with a card in it."""
    made = Stage(tmp_path / "stage")
    yield made
    made.close()


@pytest.fixture
def next_checkout(installed: Installed, tmp_path: Path) -> Path:
    """Return a copy of the checkout that ``machine`` sees at ``/srv/next``; a test makes another release of it."""
    return Path(shutil.copytree(installed.checkout, tmp_path / "next"))


@pytest.fixture
def machine(
    installed: Installed, stage: Stage, next_checkout: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Machine]:
    """Return a machine on which the service is installed, and stopped; when it starts it is on ``stage``."""
    binds = {CHECKOUT: installed.checkout, WHEELS: installed.wheels, "/srv/next": next_checkout}
    with Machine(tmp_path / "machine", installed.ground, binds=binds, writable={INSIDE: stage.folder}) as booted:
        request.node.stash[_machines] = [booted]
        booted.drop_in("10-stage", stage.lines)
        stage.begin()
        yield booted
    shutil.rmtree(booted.written, ignore_errors=True)


@pytest.fixture
def service(machine: Machine, stage: Stage) -> Machine:
    """Return the machine with the service ready."""
    machine.systemctl("start", "speakerd")
    return machine


@pytest.fixture
def figure(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None], release: str
) -> Callable[[str], None]:
    """Return how a test says what it measured: a line at the end of the run."""
    return lambda line: record_property("figure", f"{release}: {line}")


@pytest.fixture(scope="session")
def voice() -> Callable[[str], NDArray[np.int16]]:
    """Return somebody who speaks."""
    try:
        return find_mouth().speak
    except StageError as nobody:
        pytest.skip(f"nobody can speak here: {nobody}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show what the service said last, where a test fails."""
    report = yield
    if report.failed and call.when == "call":
        for machine in item.stash.get(_machines, []):
            report.sections.append(("the unit", machine.run("systemctl", "status", "--no-pager", "speakerd").stdout))
            report.sections.append(("the journal's last lines", last_lines(machine.journal(), 40)))
    return report
