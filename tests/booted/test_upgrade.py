"""``sudo make install`` where there is a speaker already: the old one runs until the new one is ready, or stays."""

from __future__ import annotations

import re

import pytest

from tests.booted.conftest import INSTALL, INSTALL_S
from tests.fakes.authority_ca import PrivateCa

CONFIG = "/etc/speakerd/speakerd.yaml"
UNIT = "/etc/systemd/system/speakerd.service"
UPGRADE = [word.replace("/srv/speakerd", "/srv/next") for word in INSTALL]
UPGRADE_BY_INDEX = [word for word in UPGRADE if not word.startswith("WHEELS=")]

INDEX = """\
import http.server, os, ssl
class Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path):
        return os.path.join("/srv/wheels", path.rpartition("/")[2])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/srv/index.crt", "/srv/index.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
"""An index as simple as pip takes it: the same page of links for every package, behind TLS."""

KNOCK = "import socket; socket.create_connection(('127.0.0.1', 8443), 1).close()"


@pytest.fixture
def next_release(next_checkout):
    """Return a later release's checkout, with a unit of its own."""
    init = next_checkout / "speakerd/__init__.py"
    init.write_text(re.sub(r'__version__ = ".*"', '__version__ = "99.0"', init.read_text()))
    with (next_checkout / "systemd/speakerd.service").open("a") as unit:
        unit.write("# the unit of 99.0\n")
    return next_checkout


def release_in_use(machine):
    return machine.do("readlink", "/opt/speakerd")


def releases(machine):
    return machine.do("ls", "/opt/speakerd.releases").split()


def test_an_upgrade_keeps_state_and_configuration(service, stage, next_release):
    """And leaves the release before behind; the new one has been ready when it ends."""
    before = release_in_use(service)
    service.write(CONFIG, "assistant: {voice: cedar}\n")
    service.write("/var/lib/speakerd/ledger", "mine")
    stage.begin()
    said = service.do(*UPGRADE, timeout_s=INSTALL_S)
    assert "kept as it is" in said
    assert "downloading" not in said, "the wake word models were there"
    assert release_in_use(service).startswith("/opt/speakerd.releases/99.0-")
    assert releases(service) == [release_in_use(service).rpartition("/")[2]]
    assert before != release_in_use(service)
    assert service.read(CONFIG) == "assistant: {voice: cedar}\n"
    assert service.read("/var/lib/speakerd/ledger") == "mine"
    assert "the unit of 99.0" in service.read(UNIT)
    assert "speakerd 99.0, configuration" in service.journal()
    assert service.unit_property("StatusText") == 'listening for "hey jarvis"'


def test_a_release_that_does_not_become_ready_is_taken_back(service, stage, next_release):
    """With its unit; the one before runs on, and make install says so and fails."""
    before, unit = release_in_use(service), service.read(UNIT)
    with (next_release / "speakerd/app.py").open("a") as app:
        app.write('\nraise RuntimeError("99.0 is broken")\n')
    stage.begin()
    done = service.run(*UPGRADE, timeout_s=INSTALL_S)
    assert done.returncode != 0
    assert "99.0 is broken" in done.stdout
    assert "the one before runs again" in done.stdout
    assert release_in_use(service) == before
    assert releases(service) == [before.rpartition("/")[2]]
    assert service.read(UNIT) == unit
    assert service.unit_property("ActiveState") == "active"
    assert service.unit_property("StatusText") == 'listening for "hey jarvis"'
    service.systemctl("restart", "speakerd")  # and will the next time, too


def test_the_same_where_the_environment_itself_stood_at_that_path(machine, stage, next_release):
    """As the first releases were installed: it is moved aside and back, because it can run nowhere else."""
    release = release_in_use(machine)
    machine.do(
        "sh",
        "-c",
        f"rm /opt/speakerd; mv {release} /opt/speakerd; sed -i 's,{release},/opt/speakerd,' /opt/speakerd/bin/speakerd",
    )
    machine.systemctl("start", "speakerd")
    with (next_release / "speakerd/app.py").open("a") as app:
        app.write('\nraise RuntimeError("99.0 is broken")\n')
    done = machine.run(*UPGRADE, timeout_s=INSTALL_S)
    assert done.returncode != 0
    assert "the one before runs again" in done.stdout
    assert machine.run("test", "-L", "/opt/speakerd").returncode != 0
    assert releases(machine) == []
    assert machine.unit_property("StatusText") == 'listening for "hey jarvis"'


def test_a_file_that_the_new_release_refuses_leaves_everything_as_it_was(service, next_release):
    """Nothing that runs is touched, not for a moment."""
    before, pid = release_in_use(service), service.unit_property("MainPID")
    service.write(CONFIG, "assistant: {voise: cedar}\n")
    done = service.run(*UPGRADE, timeout_s=INSTALL_S)
    assert done.returncode != 0
    assert f"{CONFIG}:1:13: assistant.voise" in done.stdout
    assert "nothing that runs was touched" in done.stdout
    assert (release_in_use(service), service.unit_property("MainPID")) == (before, pid)
    assert releases(service) == [before.rpartition("/")[2]]


def test_a_file_that_only_root_may_read_is_found_before_anything_is_touched(service, next_release):
    """As an editor of a careful root leaves it; the service could not start on it, the release before no more."""
    before, pid = release_in_use(service), service.unit_property("MainPID")
    service.do("chmod", "600", CONFIG)
    done = service.run(*UPGRADE, timeout_s=INSTALL_S)
    assert done.returncode != 0
    assert f"sudo chmod 644 {CONFIG}" in done.stdout
    assert (release_in_use(service), service.unit_property("MainPID")) == (before, pid)
    assert service.run("systemctl", "reload", "speakerd").returncode != 0
    assert "Permission denied" in service.journal()
    assert service.unit_property("ActiveState") == "active"


@pytest.fixture
def private_index(machine, tmp_path):
    """Let the machine have an index of packages, and its certificate from an authority that only it knows."""
    authority = PrivateCa(tmp_path / "authority")
    pair = authority.server()
    machine.write("/usr/local/share/ca-certificates/ours.crt", authority.trust.read_text())
    machine.write("/srv/index.crt", pair.certificate.read_text())
    machine.write("/srv/index.key", pair.key.read_text())
    machine.write("/srv/index.py", INDEX)
    machine.write("/etc/pip.conf", "[global]\nindex-url = https://127.0.0.1:8443/simple\nretries = 0\n")
    machine.do("systemd-run", "--quiet", "--unit=index", "python3", "/srv/index.py")
    machine.wait_until(lambda: machine.run("python3", "-c", KNOCK).returncode == 0, "the index")
    return machine


def test_an_index_behind_a_private_authority_will_do_and_a_stopped_speaker_stays_so(private_index, next_release):
    """The machine's own store vouches for the index; the owner stopped the speaker, an upgrade does not start it."""
    machine = private_index
    refused = machine.run(*UPGRADE_BY_INDEX, timeout_s=INSTALL_S)
    assert refused.returncode != 0
    assert "No matching distribution" in refused.stdout, "the only index there is was believed without a reason"
    machine.do("update-ca-certificates")
    said = machine.do(*UPGRADE_BY_INDEX, timeout_s=INSTALL_S)
    assert "it was stopped and stays so" in said
    assert machine.unit_property("ActiveState") == "inactive"
    assert release_in_use(machine).startswith("/opt/speakerd.releases/99.0-")


def test_what_breaks_off_half_way_leaves_everything_as_it_was(service):
    """A package that is not to be had, and a folder that is not there; each says what holds and what to do."""
    before, pid = release_in_use(service), service.unit_property("MainPID")
    service.do("sh", "-c", "mkdir /srv/few && ln -s /srv/wheels/* /srv/few && rm /srv/few/numpy-*")
    for folder, why in (("/srv/few", "No matching distribution"), ("/srv/none", "no folder of wheels at /srv/none")):
        command = [f"WHEELS={folder}" if word.startswith("WHEELS=") else word for word in UPGRADE]
        done = service.run(*command, timeout_s=INSTALL_S)
        assert done.returncode != 0
        assert why in done.stdout
        assert "what runs was not touched. Then again: sudo make install" in done.stdout
        assert (release_in_use(service), service.unit_property("MainPID")) == (before, pid)
        assert releases(service) == [before.rpartition("/")[2]]


def test_whoever_interrupts_it_twice_has_the_old_one_back(service, stage, next_release):
    """The second time while it goes back; and nobody takes it off meanwhile."""
    before, unit = release_in_use(service), service.read(UNIT)
    stage.begin()
    service.do("systemd-run", "--quiet", "--unit=upgrade", "--property=KillMode=none", *UPGRADE)
    service.wait_until(lambda: release_in_use(service) != before, "the change-over", INSTALL_S)
    refused = service.run("make", "--silent", "-C", "/srv/next", "uninstall")
    assert (refused.returncode != 0, "at work" in refused.stdout) == (True, True)
    for _ in range(2):
        service.systemctl("kill", "--signal=TERM", "upgrade")  # to all of them, as a terminal does
        service.wait_until(lambda: "back to" in service.journal("upgrade"), "the way back")
    service.wait_until(lambda: "runs again" in service.journal("upgrade"), "its end")
    assert (release_in_use(service), service.read(UNIT)) == (before, unit)
    service.wait_until(lambda: releases(service) == [before.rpartition("/")[2]], "the new one gone")
    assert service.unit_property("ActiveState") == "active"
    assert service.unit_property("StatusText") == 'listening for "hey jarvis"'
