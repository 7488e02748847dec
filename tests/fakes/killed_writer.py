"""Writers of the sign-in that are killed, and what they leave behind; a program, since it forks.

    python -m tests.fakes.killed_writer STATE whole|torn|none|random

prints a line of JSON for each writer.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

from speakerd.auth.cache import FOLDER, NAME, Account, AccountFile

_TIMES = 30


def account(what: object) -> Account:
    """Return a sign-in that can be told from others."""
    return Account({"name": what}, {"a.nocae": json.dumps({"RefreshToken": {"key": str(what) * 500}})})


def kept(file: AccountFile) -> object:
    """Return which one is there."""
    found = file.load()
    name = None if found.record is None else found.record["name"]
    assert found == (Account() if name is None else account(name))
    return name


def prepare(state: Path, start: str) -> Account:
    """Put the old sign-in there, whole or torn."""
    file = AccountFile(state)
    file.remove()
    if start != "none":
        file.save(account("old"))
    if start == "torn":
        (state / FOLDER / NAME).write_bytes(b'{"version": 1, "rec')
    return file.load()


def killed_at(step: int, state: Path, before: Account) -> bool:
    """Save in a child that dies before its n-th call to the outside; return whether it did."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event.startswith(("open", "os.", "fcntl.")):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        AccountFile(state).save(account("new"), instead_of=before if before.record else None)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def say(**found: object) -> None:
    """Print what became of one writer."""
    sys.stdout.write(json.dumps(found) + "\n")


def each_step(state: Path, start: str) -> None:
    """Kill a writer at its first step, its second, and so on, until it gets through."""
    step, killed = 0, True
    while killed:
        step += 1
        before = prepare(state, start)
        killed = killed_at(step, state, before)
        file = AccountFile(state)
        found = kept(file)
        file.save(account("after"), instead_of=file.load())
        say(killed=killed, kept=found, after=kept(file))


def any_moment(state: Path) -> None:
    """Kill writers that save without end, at no moment in particular."""
    file, told = AccountFile(state), 0
    file.save(account(told))
    for _ in range(_TIMES):
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            generation = told
            while True:
                file.save(account(generation + 1), instead_of=account(generation))
                generation += 1
                os.write(theirs, b".")
        os.close(theirs)
        told += len(os.read(ours, random.randrange(1, 5)))
        for _ in range(random.randrange(50_000)):
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(ours, 1000):
            told += len(more)
        os.close(ours)
        now = kept(file)
        file.save(file.load(), instead_of=file.load())  # a save, so that what was left behind is cleared
        left = [one.name for one in (state / FOLDER).iterdir()]
        say(told=told, kept=now, left=left)
        told = now


if __name__ == "__main__":
    if sys.argv[2] == "random":
        any_moment(Path(sys.argv[1]))
    else:
        each_step(Path(sys.argv[1]), sys.argv[2])
