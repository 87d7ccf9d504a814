"""Killing commands at random moments: a real process, a real SIGKILL, and a table of what was found afterwards.

Two ways to be killed: :class:`Nursery` for steps of the library, hundreds of which can be killed in seconds, and
:func:`kill_program` for programs as a person starts them. Moments are drawn from a seeded generator; where in its work
they meet a process is chance.

    with Nursery("from tests.index_writes import COMMANDS") as nursery:
        for after_s in moments(rng, 10, longest_s=0.05):
            ended = nursery.kill("append", folder, after_s=after_s)
            kills.append(Kill("append", after_s, ended, outcome=describe(folder)))
    print(table(kills))
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from tests.children import line_of, start

Command = Callable[..., Generator[None, None, None]]
"""What a nursery's script calls, with strings: up to its first ``yield`` it prepares, then it works."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A row of the table.

    Attributes:
        command: What was killed.
        after_s: How long it had been at work.
        ended: Whether it was done before.
        outcome: What was found afterwards, in words.
    """

    command: str
    after_s: float
    ended: bool
    outcome: str


class Nursery:
    """A process in which everything is imported, and which makes a copy of itself for each command."""

    def __init__(self, script: str) -> None:
        """Start the process.

        Args:
            script: Python that leaves ``COMMANDS`` behind, a mapping of names to ``Command``. It must start no thread:
                a copy of a process has only one.
        """
        self._script = script

    def __enter__(self) -> Nursery:
        self._process = start(self._script + _NURSING)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def kill(self, command: str, *arguments: object, after_s: float) -> bool:
        """Let a command work for so long.

        Returns:
            Whether it was done before it was killed.

        Raises:
            RuntimeError: It failed by itself.
        """
        pid = self._begin(command, arguments)
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)  # there even if it is done: the nursery asks for its end only when told
        return self._end(command)

    def run(self, command: str, *arguments: object) -> float:
        """Let a command end, and return how many seconds it worked.

        Raises:
            RuntimeError: It failed.
        """
        self._begin(command, arguments)
        started = time.monotonic()
        self._say("wait")
        line_of(self._process)
        lasted = time.monotonic() - started
        self._end(command)
        return lasted

    def _begin(self, command: str, arguments: Sequence[object]) -> int:
        self._say(json.dumps([command, [str(each) for each in arguments]]))
        said, _, pid = line_of(self._process).partition(" ")
        if said != "begun":
            raise RuntimeError(f"{command} failed before it began")
        return int(pid)

    def _end(self, command: str) -> bool:
        self._say("end")
        status = int(line_of(self._process))
        if status not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{command} ended with {status}")
        return status == 0

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


_NURSING = """
import json, os, sys, traceback, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of a copy made beside the idle threads of a matrix library
for line in sys.stdin:
    name, arguments = json.loads(line)
    out_of, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work = COMMANDS[name](*arguments)
            next(work)
            os.write(into, b"begun")
            for _ in work:
                pass
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    os.close(into)
    print("begun" if os.read(out_of, 5) == b"begun" else "failed", pid, flush=True)
    os.close(out_of)
    told = sys.stdin.readline()
    status = os.waitpid(pid, 0)[1]
    if told == "wait\\n":
        print("done", flush=True)
        sys.stdin.readline()
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def kill_program(command: Sequence[str], *, after_s: float, environment: Mapping[str, str] | None = None) -> bool:
    """Start a program and kill it, and all that it started, after so long.

    Args:
        command: The program and its arguments.
        after_s: How long it may run, from its start.
        environment: More than this process's environment.

    Returns:
        Whether it was done before it was killed.

    Raises:
        RuntimeError: It failed by itself.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        _, said = process.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}: {said}")
    return True


def moments(rng: np.random.Generator, n: int, *, longest_s: float) -> list[float]:
    """Moments spread over a time: one in each n-th of it, in any order."""
    drawn = (np.arange(n) + rng.random(n)) * (longest_s / n)
    return [float(each) for each in rng.permutation(drawn)]


def table(kills: Sequence[Kill]) -> str:
    """One line a kill."""
    lines = [f"{'command':24} {'after':>10}  {'':8} outcome"]
    lines += [
        f"{kill.command:24} {1000 * kill.after_s:7.1f} ms  {'ended' if kill.ended else 'killed':8} {kill.outcome}"
        for kill in kills
    ]
    return "\n".join(lines)
