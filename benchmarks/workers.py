"""Each side of a comparison in a process of its own, with the environment that it has in real use.

What one library does to the process (threads, environment, memory) does not touch the other one.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from facegallery.settings import THREADS_VARIABLE

WAIT_POLICY = "OMP_WAIT_POLICY"

OUR_ENVIRONMENT: Mapping[str, str | None] = {WAIT_POLICY: None}
"""facegallery sets its own wait policy where none is set. None takes a variable away."""


def peer_environment(wait_policy: str | None = None) -> Mapping[str, str | None]:
    """What a peer's process starts with: a wait policy (None: its library's default), and as many threads as ours."""
    environment: dict[str, str | None] = {WAIT_POLICY: wait_policy}
    if threads := os.environ.get(THREADS_VARIABLE):
        environment["OMP_NUM_THREADS"] = threads
    return environment


class SideFailed(Exception):
    """A side raised, or its process ended; the message is its traceback."""


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer and the time it took.

    Attributes:
        seconds: For one call.
        answer: Of the last call.
    """

    seconds: float
    answer: Any


class Worker:
    """A process with one side in it, which does jobs one at a time; a context manager, with which the process ends."""

    def __init__(self, make: Callable[..., object], *arguments: object, environment: Mapping[str, str | None]) -> None:
        """Start the process; ``make(*arguments)`` is called in it.

        A job is a method of what ``make`` returns. It takes the inputs, prepares what is not to be timed, and returns
        a function without arguments: that is what is timed.
        """
        context = multiprocessing.get_context("spawn")  # a forked process would inherit what is loaded here
        self._connection, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, make, arguments), daemon=True)
        with _environment(environment):
            self._process.start()
        far_end.close()  # so that the end of the process is the end of the connection

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.join()

    def run(self, job: str, *inputs: object, n_calls: int = 1) -> Timed:
        """Do a job ``n_calls`` times in a row.

        Returns:
            The mean time of one call, taken in the process itself, and the last answer.

        Raises:
            SideFailed: The side raised, or its process ended.
        """
        try:
            self._connection.send((job, inputs, n_calls))
            found = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            raise SideFailed(f"the process ended with status {self._process.exitcode}") from error
        if isinstance(found, Timed):
            return found
        raise SideFailed(str(found))


def from_nothing(function: Callable[..., object], *arguments: object, environment: Mapping[str, str | None]) -> Timed:
    """Call a function in a new process.

    Returns:
        Its answer, and the time from before the process was started until the answer is here: the start of Python,
        all imports and the loading of networks included.
    """
    start = time.perf_counter()
    with Worker(_Once, function, environment=environment) as worker:
        answer = worker.run("call", *arguments).answer
        seconds = time.perf_counter() - start
    return Timed(seconds, answer)


class _Once:
    """A function as a side."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def call(self, *arguments: object) -> Callable[[], object]:
        return lambda: self._function(*arguments)


def _serve(connection: Connection, make: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """The process's life: make the side, then do jobs until the other end is closed."""
    side: object = None
    while True:
        try:
            job, inputs, n_calls = connection.recv()
        except EOFError:
            return
        try:
            side = side or make(*arguments)
            connection.send(_timed(getattr(side, job)(*inputs), n_calls))
        except Exception:  # whatever a library raises is told at the other end
            connection.send(traceback.format_exc())


def _timed(call: Callable[[], object], n_calls: int) -> Timed:
    answer: object = None
    start = time.perf_counter()
    for _ in range(n_calls):
        answer = call()
    return Timed((time.perf_counter() - start) / n_calls, answer)


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """This process's environment with changes: a process that is started meanwhile inherits them."""
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
