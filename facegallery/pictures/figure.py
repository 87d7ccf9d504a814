"""A picture with its words: what a panel draws as a tile and a page shows as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from facegallery.pictures.boxes import outlined

if TYPE_CHECKING:
    from facegallery.domain import BoxXyxy, Pixels

Legend: TypeAlias = tuple[str, str] | tuple[str, str, str]
"""The words under a colour bar: for 0 and the most (unsigned maps), or for the least, 0 and the most (signed ones)."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One picture of a panel or a page.

    Attributes:
        title: Above the picture.
        picture: shape (h, w, 3), uint8, RGB, any size; None where there is nothing to show.
        captions: Under the picture, a paragraph each.
        placeholder: In the picture's place when there is none: why. Line ends are kept.
        legend: The words under a bar with the colours of ``heat.overlay``; None draws no bar.
        outline: A place to point at, in the picture's pixels; None points at none.
        alt: What is to be seen, for somebody who hears the page read; "" stands for the title.
        wide: Takes the room of two on a page: a plot, whose words are to be read.
    """

    title: str
    picture: Pixels | None
    captions: Sequence[str] = ()
    placeholder: str = ""
    legend: Legend | None = None
    outline: BoxXyxy | None = None
    alt: str = ""
    wide: bool = False

    def shown(self) -> Pixels | None:
        """The picture with its outline: shape (h, w, 3), uint8, RGB; a small one is enlarged where it has one."""
        if self.picture is None or self.outline is None:
            return self.picture
        return outlined(self.picture, self.outline)
