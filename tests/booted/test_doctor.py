"""``speakerd doctor`` on an installed machine: what it says of the unit, and what it may as root and as nobody."""

from __future__ import annotations

import json
import tarfile

from tests.booted.stage import INSIDE

SPEAKERD = "/opt/speakerd/bin/speakerd"


def examined(machine, *before, code):
    """Run the command; return every check by its name."""
    command = ["env", f"ALSA_CONFIG_PATH={INSIDE}/asound.conf", *before, SPEAKERD, "doctor", "--json"]
    done = machine.run(*command, timeout_s=120.0)
    assert done.returncode == code, done.stdout
    found = json.loads(done.stdout[done.stdout.index("{") :])
    return {check["check"]: check for group in found["groups"] for check in group["checks"]}


def test_a_service_that_runs_is_well(service):
    """Unit, sandbox, rights and state are looked at as systemd has them; its cards are left to it."""
    checks = examined(service, code=0)
    assert checks["daemon"]["verdict"] == "pass"
    assert checks["unit"]["verdict"] == "pass"
    assert checks["unit"]["data"]["active"] == "active"
    assert checks["sandbox"]["verdict"] == "pass"
    assert checks["sandbox"]["data"]["exposure"] <= 1.3
    assert checks["group"]["verdict"] == checks["real-time"]["verdict"] == "pass"
    assert checks["state"]["data"]["mode"] == "0700"
    assert "held by the daemon" in checks["microphone"]["detail"]
    assert checks["first-audio"]["verdict"] == "pass"
    assert service.unit_property("NRestarts") == "0"


def test_what_it_leaves_behind_is_the_services(service):
    """Root has asked; whatever it wrote into the service's state folder the service can still read."""
    examined(service, code=0)
    strangers = service.do("find", "/var/lib/speakerd", "-not", "-user", "speakerd")
    assert strangers == ""


def test_a_service_that_stands_still_leaves_its_cards(machine):
    """Then the chirp is played, and that it does not run is told."""
    checks = examined(machine, code=0)
    assert checks["daemon"]["verdict"] == checks["unit"]["verdict"] == "warn"
    assert checks["microphone"]["verdict"] == "pass"
    assert checks["chirp"]["detail"].startswith("played, and not found"), "this card's microphone does not hear it"


def test_nobody_sees_less_and_is_told_so(service):
    """A user without rights gets no traceback, and no failure that is none."""
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/tmp")
    checks = examined(service, *nobody, code=0)
    assert checks["daemon"]["verdict"] == checks["state"]["verdict"] == "warn"
    assert "sudo speakerd doctor" in checks["daemon"]["advice"]
    assert checks["unit"]["verdict"] == "pass"


def test_the_archive_holds_unit_and_journal(service, stage):
    """As they are there."""
    path = f"{INSIDE}/report.tar.gz"
    done = service.run(
        "env", f"ALSA_CONFIG_PATH={INSIDE}/asound.conf", SPEAKERD, "doctor", "--bundle", path, timeout_s=120
    )
    assert done.returncode == 0, done.stdout
    with tarfile.open(stage.folder / "report.tar.gz") as archive:
        unit, journal = (archive.extractfile(f"speakerd-report/{name}.txt") for name in ("unit", "journal"))
        assert unit is not None
        assert journal is not None
        assert "ExecStart=/opt/speakerd" in unit.read().decode()
        assert "speakerd[" in journal.read().decode()
