"""What every side is asked to do. Imports nothing, so that no peer waits for imports of ours."""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "starter"
"""The bundled weights, on both sides: they are on every machine, and take as long as any others."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What became of a folder.

    Attributes:
        n_photos: Photos looked at.
        n_stored: Photos of which at least one embedding was stored.
    """

    n_photos: int
    n_stored: int
