"""``sudo make install`` on a fresh machine, from a folder of packages, without a network."""

from __future__ import annotations

import re

from tests.booted.conftest import CHECKOUT, on_every_release

EXPOSURE = 1.3
"""At most, by systemd's own reckoning; 0 is best."""


@on_every_release
def test_it_ends_with_a_running_service_and_what_to_do_next(installed, machine, figure):
    """The user is in ``audio``, licences were shown, the service starts with the machine."""
    figure(f"make install took {installed.took_s:.1f} s")
    assert "CC BY-NC-SA 4.0: non-commercial use only" in installed.output
    assert "==> ready: no microphone: retrying" in installed.output
    assert "speakerd doctor" in installed.output
    assert "sudo speakerd login" in installed.output
    assert installed.enabled == "enabled"
    assert "audio" in machine.do("id", "--name", "--groups", "speakerd").split()
    assert "good" in machine.do("speakerd", "check-config")
    assert machine.read("/etc/speakerd/speakerd.yaml") == (installed.checkout / "config/speakerd.yaml").read_text()
    assert machine.do("readlink", "/opt/speakerd").startswith("/opt/speakerd.releases/")


@on_every_release
def test_the_service_is_hardly_exposed(machine, figure):
    """And systemd has nothing to complain of, with the drop-in that its release gets."""
    machine.drop_in("10-stage", "")
    unit = "/etc/systemd/system/speakerd.service"
    judged = machine.do("systemd-analyze", "security", "--offline=true", unit)
    found = re.search(r"Overall exposure level for speakerd.service: ([\d.]+)", judged)
    assert found is not None
    figure(f"exposure: {found[1]}")
    assert float(found[1]) <= EXPOSURE
    assert machine.do("systemd-analyze", "verify", unit) == ""
    newer = machine.run("test", "-e", f"{unit}.d/05-systemd-254.conf").returncode == 0
    assert newer == (machine.systemd_version >= 254)


def test_what_the_unit_says_of_itself_has_a_reason(installed):
    """A line that only an expert can read has a comment above it, or above its like."""
    text = (installed.checkout / "systemd/speakerd.service").read_text(encoding="utf-8")
    for key in (
        "StartLimitIntervalSec",
        "Type",
        "ExecReload",
        "LoadCredential",
        "WatchdogSec",
        "RestartPreventExitStatus",
    ):
        line = re.search(rf"^(.*)\n{key}=", text, re.MULTILINE)
        assert line is not None, key
        assert line[1].startswith(("#", f"{key}=")), key


def test_it_takes_it_off_again(service: object, machine):
    """First all but what is the owner's, then that too."""
    machine.write("/var/lib/speakerd/ledger", "mine")
    processes = ("find", "/proc", "-maxdepth", "1", "-user", "speakerd", "-name", "[0-9]*")
    assert machine.do(*processes)
    machine.do("make", "--silent", "-C", CHECKOUT, "uninstall")
    for gone in ("/opt/speakerd", "/opt/speakerd.releases", "/etc/systemd/system/speakerd.service", "/run/speakerd"):
        assert machine.run("test", "-e", gone).returncode != 0, gone
    assert machine.run(*processes).stdout == ""
    assert machine.read("/var/lib/speakerd/ledger") == "mine"
    assert machine.run("test", "-e", "/etc/speakerd/speakerd.yaml").returncode == 0
    machine.do("make", "--silent", "-C", CHECKOUT, "uninstall", "PURGE=1")
    left = machine.do(
        "find", "/", "-xdev", "-name", "*speakerd*", "-not", "-path", f"{CHECKOUT}*", "-not", "-path", "/tmp/*"
    )
    assert left in ("", CHECKOUT), left
    assert machine.run("id", "speakerd").returncode != 0
