"""What every part of the store that changes rows needs: the database and the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import Connection, Engine

from facegallery.errors import StillInTheLog
from facegallery.store import keys
from facegallery.store.engine import checkpoint, writing
from facegallery.store.reading import ReadableStore

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that is used unless another is passed in."""
    return datetime.now(timezone.utc)


class WritableStore(ReadableStore):
    """An open gallery's rows, to be changed: each method of those built on this is one transaction."""

    def __init__(self, engine: Engine, path: Path, *, clock: Clock) -> None:
        super().__init__(engine, path)
        self._clock = clock

    @contextmanager
    def _write(self, *, wait_s: float | None = None) -> Iterator[Connection]:
        with writing(self._engine, self._path, wait_s=wait_s) as connection:
            keys.require_key_of_opening(connection, self._path)
            yield connection

    def _empty_log(self) -> None:
        """Have nothing removed linger in the write-ahead log.

        Raises:
            StillInTheLog: Another program reads it for too long.
        """
        if not checkpoint(self._engine, self._path):
            raise StillInTheLog(self._path)
