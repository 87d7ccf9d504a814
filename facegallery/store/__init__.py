"""The gallery's memory: members, photos, faces and templates in one SQLite file."""

from facegallery.names import clean_name
from facegallery.store.store import Store

__all__ = ["Store", "clean_name"]
