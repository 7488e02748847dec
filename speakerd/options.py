"""The command line's words: every command with its options and its help. What they do is ``cli.py``'s business."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from speakerd import __version__

Command = Callable[[argparse.Namespace], int]
"""Takes what was written, does it, and returns the exit code."""


def build_parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Return the parser, with help that teaches.

    Args:
        commands: What does each command; each name is one of them.
    """
    parser = argparse.ArgumentParser(
        prog="speakerd",
        description="A smart speaker: say the wake word, it answers.",
        epilog="First steps: 'speakerd demo' shows everything on this machine; 'speakerd check-config' before "
        "'speakerd run'. Exit codes: 0 good, 1 a failed check, 2 usage, 69 the daemon cannot be reached, "
        "77 sign-in needed, 78 configuration.",
    )
    parser.add_argument("--version", action="version", version=f"speakerd {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    for target in (parser, common):
        top = target is parser
        target.add_argument(
            "-c",
            "--config",
            metavar="FILE",
            type=Path,
            default=None if top else argparse.SUPPRESS,
            help="configuration (default: /etc/speakerd/speakerd.yaml, else config/speakerd.yaml)",
        )
        target.add_argument(
            "--log-level",
            choices=("debug", "info", "warning", "error"),
            default="info" if top else argparse.SUPPRESS,
            help="how much to say on standard error (default: info)",
        )
    known = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, text: str, **options: str) -> argparse.ArgumentParser:
        sub = known.add_parser(name, parents=[common], help=text, description=options.get("more", text) + ".")
        sub.set_defaults(command=commands[name], request=name)
        return sub

    add("run", "run the speaker in the foreground (what systemd starts)")
    _add_conversation_commands(add)
    checked = add("check-config", "report every problem of a configuration at once")
    checked.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the file to check")
    add("devices", "list sound cards by stable name, with their own rates and channels")
    _add_doctor(add)
    add("fetch-models", "fetch the wake word models, checked by digest, and show their licence")
    _add_sign_in_commands(add)
    status = add("status", "ask the running daemon how it is")
    how = status.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="everything, for programs")
    how.add_argument("--watch", action="store_true", help="live, with level meters, until Ctrl-C")
    usage = add("usage", "show what conversations took and about what they cost, by day")
    usage.add_argument("--json", action="store_true", help="everything, for programs")
    for name, text in (
        ("mute", "hear nothing until unmuted"),
        ("unmute", "listen for the wake word again"),
        ("stop", "fall silent and end the conversation"),
        ("wake", "listen as if the wake word had been said"),
    ):
        add(name, text)
    _add_spoken_commands(add)
    return parser


def _add_spoken_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    say = add(
        "say",
        "have the assistant say a text, word for word",
        more="Have the assistant say a text, word for word, and print what it said once it has been heard. It waits "
        "for a conversation to end. The microphone stays shut",
    )
    ask = add(
        "ask",
        "have a written question answered aloud",
        more="Have a written question answered aloud, and print the answer once it has been heard. It waits for a "
        "conversation to end. The microphone stays shut: to go on talking, say the wake word",
    )
    for sub in (say, ask):
        sub.add_argument("text", metavar="TEXT", nargs="+", help="at most 1000 characters")
    volume = add(
        "volume",
        "show how loud it is, or set it",
        more="Show how loud the speaker is, from 0 to 100, or set it; what is set is kept over restarts. It is the "
        "card's own volume control where it has one (audio.playback.mixer), else the sound itself is made quieter",
    )
    volume.add_argument("percent", metavar="N", type=_percent, nargs="?", help="from 0, silent, to 100")


def _percent(text: str) -> int:
    """Read a volume."""
    if not text.isascii() or not text.isdigit() or int(text) > 100:  # noqa: PLR2004 - percent
        raise argparse.ArgumentTypeError("a volume is a whole number from 0 to 100")
    return int(text)


def _add_conversation_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    demo = add(
        "demo",
        "hold a whole conversation on this machine",
        more="Hold a whole conversation on this machine: no account, no network and no sound card are needed. A "
        "synthesised voice speaks into a virtual card, the same daemon that runs on a Pi answers. Prints a timeline; "
        "exits with 1 when the conversation did not work",
    )
    demo.add_argument("--out", metavar="DIR", type=Path, default=Path("demo"), help="where to write (default: demo)")
    demo.add_argument("--tier", choices=("auto", "scripted", "neural"), default="auto", help="of the service")
    chat = add("chat", "type to the service, read and hear its replies; q quits")
    chat.add_argument("--no-audio", action="store_true", help="do not play; print the size of each piece of audio")
    chat.add_argument("--strict", action="store_true", help="stop at the first error event")
    _add_emulate(add)
    _add_bench(add)


def _add_doctor(add: Callable[..., argparse.ArgumentParser]) -> None:
    doctor = add(
        "doctor",
        "look at everything a conversation needs, and say what to do",
        more="Look at everything a conversation needs, and say what to do: configuration, sound cards, a chirp played "
        "and heard, wake word, clock, network, certificate, sign-in, one short question to the service (it costs a "
        "fraction of a cent), unit and machine; about half a minute. Each line is pass, warn or fail; exits with 1 "
        "when one fails. A running daemon has the cards: without one the chirp is played",
    )
    doctor.add_argument("--json", action="store_true", help="everything, for programs")
    doctor.add_argument("--say", action="store_true", help="ask you to say the wake word, and score it")
    doctor.add_argument(
        "--bundle", metavar="FILE", type=Path, help="write an archive (.tar.gz) for a bug report, without private names"
    )


def _add_sign_in_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    login = add(
        "login",
        "sign in with Microsoft, once, by entering a code on a phone",
        more="Sign in with Microsoft, once: shows a code and the page to enter it on, and waits; the speaker says both "
        "as well. Through the running daemon; without one alone, by root as the service's user. Where nobody needs to "
        "sign in (auth.method), it says whether that works. Exits with 77 when nobody was signed in",
    )
    logout = add("logout", "remove the sign-in from this machine")
    for sub in (login, logout):
        sub.add_argument("--local", action="store_true", help="alone, even where a daemon runs")


_BENCH = (
    "Measure the speaker on this machine and print the figures. latency: every hop of a conversation, from "
    "the wake word to the truncation of a reply that is cut, on the virtual card with the scripted service, beside "
    "the least program of ALSA calls and a socket; about half a minute a conversation. "
    "embedded: 'speakerd emulate' against its limits, about two minutes: how soon the neural tier is ready, its "
    "memory, end of speech to first audio over spoken questions, the same without any network, then 20 sessions "
    "at once on the scripted tier. cpu: what the daemon costs in a quiet room, in continuous speech and in "
    "conversation, beside the least program of ALSA calls and a socket, and its memory; about four minutes. "
    "evening: 200 turns of talk in a random order in which much goes wrong, on the virtual card with the scripted "
    "service: nothing may wedge, grow or be missing in the journal; about 15 minutes. "
    "echo: replies with the wake word in them, in a room whose echo is as loud as a user, and nobody speaks: what "
    "is taken for speech or for the wake word all the same; half as long again as the minutes of replies. "
    "guess: what connecting while the wake word is still being said saves, by the link alone; about a minute. "
    "peers: the daemon beside openai-agents and pipecat-ai, which are downloaded once, about 170 MB, and beside "
    "the least program, in the same conversations on the virtual card: latencies, gaps, truncation, CPU, memory "
    "and start; about twelve minutes; needs PortAudio (libportaudio2). "
    "wake: what listening for the wake word costs in four rooms, its memory and its start, beside openWakeWord as "
    "it comes, pyopen-wakeword and pymicro-wakeword, which are downloaded once, about 130 MB; and whether the "
    "scores are openWakeWord's, on some minutes of mixed audio (--minutes 60: an hour of it); about seven minutes. "
    "idle: what the daemon costs while nobody talks: CPU and wake-ups of each thread and memory, beside the least "
    "program that listens, and how soon after its start a word is heard; about three minutes. "
    "accuracy: how many wake words are missed in quiet and in noise, how late they are heard, and what else is "
    "taken for one, by the daemon's own engine, gate and threshold, as a table and as a curve. Give it a folder of "
    "recordings: what lies in DIR/hey_jarvis (any configured wake word) has to be heard, what lies in any other "
    "sub-folder must not be, and DIR/near holds what merely sounds like it. Without DIR synthetic voices speak, "
    "which are no people; about three minutes. With DIR no limit is known: it exits with 1 only when "
    "nothing could be measured. "
    "Every topic exits with 1 when a limit is missed. A machine that is busy with other things gives worse figures"
)
"""What each topic of ``bench`` measures, and how long that takes."""


def _add_bench(add: Callable[..., argparse.ArgumentParser]) -> None:
    bench = add(
        "bench",
        "measure the speaker on this machine and print the figures",
        more=_BENCH,
    )
    bench.add_argument(
        "topic",
        metavar="TOPIC",
        nargs="?",
        choices=("latency", "embedded", "cpu", "evening", "echo", "guess", "peers", "wake", "idle", "accuracy"),
        default="latency",
        help="latency (default), embedded, cpu, evening, echo, guess, peers, wake, idle or accuracy",
    )
    bench.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=Path,
        action=_OnlyForAccuracy,
        help="recordings (right behind accuracy): WAV of any kind; FLAC where flac, sox or ffmpeg is installed; with "
        "ffmpeg MP3, M4A, AAC, OGG, Opus and WebM too",
    )
    bench.add_argument("--out", metavar="DIR", type=Path, default=Path("bench"), help="where to write (default: bench)")
    bench.add_argument(
        "--turns",
        metavar="N",
        type=_positive,
        help="conversations (default: 5, peers: 6), questions (embedded: 12, cpu: 3), turns (evening: 200), tries "
        "(guess: 7), rounds (wake: 5) or starts (idle: 3)",
    )
    bench.add_argument(
        "--seed",
        metavar="N",
        type=_seed,
        help="which evening is played, which room has the echo, which noise each clip has",
    )
    bench.add_argument(
        "--minutes",
        metavar="M",
        type=_positive,
        help="how long replies are played (echo; default: 5), scores are compared (wake; default: 3) or everyday "
        "speech is said (accuracy; default: 20)",
    )
    bench.add_argument(
        "--noise",
        metavar="DIR",
        type=Path,
        help="noise recordings (accuracy; default: pink, brown and a kitchen, made)",
    )
    bench.add_argument(
        "--snr",
        metavar="LIST",
        type=_ratios,
        help="how far speech stands above the noise, in dB, 'clean' without (accuracy; default: clean,10,0; "
        "--snr=-5,0 when it begins with a minus)",
    )


class _OnlyForAccuracy(argparse.Action):
    """Takes the folder of the one topic that has one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option_string: str | None = None,
    ) -> None:
        """Keep it, or refuse it."""
        if values is not None and namespace.topic != "accuracy":
            parser.error(f"{namespace.topic} takes no folder")
        setattr(namespace, self.dest, values)


def _ratios(text: str) -> tuple[float | None, ...]:
    """Read signal-to-noise ratios; ``clean`` becomes None."""
    known: dict[float | None, None] = {}
    for part in text.split(","):
        try:
            ratio = None if part.strip() == "clean" else float(part)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is neither 'clean' nor a number of dB") from None
        if ratio is not None and not -40 <= ratio <= 80:  # noqa: PLR2004 - dB that mean something
            raise argparse.ArgumentTypeError(f"{ratio:g} dB is not between -40 and 80")
        known[ratio] = None
    return tuple(known)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _add_emulate(add: Callable[..., argparse.ArgumentParser]) -> None:
    emulate = add(
        "emulate",
        "run the embedded Realtime service by itself",
        more="Run the embedded Realtime service by itself: any Realtime client can talk to it. It prints how to point "
        "clients at it. It asks for some key and takes any; with --api-key-file only the one in it",
    )
    emulate.add_argument("--host", default="127.0.0.1", help="address to listen on; others need --api-key-file")
    emulate.add_argument("--port", type=int, default=8765, help="port to listen on; 0: any free one (default: 8765)")
    emulate.add_argument(
        "--tier",
        choices=("auto", "scripted", "neural"),
        default="auto",
        help="scripted: replies by rule, no recognition; neural: hears and speaks; auto: the best that loads",
    )
    emulate.add_argument("--paced", action="store_true", help="send audio in real time instead of in a burst")
    emulate.add_argument("--tls", action="store_true", help="wss://, with a certificate made for this run")
    for name, what in (
        ("tls-cert", "an own certificate with its chain, PEM (means --tls; needs --tls-key)"),
        ("tls-key", "the key of --tls-cert, PEM"),
        ("api-key-file", "let in only who knows the key in this file"),
        ("faults", "faults as a JSON object, read again when the file changes; for connections from then on"),
    ):
        emulate.add_argument(f"--{name}", metavar="FILE", type=Path, help=what)
    emulate.add_argument(
        "--faults-control",
        action="store_true",
        help="let programs on this machine GET, PUT and DELETE the faults as JSON at /faults of the same port",
    )
    emulate.add_argument("--record", metavar="DIR", type=Path, help="keep what it hears and says, as WAV and text")
    emulate.add_argument("--transcripts", action="store_true", help="log what is said in each turn, too")
