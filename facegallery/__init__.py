"""facegallery: recognise the members of a group in photos, on your own machine, and show why.

    from facegallery import Gallery

    with Gallery.open("my-gallery") as gallery:
        for photo in gallery.identify(["party.jpg"]):
            ...

Importing the package is cheap: torch, FAISS and SQLAlchemy are imported by the calls that need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from facegallery.version import __version__

if TYPE_CHECKING:
    from facegallery.gallery.gallery import Gallery as Gallery

__all__ = ["Gallery", "__version__"]


def __getattr__(name: str) -> object:
    """Import ``Gallery`` when it is first asked for."""
    if name == "Gallery":
        from facegallery.gallery.gallery import Gallery

        return Gallery
    raise AttributeError(f"module 'facegallery' has no attribute {name!r}")
