"""Processes that analyze photos side by side, for folders: each reads, detects and embeds with one thread.

Within one process Python's lock lets two threads do the work of one and a half; two processes do that of two, and eight
that of eight. They are started when there is work for them and end with their parent, however that ends: what they
wait for is its end of a pipe.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any, Protocol, cast

from facegallery.errors import FacegalleryError, RuntimeUnavailable
from facegallery.settings import THREADS_VARIABLE

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from facegallery.gallery.workers import serve
serve()
"""

_ADVICE = "Next: try with fewer of them, FACEGALLERY_WORKERS=1."


class Job(Protocol):
    """What workers do; it travels to them, so it is made of plain values."""

    def load(self) -> Callable[[Sequence[Path]], Sequence[Any]]:
        """Load what it takes, and return the function that answers for files."""
        ...


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error of ours in a worker, in words."""

    message: str


class Workers:
    """A number of processes that do one job. Each is started when it is first needed."""

    def __init__(self, job: Job, n_workers: int) -> None:
        self._job = job
        self._idle: SimpleQueue[_Process | None] = SimpleQueue()
        self._started: list[_Process] = []
        for _ in range(n_workers):
            self._idle.put(None)

    def analyze(self, paths: Sequence[Path]) -> Sequence[Any]:
        """Answers for files, by the next worker that is free; to be called by as many threads as there are workers.

        Raises:
            RuntimeUnavailable: The worker could not do it, or ended.
        """
        process = self._idle.get()
        try:
            if process is None:
                process = _Process(self._job)
                self._started.append(process)
            return process.ask(paths)
        finally:
            self._idle.put(process)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started:
            process.close()


class _Process:
    """One worker, seen from its parent."""

    def __init__(self, job: Job) -> None:
        self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, THREADS_VARIABLE: "1"},
        )
        self._requests = cast("IO[bytes]", self._popen.stdin)
        self._answers = cast("IO[bytes]", self._popen.stdout)
        self._send(job)

    def ask(self, paths: Sequence[Path]) -> Sequence[Any]:
        self._send(list(paths))
        try:
            answer = pickle.load(self._answers)  # noqa: S301 - from our own child
        except (EOFError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        if isinstance(answer, _Failure):
            raise RuntimeUnavailable(answer.message)
        return list(answer)

    def close(self) -> None:
        """Let it end; a group that it is at is not waited for."""
        self._popen.kill()  # it holds nothing that could be lost
        self._popen.communicate()

    def _send(self, message: object) -> None:
        try:
            pickle.dump(message, self._requests)
            self._requests.flush()
        except OSError as error:
            raise self._ended() from error

    def _ended(self) -> RuntimeUnavailable:
        return RuntimeUnavailable(
            f"A process that analyzes photos ended by itself (exit status {self._popen.wait()}). {_ADVICE}"
        )


def serve() -> None:
    """Be a worker: a job comes in, then groups of files; for each group the answers go out. Ends with its input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which decides
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not come between
    sys.stdout = sys.stderr
    requests = sys.stdin.buffer
    try:
        analyze = pickle.load(requests).load()  # noqa: S301 - from our own parent
        while True:
            pickle.dump(_answers(analyze, pickle.load(requests)), answers)  # noqa: S301 - from our own parent
            answers.flush()
    except FacegalleryError as error:
        pickle.dump(_Failure(str(error)), answers)
        answers.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # the parent is gone; nothing is left to be flushed


def _answers(analyze: Callable[[Sequence[Path]], Sequence[Any]], paths: Sequence[Path]) -> object:
    try:
        return analyze(paths)
    except FacegalleryError as error:
        return _Failure(str(error))
