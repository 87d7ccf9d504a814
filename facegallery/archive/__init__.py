"""A gallery as one file that can be kept, carried and read without this program: ``docs/archive.md`` is its format."""

from facegallery.archive.reading import read_archive
from facegallery.archive.writing import write_archive

__all__ = ["read_archive", "write_archive"]
