"""The installed unit with its whole sandbox: ready, a conversation, reload, a crash loop, a wrong file, stop."""

from __future__ import annotations

import time

import pytest

from tests.booted.conftest import on_every_release

READY_S = 15.0
"""From start to READY at most; 1 to 2 s on two busy cores (measured), a Pi is slower."""

STOP_S = 2.0
"""However busy it is, it is gone within this time (a promise)."""

CRASHES = 3
"""So often it dies in a row (chosen: systemd 252 with its usual counting gives up at the fifth in ten seconds)."""

CONFIG = "/etc/speakerd/speakerd.yaml"
LISTENING = 'listening for "hey jarvis"'
QUESTION = "Hey Jarvis, what time is it?"


def moment_s(machine, name):
    """Return when something happened to the unit, on the monotonic clock."""
    return int(machine.unit_property(name)) / 1e6


def states(machine, *names):
    """Return some properties of the unit."""
    return [machine.unit_property(name) for name in names]


@on_every_release
def test_it_is_ready_soon_and_holds_a_conversation(service, stage, voice, figure):
    """Through the virtual card, with everything forbidden that the unit forbids."""
    begun_s = moment_s(service, "ExecMainStartTimestampMonotonic")
    ready_s = moment_s(service, "ActiveEnterTimestampMonotonic") - begun_s
    figure(f"from start to READY: {ready_s:.2f} s")
    assert ready_s < READY_S
    assert service.unit_property("StatusText") == LISTENING
    spoken_s = stage.say(voice(QUESTION))
    wake = stage.wait_for("wake")
    figure(f"from the end of the question to the wake word: {wake['t'] - spoken_s:.2f} s")
    audible = stage.wait_for("audible", after_s=wake["t"])
    stage.wait_for("state", before="speaking", after_s=audible["t"])
    stage.wait_for("state", after_s=audible["t"], after="idle")
    service.wait_until(lambda: service.unit_property("StatusText") == LISTENING, "the line of a quiet speaker")
    held = service.do("cat", f"/proc/{service.unit_property('MainPID')}/status")
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000"):
        assert line in held
    assert service.unit_property("NRestarts") == "0"


def test_the_first_wake_word_is_heard_that_begins_with_the_process(machine, stage, voice, figure):
    """What is said while it loads is caught up with."""
    machine.systemctl("start", "--no-block", "speakerd")
    machine.wait_until(lambda: machine.unit_property("MainPID") != "0", "a process")
    stage.wait_for("ready", part="microphone")
    stage.say(voice(QUESTION))
    wake = stage.wait_for("wake")
    begun_s = moment_s(machine, "ExecMainStartTimestampMonotonic")
    figure(f"from start to the first wake word: {wake['t'] - begun_s:.2f} s, the word itself included")


def test_it_writes_nothing_outside_its_own_directories(service, stage, voice):
    """On a machine that was just booted, after a conversation."""
    stage.say(voice(QUESTION))
    stage.wait_for("state", before="speaking", after_s=stage.wait_for("audible")["t"])
    places = ("/var/lib/speakerd", "/run/speakerd", "/run/credentials", "/srv/stage", "/proc", "/sys")
    skipped = [word for place in places for word in ("-path", place, "-prune", "-o")]
    assert service.do("find", "/", *skipped, "-user", "speakerd", "-print") == ""
    assert service.do("find", "/run/speakerd", "-user", "speakerd", "-type", "s") == "/run/speakerd/control.sock"
    service.systemctl("stop", "speakerd")
    assert service.run("test", "-e", "/run/speakerd").returncode != 0


@on_every_release
def test_a_good_file_is_taken_without_a_restart(service):
    """``systemctl reload`` returns when it was heard; systemd 252 sometimes a moment before it has been applied."""
    before = service.unit_property("MainPID")
    service.write(CONFIG, "assistant: {voice: cedar}\n")
    service.systemctl("reload", "speakerd")
    service.wait_until(lambda: "assistant.voice" in service.journal(), "the change in the journal", 10.0)
    service.wait_until(lambda: service.unit_property("ActiveState") == "active", "the end of the reload", 10.0)
    assert service.unit_property("MainPID") == before


@on_every_release
def test_a_wrong_file_makes_reload_fail_and_changes_nothing(service):
    """The journal has the line; the service runs on as it was."""
    before = service.unit_property("MainPID")
    service.write(CONFIG, "assistant:\n  voise: cedar\n")
    done = service.run("systemctl", "reload", "speakerd")
    assert done.returncode != 0
    assert f"{CONFIG}:2:3: assistant.voise" in service.journal()
    assert (service.unit_property("MainPID"), service.unit_property("ActiveState")) == (before, "active")
    assert service.unit_property("StatusText") == LISTENING


@on_every_release
def test_a_crash_loop_is_paced_and_never_given_up(service, stage, figure):
    """Each time it dies it comes again, some seconds later, and not ever faster."""
    gaps_s = []
    for count in range(1, CRASHES + 1):
        service.systemctl("kill", "--signal=KILL", "--kill-who=main", "speakerd")
        died_s = time.monotonic()
        stage.begin()
        service.wait_until(
            lambda count=count: states(service, "NRestarts", "ActiveState") == [str(count), "active"],
            f"restart {count}",
        )
        gaps_s.append(moment_s(service, "ExecMainStartTimestampMonotonic") - died_s)
    figure(f"from death to the next start: {', '.join(f'{gap:.1f} s' for gap in gaps_s)}")
    assert all(gap > 2.5 for gap in gaps_s)
    if service.systemd_version >= 254:
        assert gaps_s[-1] > gaps_s[0] + 1.0, "the steps do not grow"
    assert service.unit_property("StartLimitIntervalUSec") == "0"
    assert service.unit_property("StatusText") == LISTENING


def test_what_the_kernel_ends_for_want_of_memory_starts_anew(service, stage):
    """The embedded service is the larger of the two; a kill stands in for the kernel's own, which needs a limit."""
    main = service.unit_property("MainPID")
    group = "/sys/fs/cgroup/system.slice/speakerd.service/cgroup.procs"
    (child,) = set(service.do("cat", group).split()) - {main}
    stage.begin()
    service.do("sh", "-c", f"kill -KILL {child}")
    service.wait_until(lambda: states(service, "NRestarts", "ActiveState") == ["1", "active"], "a restart")
    assert service.unit_property("MainPID") != main
    assert service.unit_property("StatusText") == LISTENING
    assert len(service.do("cat", group).split()) == 2


def test_a_wrong_file_at_start_is_not_tried_again(machine):
    """It ends with 78, and the unit has failed for good."""
    machine.write(CONFIG, "wake:\n  threshold: loud\n")
    assert machine.run("systemctl", "start", "speakerd").returncode != 0
    time.sleep(4.0)  # longer than RestartSec
    found = {name: machine.unit_property(name) for name in ("ExecMainStatus", "ActiveState", "SubState", "NRestarts")}
    assert found == {"ExecMainStatus": "78", "ActiveState": "failed", "SubState": "failed", "NRestarts": "0"}
    assert f"{CONFIG}:2:14: wake.threshold" in machine.journal()


@pytest.mark.parametrize("phase", ["starting", "ready", "listening", "speaking"])
def test_it_stops_within_two_seconds(machine, stage, voice, phase, figure):
    """Whatever it is busy with, and ends well."""
    machine.systemctl("start", "--no-block", "speakerd")
    if phase == "starting":
        machine.wait_until(lambda: machine.unit_property("MainPID") != "0", "a process")
    else:
        machine.wait_until(lambda: machine.unit_property("ActiveState") == "active", "READY")
    if phase in {"listening", "speaking"}:
        stage.say(voice("Hey Jarvis"))
        stage.wait_for("wake")
    if phase == "speaking":
        stage.say(voice("What time is it?"))
        stage.wait_for("audible")
    begun_s = time.monotonic()
    machine.systemctl("stop", "speakerd")
    took_s = time.monotonic() - begun_s
    figure(f"stopped in {took_s:.2f} s while {phase}")
    assert took_s < STOP_S
    assert (machine.unit_property("ActiveState"), machine.unit_property("Result")) == ("inactive", "success")


NOBODY_ANSWERS = """\
import socket, time
name_server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name_server.bind(("127.0.0.1", 53))
time.sleep(600)
"""


def test_it_stops_while_a_name_is_looked_up(machine, figure):
    """The C library waits for a name server for many seconds, and nothing can end that; the service does not."""
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:10\n")
    machine.write("/etc/credstore/api-key", "not-a-real-key")
    machine.write(
        CONFIG, "service: {provider: openai, endpoint: 'wss://speaker.example/v1'}\nauth: {method: api_key}\n"
    )
    machine.do("systemd-run", "--quiet", "python3", "-c", NOBODY_ANSWERS)
    machine.systemctl("start", "speakerd")
    machine.do("systemd-run", "--quiet", "--collect", "speakerd", "ask", "What time is it?")
    machine.wait_until(lambda: "by request" in machine.unit_property("StatusText"), "a question")
    time.sleep(1.0)  # it has begun to look
    begun_s = time.monotonic()
    machine.systemctl("stop", "speakerd")
    took_s = time.monotonic() - begun_s
    figure(f"stopped in {took_s:.2f} s while a name is looked up")
    assert took_s < STOP_S
    assert (machine.unit_property("ActiveState"), machine.unit_property("Result")) == ("inactive", "success")


@on_every_release
def test_a_key_in_the_credential_store_reaches_the_service_alone(machine):
    """Only its user can read it, and a machine without one is not asked for one."""
    machine.write("/etc/credstore/api-key", "not-a-real-key")
    machine.systemctl("start", "speakerd")
    key = "/run/credentials/speakerd.service/api-key"
    assert machine.do("cat", key) == "not-a-real-key"
    assert machine.do("find", "/run/credentials/speakerd.service", "-type", "f", "-perm", "/007") == ""
    assert machine.run("test", "-e", "/run/credentials/speakerd.service/certificate").returncode != 0
    assert "not-a-real-key" not in machine.do("systemctl", "show", "speakerd") + machine.journal()
