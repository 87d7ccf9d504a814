"""The log of decisions, as the store keeps it: off, or on for some days; each method is one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from facegallery.domain import Asked, Decision, LoggedDecision
from facegallery.errors import GalleryUnavailable
from facegallery.store import decision_log, rows
from facegallery.store.engine import checkpoint
from facegallery.store.writing import WritableStore

MOST_LOG_DAYS = 3660
"""Ten years. Whoever needs more than that keeps copies, and answers for them."""


class LogStore(WritableStore):
    """What is kept of answers. Nothing of it is part of the store's state."""

    def keep_log(self, n_days: int) -> None:
        """Have answers logged from now on, and each entry kept for so many days; older ones go now.

        Raises:
            ValueError: The days are not in 1 to ``MOST_LOG_DAYS``.
        """
        if not 1 <= n_days <= MOST_LOG_DAYS:
            raise ValueError(f"entries are kept for 1 to {MOST_LOG_DAYS} days, not {n_days}")
        with self._write() as connection:
            decision_log.set_days(connection, n_days)
            removed = decision_log.expire(connection, self._clock())
        if removed:
            self._empty_log()

    def stop_log(self) -> int:
        """Log no more, and keep nothing of what was logged: nobody would say for how long. Bytes are overwritten.

        Returns:
            How many entries were removed.

        Raises:
            StillInTheLog: The entries are removed, but the write-ahead log could not be emptied.
        """
        with self._write() as connection:
            decision_log.set_days(connection, None)
            removed = decision_log.clear(connection)
        if removed:
            self._empty_log()
        return removed

    def clear_log(self) -> int:
        """Remove what was logged until now, and go on as before. Bytes are overwritten.

        Returns:
            How many entries were removed.

        Raises:
            StillInTheLog: The entries are removed, but the write-ahead log could not be emptied.
        """
        with self._write() as connection:
            removed = decision_log.clear(connection)
        if removed:
            self._empty_log()
        return removed

    def log(self, asked: Asked, decisions: Mapping[int, Decision], member_ids: Mapping[str, int]) -> None:
        """Keep the answers about one photo, unless the log was switched off meanwhile; what is too old goes.

        Args:
            asked: The question.
            decisions: By the number of the face.
            member_ids: By name, as of when the answers were made. Of a member who is there no more nothing is kept.
        """
        now = self._clock()
        with self._write() as connection:
            if decision_log.days(connection) is None:
                return
            removed = decision_log.expire(connection, now)
            decision_log.add(connection, asked, decisions, member_ids, now=now)
        self._emptied_if(removed)

    def logged(
        self, name: str | None = None, *, since_days: float | None = None, most: int | None = None
    ) -> list[LoggedDecision]:
        """What was logged, the newest first; what is too old goes.

        Args:
            name: Only answers in which this member was named, nearest or runner-up.
            since_days: Only those of so many days.
            most: So many of the newest.

        Raises:
            MemberNotFound: There is no such member.
            BadName: No member can have this name.
        """
        self.expire_log()
        now = self._clock()
        since = None if since_days is None else now - timedelta(days=since_days)
        with self._read() as connection:
            member_id = None if name is None else rows.member_id_of(connection, name)
            return decision_log.entries(connection, now=now, member_id=member_id, since=since, most=most)

    def expire_log(self) -> None:
        """Remove entries that are too old to be kept; nothing is written where there are none.

        Where the gallery may only be read, or is being written for long, the next call does it: nobody is shown them.
        """
        now = self._clock()
        with self._read() as connection:
            if not decision_log.has_expired(connection, now):
                return
        with suppress(GalleryUnavailable):
            with self._write(wait_s=0) as connection:
                removed = decision_log.expire(connection, now)
            self._emptied_if(removed)

    def _emptied_if(self, removed: int) -> None:
        """Empty the write-ahead log if nobody reads it; else it goes with whoever closes the gallery last."""
        if removed:
            checkpoint(self._engine, self._path, wait_s=0)
