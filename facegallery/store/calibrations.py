"""The gallery's calibration: what the store asks of one connection about it. There is one, or none.

It is no part of what the store's state tells: the templates, and with them index and searches, stay as they are. It is
read with every question instead, so another process sees a new one with its next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, update

from facegallery.domain import Calibration, ScoreRule
from facegallery.store.sealed import open_bytes, seal_bytes
from facegallery.store.tables import CalibrationRow

if TYPE_CHECKING:
    from facegallery.domain import Vectors

_KEPT = "<f4"
_COLUMNS = [column for column in CalibrationRow.__table__.columns if column.name != "id"]


def load(connection: Connection) -> Calibration | None:
    """The calibration, or None."""
    row = connection.execute(select(*_COLUMNS)).mappings().one_or_none()
    if row is None:
        return None
    kept = open_bytes(connection, row["stranger_scores"], _context(row))
    return Calibration(**{**row, "score": ScoreRule(row["score"]), "stranger_scores": _from_blob(kept)})


def save(connection: Connection, calibration: Calibration) -> None:
    """Keep it, in the place of the one before."""
    values = {column.name: getattr(calibration, column.name) for column in _COLUMNS}
    values["score"] = calibration.score.value
    kept = calibration.stranger_scores.astype(_KEPT).tobytes()
    values["stranger_scores"] = seal_bytes(connection, kept, _context(values))
    clear(connection)
    connection.execute(insert(CalibrationRow).values(id=1, **values))


def clear(connection: Connection) -> None:
    """Have none."""
    connection.execute(delete(CalibrationRow))


def forget_photos(connection: Connection) -> None:
    """Remove what is of single photos: a forgotten member's are among them, and nothing tells which."""
    row = connection.execute(select(*_COLUMNS)).mappings().one_or_none()
    if row is not None:
        connection.execute(update(CalibrationRow).values(stranger_scores=seal_bytes(connection, b"", _context(row))))


def _context(row: Mapping[Any, Any]) -> str:
    """In an encrypted gallery the limits are bound to what is sealed: who lowers them without the key is noticed."""
    return f"calibration of {row['score']} to {row['threshold']!r} and {row['min_margin']!r}"


def _from_blob(blob: bytes) -> Vectors:
    import numpy as np  # members are listed without it

    return np.frombuffer(blob, dtype=_KEPT).astype(np.float32)
