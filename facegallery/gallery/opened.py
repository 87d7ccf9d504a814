"""An open gallery: its rows, its model, its networks and searches, and what a match needs in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from facegallery.domain import (
    AUTOMATIC,
    DEFAULT_SCORE,
    Calibration,
    GalleryContent,
    Limits,
    ModelIdentity,
    Preparation,
    RuntimeChoice,
    ScoreRule,
    Secret,
    SecretKind,
    SkippedPhoto,
    VectorSpace,
)
from facegallery.errors import GalleryNotFound, GalleryUnavailable, ModelMismatch, WrongKey
from facegallery.gallery.erasing import backups_in, copies_at, finish
from facegallery.gallery.limits import calibration_for, limits_at, stale_words
from facegallery.gallery.searches import Searches
from facegallery.gallery.secrets import secret_from_environment
from facegallery.settings import DATABASE_NAME, INDEX_NAME, default_gallery_folder
from facegallery.store import Store
from facegallery.weights.files import InstalledModel, ModelFiles

if TYPE_CHECKING:  # these import torch, FAISS or Pillow: only the methods that need them pay for that
    from facegallery.gallery.analysis import AnalyzedPhoto, FaceAnalyzer
    from facegallery.gallery.asking import Asking
    from facegallery.gallery.checking import Report
    from facegallery.gallery.pipeline import Analysis
    from facegallery.store.reading import ReadableStore

_Opened = TypeVar("_Opened", bound="OpenedGallery")


class OpenedGallery:
    """What every question to a gallery needs; :class:`facegallery.gallery.gallery.Gallery` asks them.

    Networks and index are loaded by the first call that needs them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        store: Store,
        models: ModelFiles,
        load_analyzer: Callable[[InstalledModel], FaceAnalyzer],
        runtime: RuntimeChoice | None = None,
    ) -> None:
        """Wire a gallery from its parts; :meth:`open` and :meth:`create` do this for everyday use.

        Args:
            folder: The gallery's folder.
            store: Its open store; closed by :meth:`close`.
            models: The model files of this machine.
            load_analyzer: Loads detector and embedder for a model.
            runtime: How processes beside this one, for large folders, are to run the networks; None for no others.
        """
        self.folder = folder
        self._store = store
        self._models = models
        self._load_analyzer = load_analyzer
        self._runtime = runtime
        self._analyzer: FaceAnalyzer | None = None
        self._loading = Lock()
        self._searches = Searches(folder / INDEX_NAME, store)

    # --- opening ---------------------------------------------------------------------------------------------------

    @staticmethod
    def exists(folder: Path | str | None = None) -> bool:
        """Whether there is a gallery in the folder (default: this person's gallery).

        Raises:
            GalleryUnavailable: The folder cannot be looked into.
        """
        path = _folder(folder) / DATABASE_NAME
        try:
            return path.is_file()
        except OSError as error:
            raise GalleryUnavailable(path, error.strerror or str(error)) from error

    @classmethod
    def open(
        cls: type[_Opened],
        folder: Path | str | None = None,
        *,
        runtime: RuntimeChoice = AUTOMATIC,
        secret: Secret | None = None,
    ) -> _Opened:
        """Open an existing gallery, upgrading its database if it is older than the program (after a backup).

        Args:
            folder: The gallery's folder; None takes ``FACEGALLERY_GALLERY`` or this person's default.
            runtime: How the networks are to be run, when there is something for them to do.
            secret: What an encrypted gallery is opened with; None takes what the environment names, which a gallery
                that is not encrypted ignores.

        Raises:
            GalleryNotFound: There is none in the folder.
            KeyNeeded: It is encrypted, and there is no secret.
            WrongKey: It is encrypted with another secret, or one was given and it is not encrypted.
            GalleryTampered: It was encrypted, and what leads to its key was removed.
            GalleryTooNew: A later version of the program wrote it.
            GalleryDamaged: It is not a gallery's database.
            GalleryUnavailable: The folder cannot be read or written.
        """
        path = _folder(folder)
        if not cls.exists(path):
            raise GalleryNotFound(path)
        store = Store.open(path / DATABASE_NAME, secret=secret or secret_from_environment())
        if secret is not None and store.cipher is None:
            store.close()
            raise WrongKey(path / DATABASE_NAME, "the gallery is not encrypted, and a secret was given")
        return cls._wired(path, store, runtime)

    @classmethod
    def create(
        cls: type[_Opened],
        folder: Path | str | None = None,
        *,
        model: str | None = None,
        preparation: Preparation | None = None,
        runtime: RuntimeChoice = AUTOMATIC,
        secret: Secret | None = None,
    ) -> _Opened:
        """Create an empty gallery on one model; one on that model that is there is opened.

        Args:
            folder: The new gallery's folder; None takes ``FACEGALLERY_GALLERY`` or this person's default.
            model: Name of the model; None takes ``vggface2`` if its file is on this machine, else ``starter``.
            preparation: How a new gallery's faces are prepared for the embedder; None takes the model's usual way. A
                gallery that is there keeps its own.
            runtime: How the networks are to be run.
            secret: What the gallery is encrypted with; None for one that is not.

        Raises:
            ModelMismatch: There is a gallery already, on another model.
            WrongKey: There is a gallery already that is not encrypted with this secret.
            GalleryUnavailable: The folder cannot be written.
            ModelNotFound: The model is unknown or its file is not here.
        """
        path = _folder(folder)
        files = ModelFiles.default()
        installed = files.find(model or files.default_name())
        store = Store.create(
            path / DATABASE_NAME,
            model=installed.identity,
            preparation=preparation or installed.spec.preparation,
            secret=secret,
        )
        return cls._wired(path, store, runtime)

    @classmethod
    def create_for(
        cls: type[_Opened],
        content: GalleryContent,
        folder: Path | str | None = None,
        *,
        runtime: RuntimeChoice = AUTOMATIC,
        secret: Secret | None = None,
    ) -> _Opened:
        """Create an empty gallery that an archive's content can be taken into: on its model, faces prepared alike.

        The gallery gets an id of its own: from then on it is not the one that was archived, and a certificate of who
        was forgotten in one of them says nothing of the other.

        Args:
            content: From :func:`facegallery.archive.read_archive`.
            folder: As in :meth:`create`.
            runtime: As in :meth:`create`.
            secret: As in :meth:`create`.

        Raises:
            ModelNotFound: The archive's model is not on this machine.
            ModelMismatch: A model of that name is here, and is another one; or there is a gallery on another model.
            WrongKey: There is a gallery already that is not encrypted with this secret.
            GalleryUnavailable: The folder cannot be written.
        """
        from facegallery.gallery.archiving import model_for

        model = model_for(content, ModelFiles.default()).spec.name
        return cls.create(folder, model=model, preparation=content.preparation, runtime=runtime, secret=secret)

    @classmethod
    def _wired(cls: type[_Opened], folder: Path, store: Store, runtime: RuntimeChoice) -> _Opened:
        def load(model: InstalledModel) -> FaceAnalyzer:
            from facegallery.gallery.analysis import load_analyzer

            return load_analyzer(model, runtime, store.preparation())

        finish(folder, store, wait=False)
        return cls(folder, store=store, models=ModelFiles.default(), load_analyzer=load, runtime=runtime)

    def close(self) -> None:
        """Let go of the database. Calling it twice does no harm."""
        self._store.close()

    def __enter__(self: _Opened) -> _Opened:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- encryption ------------------------------------------------------------------------------------------------

    @property
    def encryption(self) -> SecretKind | None:
        """What the gallery is encrypted with; None when it is not."""
        return self._store.encryption()

    def change_secret(self, old: Secret, new: Secret) -> None:
        """Have another secret open the gallery from now on. Backups that are there still open with the old one.

        Raises:
            WrongKey: The old secret is not the gallery's, or the gallery is not encrypted.
        """
        self._store.change_secret(old, new)

    # --- the model -------------------------------------------------------------------------------------------------

    @property
    def model(self) -> ModelIdentity:
        """The model the gallery is on."""
        return self._store.model()

    @property
    def preparation(self) -> Preparation:
        """How faces are prepared for the embedder in this gallery."""
        return self._store.preparation()

    @property
    def space(self) -> VectorSpace:
        """What embeddings must be of to be compared with this gallery's: its model and preparation, as they are now."""
        return self._store.space()

    def installed_model(self) -> InstalledModel:
        """The file of the gallery's model.

        Raises:
            ModelNotFound: It is not on this machine.
            ModelMismatch: The file of that name holds another model than the gallery is on.
        """
        ours = self.model
        installed = self._models.find(ours.name)
        if installed.fingerprint != ours.fingerprint:
            raise ModelMismatch(
                ours.fingerprint,
                installed.fingerprint,
                f"The gallery in {self.folder} is on another version of model '{ours.name}' "
                f"(sha256 {ours.fingerprint[:12]}...) than the one on this machine ({installed.fingerprint[:12]}...). "
                f"Their vectors cannot be compared. Bring the old file back with 'facegallery model import', or take "
                f"the gallery to the new one: 'facegallery reembed --model {ours.name}'.",
            )
        return installed

    def require_model(self, name: str) -> None:
        """Check that the gallery is on the named model.

        Raises:
            ModelMismatch: It is on another one. A gallery never changes its model silently.
        """
        if name != self.model.name:
            raise ModelMismatch(
                self.model.name,
                name,
                f"The gallery in {self.folder} is on model '{self.model.name}' and stays on it. To take it to "
                f"'{name}': 'facegallery reembed --model {name}'. For one beside it, enroll into another folder: "
                f"'facegallery enroll DIR --gallery FOLDER --model {name}'.",
            )

    def require_preparation(self, preparation: Preparation) -> None:
        """Check that the gallery's faces are prepared so.

        Raises:
            ModelMismatch: They are prepared otherwise. Vectors of two preparations are never compared.
        """
        if preparation is not self.preparation:
            raise ModelMismatch(
                self.preparation.value,
                preparation.value,
                f"Faces in the gallery in {self.folder} are prepared by '{self.preparation.value}', and stay so. To "
                f"prepare them anew: 'facegallery reembed --preparation {preparation.value}'. For a gallery beside it: "
                f"'facegallery init --gallery FOLDER --preparation {preparation.value}'.",
            )

    def limits(
        self, *, threshold: float | None = None, min_margin: float | None = None, score: ScoreRule = DEFAULT_SCORE
    ) -> Limits:
        """What a match needs.

        Args:
            threshold: What a call asks for; None takes the calibrated one, else the model's.
            min_margin: What a call asks for; None takes the calibrated one, else ``decisions.DEFAULT_MIN_MARGIN``.
            score: The rule whose similarities are to be judged.
        """
        spec = self.installed_model().spec
        with self._store.snapshot() as moment:
            return limits_at(moment, spec, score=score, threshold=threshold, min_margin=min_margin)

    def _asking(
        self,
        moment: ReadableStore,
        command: str,
        space: VectorSpace,
        *,
        threshold: float | None,
        min_margin: float | None,
        score: ScoreRule,
    ) -> Asking:
        """What a run of questions is answered by, as of a moment of the store, for embeddings of one space.

        Raises:
            ModelChanged: The moment's vectors cannot be compared with such embeddings.
        """
        from facegallery.gallery.answer_log import AnswerLog
        from facegallery.gallery.asking import Asking

        spec = self.installed_model().spec
        return Asking(
            moment.model(),
            self._searches.at(moment, score, space),
            limits_at(moment, spec, score=score, threshold=threshold, min_margin=min_margin),
            calibration_for(score, moment.calibration()),
            AnswerLog.at(moment, self._store, command=command, score=score),
        )

    @property
    def calibration(self) -> Calibration | None:
        """The limits that were chosen from the gallery's own similarities; None where that was never done."""
        return self._store.calibration()

    def stale_calibration(self) -> str | None:
        """Why the gallery should be calibrated again; None where it never was, or is as it was then."""
        calibration = self.calibration
        if calibration is None:
            return None
        n_moved = self._store.n_moved_since(calibration.created_at)
        return stale_words(calibration, self._store.n_members(), self._store.stamp().count, n_moved=n_moved)

    @property
    def analyzer(self) -> FaceAnalyzer:
        """Detector and embedder of the gallery's model, loaded at first use, and again once that is another.

        One thread loads them. Embeddings made before are not compared then: hold on to one analyzer, and search by its
        ``space``.
        """
        with self._loading:
            if self._analyzer is None or self._analyzer.space != self.space:
                self._analyzer = self._load_analyzer(self.installed_model())
            return self._analyzer

    def _analysis(
        self, n_photos: int, *, keep_crops: bool = False, space: VectorSpace | None = None
    ) -> AbstractContextManager[Analysis[AnalyzedPhoto | SkippedPhoto]]:
        """The quickest way to analyze so many photos; nothing is loaded before the first.

        Args:
            n_photos: How many.
            keep_crops: Whether the embedded faces are to come with their crops, which costs a little for each.
            space: What the embeddings are to be comparable with, all of them; None takes what the gallery is in now.

        Raises:
            ModelChanged: The gallery was taken to another model meanwhile; here, or when photos are analyzed.
        """
        from facegallery.gallery.jobs import AnalysisJob, analysis_of
        from facegallery.gallery.searches import require_space

        wanted = space or self.space

        def here(paths: Sequence[Path]) -> Sequence[AnalyzedPhoto | SkippedPhoto]:
            analyzer = self.analyzer
            require_space(wanted, analyzer.space)
            return replace(analyzer, keeps_crops=keep_crops).analyze_files(paths)

        job = None
        if self._runtime is not None:
            job = AnalysisJob(self.installed_model(), self._runtime, wanted.preparation, keep_crops)
            require_space(wanted, self.space)  # after the model's file was looked up: it is the wanted one
        return analysis_of(n_photos, job, here)

    def backups(self) -> list[Path]:
        """Backups in the gallery's folder, oldest first. They hold who was enrolled then."""
        return backups_in(self.folder)

    def other_backups(self) -> list[Path]:
        """Backups and archives outside of the gallery's folder, as far as they are still where they were written."""
        remembered = list(dict.fromkeys(self._store.remembered_backups()))
        return [found for path in remembered for found in copies_at(path)]

    def back_up(self, path: Path | None = None) -> Path:
        """Write a backup; see :func:`facegallery.gallery.backing_up.back_up`."""
        from facegallery.gallery.backing_up import back_up

        return back_up(self.folder, self._store, path)

    def check(self) -> Report:
        """Look at everything that the gallery keeps; see :func:`facegallery.gallery.checking.check_gallery`."""
        from facegallery.gallery.checking import check_gallery

        return check_gallery(self.folder, self._store)

    def size_bytes(self) -> int:
        """Size of all files of the gallery."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def refresh_index(self) -> None:
        """Append what was enrolled to the index files, so that the next command need not read it from the database."""
        self._searches.refresh_index()


def _folder(folder: Path | str | None) -> Path:
    return default_gallery_folder() if folder is None else Path(folder).expanduser()
