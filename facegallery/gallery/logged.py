"""The log of decisions of a gallery: who asked, when, and what was answered; off unless somebody switches it on."""

from __future__ import annotations

from facegallery.domain import LoggedDecision
from facegallery.gallery.opened import OpenedGallery


class LogGallery(OpenedGallery):
    """The part of :class:`facegallery.gallery.gallery.Gallery` that is about the log."""

    @property
    def log_days(self) -> int | None:
        """For how many days answers are kept in the log; None while it is off."""
        return self._store.log_days()

    def keep_log(self, n_days: int) -> None:
        """Keep each answer of ``identify`` and ``explain`` for so many days, from the next run on."""
        self._store.keep_log(n_days)

    def stop_log(self) -> int:
        """Keep no more answers, and remove those that are there; returns how many. Raises StillInTheLog."""
        return self._store.stop_log()

    def clear_log(self) -> int:
        """Remove the answers that are there, and go on as before; returns how many. Raises StillInTheLog."""
        return self._store.clear_log()

    def logged(
        self, member: str | None = None, *, since_days: float | None = None, most: int | None = None
    ) -> list[LoggedDecision]:
        """The answers that were kept, the newest first.

        Args:
            member: Only those in which this member was named, nearest or runner-up.
            since_days: Only those of so many days.
            most: So many of the newest.

        Raises:
            MemberNotFound: There is no such member.
        """
        return self._store.logged(member, since_days=since_days, most=most)
