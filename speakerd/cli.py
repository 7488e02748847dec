"""The command line: what runs each command, and exit codes. Its words are in ``options.py``; the work is elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from speakerd.core.errors import ConfigError, Remedy, SpeakerdError
from speakerd.options import Command, build_parser

if TYPE_CHECKING:
    from speakerd.bench.accuracy_find import Wishes

OK, FAILED, USAGE, UNREACHABLE, SIGN_IN, CONFIGURATION = 0, 1, 2, 69, 77, 78
"""Exit codes (contract). systemd does not restart on 78."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see __main__.py
    try:
        arguments = build_parser(COMMANDS).parse_args(argv)
        command: Command = arguments.command
        return command(arguments)
    except SpeakerdError as error:
        return _report(error)
    except BaseExceptionGroup as group:
        # Parts run side by side; the first of them that failed for a known reason tells it, a bug keeps its traceback.
        known, unknown = group.split(SpeakerdError)
        if known is None or unknown is not None:
            raise
        return _report(_first(known))
    except KeyboardInterrupt:
        return 130  # as a shell says it: ended by SIGINT
    except BrokenPipeError:
        # The reader of our output has left: nothing to tell anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _report(error: SpeakerdError) -> int:
    sys.stderr.write(f"speakerd: {error.code}: {error}\n")
    return exit_code(error)


def _first(group: BaseExceptionGroup[SpeakerdError]) -> SpeakerdError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def exit_code(error: SpeakerdError) -> int:
    """Return the exit code for an error that ended a command."""
    if isinstance(error, ConfigError) or error.remedy is Remedy.EXIT:
        return CONFIGURATION
    if error.code.startswith(("wake-model", "wake-engine", "wake-noise")):
        return CONFIGURATION  # a restart does not fetch it, or change its mind
    if error.code == "daemon-unreachable":
        return UNREACHABLE
    return SIGN_IN if error.remedy is Remedy.REAUTHENTICATE else FAILED


def _run(arguments: argparse.Namespace) -> int:
    from speakerd import daemon

    daemon.run(arguments.config, arguments.log_level)
    return OK


def _check_config(arguments: argparse.Namespace) -> int:
    from speakerd import config

    file = arguments.file or arguments.config
    problems = config.check_file(file, os.environ)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    if problems:
        return CONFIGURATION
    loaded = config.load(file, os.environ)
    for note in loaded.notes:
        sys.stdout.write(f"note: {note}\n")
    sys.stdout.write(f"{loaded.path or 'no file, every default holds'}: good\n")
    return OK


def _devices(_arguments: argparse.Namespace) -> int:
    from speakerd.audio import alsa, devices

    alsa.silence_alsa_messages()
    sys.stdout.write(devices.format_devices(devices.list_devices()) + "\n")
    return OK


def _fetch_models(_arguments: argparse.Namespace) -> int:
    from speakerd.wake import models

    models.fetch(models.WORDS, progress=lambda line: print(line, flush=True))
    return OK


def _emulate(arguments: argparse.Namespace) -> int:
    from speakerd.host.signals import STOPS, Signals

    signals = Signals(STOPS)  # before anything that takes its time
    from speakerd.embedded.emulate import Wishes, emulate
    from speakerd.host import logs

    logs.set_up(arguments.log_level)
    wishes = Wishes(
        tls=arguments.tls,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        api_key_file=arguments.api_key_file,
        record=arguments.record,
        faults=arguments.faults,
        faults_control=arguments.faults_control,
        transcripts=arguments.transcripts,
    )

    def announce(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    async def serve() -> None:
        task = asyncio.current_task()
        assert task is not None
        signals.listen(task.cancel)
        try:
            await emulate(
                host=arguments.host,
                port=arguments.port,
                tier=arguments.tier,
                paced=arguments.paced,
                announce=announce,
                wishes=wishes,
            )
        finally:
            signals.ignore()

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(serve())
    return OK


def _chat(arguments: argparse.Namespace) -> int:
    from speakerd import config
    from speakerd.chat import run_chat
    from speakerd.host import logs

    logs.set_up("warning" if arguments.log_level == "info" else arguments.log_level)
    loaded = config.load(arguments.config, os.environ)
    return asyncio.run(
        run_chat(loaded.settings, environment=os.environ, audio=not arguments.no_audio, strict=arguments.strict)
    )


def _demo(arguments: argparse.Namespace) -> int:
    from speakerd.demo.show import show

    return OK if show(arguments.out, arguments.tier, say=lambda line: print(line, flush=True)) else FAILED


def _bench(arguments: argparse.Namespace) -> int:
    from speakerd.bench import bench

    worked = bench(
        arguments.topic,
        arguments.out,
        arguments.turns,
        say=lambda line: print(line, flush=True),
        seed=arguments.seed,
        minutes=arguments.minutes,
        wishes=_accuracy_of(arguments) if arguments.topic == "accuracy" else None,
    )
    return OK if worked else FAILED


def _accuracy_of(arguments: argparse.Namespace) -> Wishes:
    """Return what ``speakerd bench accuracy`` is to measure, by the command line and the configuration."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded, as for the daemon
    from speakerd import config
    from speakerd.bench import accuracy_find

    return accuracy_find.Wishes(
        wake=config.load(arguments.config, os.environ).settings.wake,
        folder=arguments.folder,
        noise=arguments.noise,
        snrs_db=arguments.snr or accuracy_find.SNRS_DB,
        seed=accuracy_find.SEED if arguments.seed is None else arguments.seed,
        minutes=arguments.minutes or accuracy_find.MINUTES,
    )


def _doctor(arguments: argparse.Namespace) -> int:
    from speakerd.doctor.command import run
    from speakerd.host import control, logs

    logs.set_up("error" if arguments.log_level == "info" else arguments.log_level)
    return run(
        arguments.config,
        os.environ,
        control.socket_path(os.environ),
        write=lambda text: print(text, end="", flush=True),
        complain=sys.stderr.write,
        live=sys.stdout.isatty(),
        as_json=arguments.json,
        say=arguments.say,
        bundle=arguments.bundle,
    )


def _status(arguments: argparse.Namespace) -> int:
    from speakerd.host import client, control
    from speakerd.host.status_text import format_status
    from speakerd.host.watch import watch

    def ask() -> dict[str, Any]:
        return client.request(control.socket_path(os.environ), "status")

    if arguments.watch:
        with contextlib.suppress(KeyboardInterrupt):  # whoever has seen enough
            watch(ask, sys.stdout)
    else:
        answer = ask()
        sys.stdout.write((json.dumps(answer, indent=2) if arguments.json else format_status(answer)) + "\n")
    return OK


def _usage(arguments: argparse.Namespace) -> int:
    from speakerd.host import client, control
    from speakerd.host.usage_text import format_usage

    report = client.request(control.socket_path(os.environ), "usage")
    sys.stdout.write((json.dumps(report, indent=2) if arguments.json else format_usage(report)) + "\n")
    return OK


def _tell(arguments: argparse.Namespace) -> int:
    from speakerd.host import client, control

    answer = client.request(control.socket_path(os.environ), arguments.request)
    sys.stdout.write(f"{answer['line']}\n")
    return OK


def _speak(arguments: argparse.Namespace) -> int:
    from speakerd.host import client, control

    said = client.request(
        control.socket_path(os.environ),
        arguments.request,
        timeout_s=client.SPOKEN_TIMEOUT_S,
        text=" ".join(arguments.text),
    )
    sys.stdout.write(f"{said['text']}\n")
    return OK


def _volume(arguments: argparse.Namespace) -> int:
    from speakerd.host import client, control

    asked = {} if arguments.percent is None else {"percent": arguments.percent}
    answer = client.request(control.socket_path(os.environ), "volume", **asked)
    sys.stdout.write(f"{answer['line']}\n")
    return OK


def _sign_in(arguments: argparse.Namespace) -> int:
    from speakerd import config, login
    from speakerd.host import control, logs

    logs.set_up("warning" if arguments.log_level == "info" else arguments.log_level)
    return login.run(
        arguments.request,
        lambda: config.load(arguments.config, os.environ).settings,
        environment=os.environ,
        socket=control.socket_path(os.environ),
        local=arguments.local,
    )


COMMANDS: Mapping[str, Command] = {
    "run": _run,
    "demo": _demo,
    "chat": _chat,
    "emulate": _emulate,
    "bench": _bench,
    "check-config": _check_config,
    "devices": _devices,
    "doctor": _doctor,
    "fetch-models": _fetch_models,
    "login": _sign_in,
    "logout": _sign_in,
    "status": _status,
    "usage": _usage,
    "mute": _tell,
    "unmute": _tell,
    "stop": _tell,
    "wake": _tell,
    "say": _speak,
    "ask": _speak,
    "volume": _volume,
}
"""What does each command."""
