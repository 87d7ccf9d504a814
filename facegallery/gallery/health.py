"""What ``doctor`` looks at: versions, model files, the gallery's schema and index, threads."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from facegallery.errors import FacegalleryError, RuntimeUnavailable
from facegallery.gallery.gallery import Gallery
from facegallery.settings import INDEX_NAME, default_gallery_folder, n_threads, networks_cache_folder
from facegallery.threads import limit_faiss, limit_torch
from facegallery.version import __version__
from facegallery.weights.files import ModelFiles

LIBRARIES = (
    "torch",
    "torchvision",
    "facenet-pytorch",
    "faiss-cpu",
    "sqlalchemy",
    "alembic",
    "cryptography",
    "numpy",
    "openvino",
    "pillow",
    "safetensors",
    "typer",
    "rich",
)
OPTIONAL_LIBRARIES = ("pillow-heif",)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        what: What was looked at.
        state: What was found, in words, with the next step where something is wrong.
        ok: Whether it is as it should be.
    """

    what: str
    state: str
    ok: bool = True

    def fields(self) -> dict[str, object]:
        """The finding for JSON."""
        return {"what": self.what, "state": self.state, "ok": self.ok}


def examine(folder: Path | None = None, *, opening: Callable[[Path], Gallery] = Gallery.open) -> list[Finding]:
    """Look at the installation and at the gallery in the folder (default: this person's).

    What fails is a finding, and the rest is looked at all the same.

    Args:
        folder: The gallery's.
        opening: Opens the gallery.
    """
    parts = {
        "versions": _versions(),
        "threads": _threads(),
        "runtime": _runtime(),
        "models": _models(),
        "gallery": _gallery(folder or default_gallery_folder(), opening),
    }
    return [finding for what, findings in parts.items() for finding in _guarded(what, findings)]


def _guarded(what: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    try:
        yield from findings
    except (FacegalleryError, ImportError) as error:
        yield Finding(what, str(error), ok=False)


def _versions() -> Iterator[Finding]:
    yield Finding("facegallery", f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name in LIBRARIES:
        try:
            yield Finding(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "missing: pip install --force-reinstall facegallery", ok=False)
    for name in OPTIONAL_LIBRARIES:
        try:
            yield Finding(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "not installed: HEIC photos are skipped (pip install 'facegallery[heic]')")
    yield Finding("SQLite", sqlite3.sqlite_version)


def _under_way(gallery: Gallery) -> Iterator[Finding]:
    begun = gallery.reembedding()
    if begun is not None:
        done = f"to '{begun.model.name}', '{begun.preparation.value}': {begun.n_done} of {begun.n_done + begun.n_left}"
        yield Finding("reembedding", f"{done} faces done; 'facegallery reembed' goes on, '--abandon' drops it")


def _limits(gallery: Gallery) -> Iterator[Finding]:
    try:
        limits = gallery.limits()
    except FacegalleryError:  # of the model, which was told
        return
    yield Finding("limits", f"threshold {limits.threshold:.4f}, margin {limits.min_margin:.4f}: {limits.source}")


def _threads() -> Iterator[Finding]:
    yield Finding("threads", f"{n_threads()} for each library; torch {limit_torch()}, FAISS {limit_faiss()}")


def _runtime() -> Iterator[Finding]:
    from facegallery.compiled import native_precision

    try:
        precision = native_precision().value
        yield Finding("runtime", f"OpenVINO, embeds in {precision}; compiled networks in {networks_cache_folder()}")
    except RuntimeUnavailable as error:
        yield Finding("runtime", f"torch, several times slower: {error}", ok=False)


def _models() -> Iterator[Finding]:
    for check in ModelFiles.default().verify():
        yield Finding(f"model {check.name}", f"{check.path}: {check.detail}", ok=check.ok)


def _gallery(where: Path, opening: Callable[[Path], Gallery]) -> Iterator[Finding]:
    if not Gallery.exists(where):
        yield Finding("gallery", f"none in {where} yet: facegallery enroll DIR makes one")
        return
    with opening(where) as gallery:
        yield from _opened_gallery(gallery)


def _opened_gallery(gallery: Gallery) -> Iterator[Finding]:
    health = gallery.health()
    yield Finding("gallery", f"{gallery.folder}, {health.n_members} members, {health.n_templates} templates")
    encryption = gallery.encryption
    yield Finding("encryption", "none" if encryption is None else f"by a {encryption.value}")
    yield Finding("schema", f"revision {health.schema_revision}, store revision {health.store_revision}")
    yield Finding("database", "; ".join(health.faults) or "passes its checks", ok=not health.faults)
    try:
        model = gallery.installed_model()
        prepared = f"faces prepared by '{gallery.preparation.value}'"
        yield Finding("gallery's model", f"'{model.spec.name}', sha256 {model.fingerprint}; {prepared}")
    except FacegalleryError as error:
        yield Finding("gallery's model", str(error), ok=False)
    yield from _under_way(gallery)
    yield from _limits(gallery)
    well = not health.index_state.startswith(("damaged", "changed"))  # all else the next search mends by itself
    yield Finding("index", f"{gallery.folder / INDEX_NAME}: {health.index_state}", ok=well)
