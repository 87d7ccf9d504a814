"""Which models are on this machine, and where: the bundled one, and a folder of fetched and imported files.

Beside each file in the folder lies ``<model>.json``, which pins the file's hash. It is written last, so a file without
one is not a model yet. Nothing is hashed to list models: bytes are checked when they are loaded, and by ``verify``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from facegallery.disk import flush, hash_file, lock
from facegallery.domain import ModelIdentity
from facegallery.errors import ModelFileRefused, ModelFolderUnavailable, ModelNotFound
from facegallery.settings import bundled, models_folder
from facegallery.weights.catalogue import CATALOGUE, PREFERRED, STARTER, ModelSpec, own_weights

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_REINSTALL = "It belongs to the program: install facegallery again."


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model whose file is on this machine.

    Attributes:
        spec: What is known about it.
        path: The file.
        fingerprint: SHA-256 that the file must have, lower-case hex; ``load_network`` and ``verify`` hold it to that.
        bundled: Whether the file travels inside the package.
    """

    spec: ModelSpec
    path: Path
    fingerprint: str
    bundled: bool

    @property
    def identity(self) -> ModelIdentity:
        """What the vectors of this model are filed under."""
        return ModelIdentity(self.spec.name, self.fingerprint)


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What ``verify`` found about one model.

    Attributes:
        name: The model.
        path: Its file.
        ok: Whether the file's bytes are the ones that were pinned.
        detail: The hash, or what is wrong and what to do, one line.
    """

    name: str
    path: Path
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class _Record:
    """What ``<model>.json`` says: the pinned file, where it came from, and when (UTC, ISO 8601)."""

    file_name: str
    sha256: str
    n_bytes: int
    source: str
    added_at: str


class ModelFiles:
    """The model files of this machine.

    Args:
        folder: Where fetched and imported files are kept; made when the first one arrives.
        catalogue: The models known by name.
    """

    def __init__(self, folder: Path, catalogue: Mapping[str, ModelSpec] = CATALOGUE) -> None:
        self.folder = folder
        self.catalogue = catalogue

    @classmethod
    def default(cls) -> ModelFiles:
        """The files in this person's models folder."""
        return cls(models_folder())

    # --- what is here ---------------------------------------------------------------------------------------------

    def installed(self) -> list[InstalledModel]:
        """The models on this machine: those of the catalogue in its order, then the person's own by name.

        Raises:
            ModelFolderUnavailable: The folder is there and cannot be read.
        """
        located = (self._located(name) for name in self._names())
        return [model for model in located if model is not None]

    def find(self, name: str) -> InstalledModel:
        """The model of this name.

        Raises:
            ModelNotFound: No such model is known, or its file is not here; the message says how to get it.
            ModelFolderUnavailable: The folder is there and cannot be read.
        """
        model = self._located(name) if name in self._names() else None
        if model is None:
            raise ModelNotFound(name, self._how_to_get(name))
        return model

    def default_name(self) -> str:
        """The model that a new gallery takes when none is named: ``vggface2`` if its file is here, else ``starter``."""
        return PREFERRED if any(model.spec.name == PREFERRED for model in self.installed()) else STARTER

    def intact(self, name: str) -> InstalledModel | None:
        """The model of this name if its file is here and its bytes, read now, are the pinned ones."""
        model = self._located(name)
        if model is None:
            return None
        try:
            return model if hash_file(model.path) == model.fingerprint else None
        except OSError:
            return None

    def verify(self) -> list[ModelCheck]:
        """Read every model file on this machine and compare it with its pinned hash.

        Raises:
            ModelFolderUnavailable: The folder is there and cannot be read.
        """
        return [self._check(name) for name in self._names() if self._located(name) or self._record_path(name).exists()]

    # --- what arrives ---------------------------------------------------------------------------------------------

    def import_file(self, name: str, source: Path) -> InstalledModel:
        """Take in a weight file that lies on this machine.

        Args:
            name: A model of the catalogue, whose known size and hash the file must have; or a new name for weights of
                one's own.
            source: The file; it is copied and stays as it is.

        Returns:
            The model. When these very bytes are there already, nothing is done.

        Raises:
            ModelNotFound: There is no such file, or no model can have this name.
            ModelFileRefused: Not the known bytes, not InceptionResnetV1's layout, or other bytes are there already.
            ModelFolderUnavailable: The models folder cannot be written, or another process is placing this model.
        """
        from facegallery.network import load_network

        spec = self._spec(name)
        sha256, n_bytes = _measure(spec, source)
        check_bytes(spec, source, sha256=sha256, n_bytes=n_bytes)
        if name == STARTER:
            return self.find(name)
        self.refuse_other(spec, source, sha256)
        if (model := self.intact(name)) is not None:
            return model
        load_network(source, name=name, sha256=sha256)
        with self.exclusively(spec):
            arriving = self.folder / f"{spec.file_name}.import"
            try:
                with self.writing():
                    shutil.copyfile(source, arriving)
                return self.put_in_place(spec, arriving, sha256=sha256, source=str(source.resolve()))
            finally:
                arriving.unlink(missing_ok=True)

    def put_in_place(self, spec: ModelSpec, arriving: Path, *, sha256: str, source: str) -> InstalledModel:
        """Make a complete, checked file of the folder the model's file; the last step of an import or a download.

        Args:
            spec: The model.
            arriving: The file under its temporary name; it is renamed.
            sha256: What its bytes were checked against; pinned from now on.
            source: Where it came from, for the record.

        Raises:
            ModelFileRefused: Other bytes are there under this name.
            ModelFolderUnavailable: The folder cannot be written.
        """
        self.refuse_other(spec, arriving, sha256)
        path = self.folder / spec.file_name
        with self.writing():
            flush(arriving)
            arriving.replace(path)
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            record = _Record(spec.file_name, sha256, path.stat().st_size, source, now)
            half_written = self._record_path(spec.name).with_suffix(".tmp")
            half_written.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
            flush(half_written)
            half_written.replace(self._record_path(spec.name))
            flush(self.folder)
        return InstalledModel(spec, path, sha256, bundled=False)

    def refuse_other(self, spec: ModelSpec, path: Path, sha256: str) -> None:
        """Refuse a file that would replace another model of the same name.

        Raises:
            ModelFileRefused: Other bytes are there under this name.
        """
        present = self._located(spec.name)
        if present is not None and present.fingerprint != sha256:
            raise ModelFileRefused(
                spec.name,
                path,
                expected=f"the bytes already there (SHA-256 {present.fingerprint})",
                actual=f"SHA-256 {sha256}",
                advice="Galleries may stand on the model that is there. Import this file under another name; to "
                f"replace that model all the same, remove {present.path} first.",
            )

    @contextmanager
    def exclusively(self, spec: ModelSpec) -> Iterator[None]:
        """Hold a model's place in the folder, so that two processes never write it at once.

        Raises:
            ModelFolderUnavailable: Another process holds it, or the folder cannot be written.
        """
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / f"{spec.file_name}.lock").open("ab")
        with file:
            try:
                lock(file.fileno())
            except OSError as error:
                busy = f"another process is placing model '{spec.name}' there; wait for it"
                raise ModelFolderUnavailable(self.folder, busy) from error
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Translate what the system says about the folder while something is written to it.

        Raises:
            ModelFolderUnavailable: The folder cannot be written, or is full.
        """
        try:
            yield
        except OSError as error:
            raise ModelFolderUnavailable(self.folder, error.strerror or str(error)) from error

    # --- within ---------------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        """Names of the catalogue, then of the other models that have a record here."""
        try:
            stems = sorted(path.stem for path in self.folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            stems = []
        except OSError as error:
            raise ModelFolderUnavailable(self.folder, error.strerror or str(error)) from error
        return [*self.catalogue, *(stem for stem in stems if stem not in self.catalogue and _NAME.fullmatch(stem))]

    def _spec(self, name: str) -> ModelSpec:
        if name in self.catalogue:
            return self.catalogue[name]
        if not _NAME.fullmatch(name):
            raise ModelNotFound(
                name,
                f"No model can be called {name!r}: a name has 1 to 64 of a-z, 0-9, '.', '_' and '-', and begins with "
                "a letter or digit. Choose another name.",
            )
        return own_weights(name)

    def _located(self, name: str) -> InstalledModel | None:
        spec = self._spec(name)
        if name == STARTER:
            path, pinned = bundled(spec.file_name), spec.sha256
        else:
            record = self._record(name)
            # What the program itself knows is trusted before what lies in the folder.
            path, pinned = self.folder / spec.file_name, (spec.sha256 or record.sha256) if record else None
        if pinned is None or not path.is_file():
            return None
        return InstalledModel(spec, path, pinned, bundled=name == STARTER)

    def _record_path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _record(self, name: str) -> _Record | None:
        """The record beside a model's file; None where there is none, or none that can be read."""
        try:
            record = _Record(**json.loads(self._record_path(name).read_text(encoding="utf-8")))
            return record if _HASH.fullmatch(record.sha256) else None
        except (OSError, ValueError, TypeError):  # not there; not JSON or not UTF-8; not these keys
            return None

    def _check(self, name: str) -> ModelCheck:
        spec = self._spec(name)
        again = _REINSTALL if name == STARTER else f"Remove it, then {_ways_here(spec)}"
        model = self._located(name)
        if model is None:
            path = self.folder / spec.file_name
            fault = "its record (the .json beside it) is damaged" if path.is_file() else "the file is gone"
            return ModelCheck(name, path, False, f"{fault}. To use it again, {_ways_here(spec)}")
        try:
            actual = hash_file(model.path)
        except OSError as error:
            return ModelCheck(name, model.path, False, f"cannot be read: {error.strerror or error}. {again}")
        if actual != model.fingerprint:
            detail = f"SHA-256 is {actual}, must be {model.fingerprint}. {again}"
            return ModelCheck(name, model.path, False, detail)
        return ModelCheck(name, model.path, True, f"SHA-256 {actual}")

    def _how_to_get(self, name: str) -> str:
        names = self._names()
        if name not in names:
            return (
                f"No model {name!r} is known. Known: {', '.join(names)}. Weights of your own become a model by "
                "'facegallery model import NAME FILE'."
            )
        if name == STARTER:
            return f"The file of model '{name}' is missing. {_REINSTALL}"
        return f"Model '{name}' is not on this machine. To get it, {_ways_here(self._spec(name))}"


def check_bytes(spec: ModelSpec, path: Path, *, sha256: str, n_bytes: int) -> None:
    """Hold a file to the size and hash that are known for a model.

    Raises:
        ModelFileRefused: One of them differs.
    """
    advice = f"Fetch it again ({spec.url}); weights of your own are imported under a name of your own."
    if spec.n_bytes is not None and n_bytes != spec.n_bytes:
        raise ModelFileRefused(
            spec.name, path, expected=f"{spec.n_bytes:,} bytes", actual=f"{n_bytes:,}", advice=advice
        )
    if spec.sha256 is not None and sha256 != spec.sha256:
        raise ModelFileRefused(spec.name, path, expected=f"SHA-256 {spec.sha256}", actual=sha256, advice=advice)


def _measure(spec: ModelSpec, source: Path) -> tuple[str, int]:
    """Hash and size of a file that is to become a model."""
    try:
        return hash_file(source), source.stat().st_size
    except FileNotFoundError as error:
        raise ModelNotFound(spec.name, f"{source}: there is no such file. Check the path.") from error
    except OSError as error:
        raise ModelFileRefused(
            spec.name, source, expected="a readable file", actual=error.strerror or str(error), advice="Check the path."
        ) from error


def _ways_here(spec: ModelSpec) -> str:
    """The ways in which a model's file gets onto this machine, as the end of a sentence that says what for."""
    if spec.url is None:
        return f"run 'facegallery model import {spec.name} FILE' with its weight file."
    return (
        f"run 'facegallery model pull {spec.name}' (needs a network); or fetch {spec.url} on another machine, bring "
        f"the file here and run 'facegallery model import {spec.name} FILE'."
    )
