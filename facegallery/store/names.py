"""Members' names, as the store's own modules import them; see :mod:`facegallery.names`."""

from __future__ import annotations

from facegallery.names import MAX_NAME_LENGTH, N_NEAREST, clean_name, name_key, nearest_names

__all__ = ["MAX_NAME_LENGTH", "N_NEAREST", "clean_name", "name_key", "nearest_names"]
