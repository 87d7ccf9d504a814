"""Where things are on this machine, and the defaults that hold everywhere; nothing is created by asking."""

from __future__ import annotations

import os
from pathlib import Path

GALLERY_VARIABLE = "FACEGALLERY_GALLERY"
"""Environment variable that names the gallery's folder."""

MODELS_VARIABLE = "FACEGALLERY_MODELS"
"""Environment variable that names the folder of fetched and imported model files."""

THREADS_VARIABLE = "FACEGALLERY_THREADS"
"""Environment variable that says how many threads torch, FAISS and OpenVINO may each use."""

CACHE_VARIABLE = "FACEGALLERY_CACHE"
"""Environment variable that names the folder of what can be made again: the networks compiled for this machine."""

WORKERS_VARIABLE = "FACEGALLERY_WORKERS"
"""Environment variable that says how many processes may work on a folder of photos; 1 for none beside this one."""

RUNTIME_VARIABLE = "FACEGALLERY_RUNTIME"
PRECISION_VARIABLE = "FACEGALLERY_PRECISION"
"""Environment variables that stand for ``--runtime`` and ``--precision``."""

KEY_FILE_VARIABLE = "FACEGALLERY_KEY_FILE"
PASSPHRASE_VARIABLE = "FACEGALLERY_PASSPHRASE"  # noqa: S105 - the name of a variable
NEW_PASSPHRASE_VARIABLE = "FACEGALLERY_NEW_PASSPHRASE"  # noqa: S105
"""Environment variables that name the key file, or hold the passphrase, of an encrypted gallery; and the passphrase
that ``rekey`` is to give it."""

DATABASE_NAME = "gallery.sqlite3"
INDEX_NAME = "index"
BACKUP_PREFIX = f"{DATABASE_NAME}.backup-"
"""What the names of backups in the gallery's folder begin with: ``forget`` removes these."""


def default_gallery_folder() -> Path:
    """The gallery's folder: ``FACEGALLERY_GALLERY``, else ``gallery`` in the platform's data folder of this person."""
    named = os.environ.get(GALLERY_VARIABLE)
    return Path(named).expanduser() if named else _user_data_folder() / "gallery"


def models_folder() -> Path:
    """The folder of fetched model files: ``FACEGALLERY_MODELS``, else ``models`` in this person's data folder."""
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named).expanduser() if named else _user_data_folder() / "models"


def networks_cache_folder() -> Path:
    """The folder of compiled networks: in ``FACEGALLERY_CACHE``, else in the platform's cache folder of this person."""
    return _cache_folder() / "networks"


def plots_cache_folder() -> Path:
    """The folder of matplotlib's list of fonts, beside that of compiled networks."""
    return _cache_folder() / "plots"


def _cache_folder() -> Path:
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else _user_cache_folder()


def bundled(name: str) -> Path:
    """Path of a file or folder that travels inside the package's ``data``."""
    return _package() / "data" / name


def migrations_folder() -> Path:
    """The Alembic scripts: inside the package when installed from a wheel, beside it in a checkout."""
    package = _package()
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def n_threads() -> int:
    """Threads that each numeric library may use: ``FACEGALLERY_THREADS``, else the processors open to this process."""
    named = os.environ.get(THREADS_VARIABLE, "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


MOST_WORKERS = 8
"""More than this many are not started by default: each takes some 300 MB."""


def n_workers() -> int:
    """Processes that may work on a folder of photos: ``FACEGALLERY_WORKERS``, else one a processor, within reason."""
    named = os.environ.get(WORKERS_VARIABLE, "")
    return int(named) if named.isdigit() and int(named) > 0 else min(n_threads(), MOST_WORKERS)


def _package() -> Path:
    from importlib import resources  # most commands look for no file of the package

    return Path(str(resources.files("facegallery")))


def _user_data_folder() -> Path:
    from platformdirs import user_data_path  # only where no variable decides

    return user_data_path("facegallery", appauthor=False)


def _user_cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("facegallery", appauthor=False)
