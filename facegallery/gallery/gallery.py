"""Gallery: the one public API. The command line, a service and a notebook call the same methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from facegallery.domain import (
    AUTOMATIC,
    EnrolledFace,
    Member,
    ModelIdentity,
    RuntimeChoice,
    ScoreRule,
    SkippedPhoto,
)
from facegallery.errors import GalleryNotFound, GalleryUnavailable, ModelMismatch, StillInTheLog
from facegallery.matching.decisions import checked_threshold
from facegallery.settings import DATABASE_NAME, INDEX_NAME, default_gallery_folder
from facegallery.store import Store
from facegallery.weights.files import InstalledModel, ModelFiles

if TYPE_CHECKING:  # these import torch, FAISS or Pillow: only the methods that need them pay for that
    from facegallery.gallery.analysis import AnalyzedPhoto, FaceAnalyzer
    from facegallery.gallery.enrollment import EnrollOutcome, MemberPhotos
    from facegallery.gallery.explaining.member import MemberExplanation
    from facegallery.gallery.explaining.values import Explanation
    from facegallery.gallery.identification import IdentifiedPhoto
    from facegallery.gallery.pipeline import Analysis
    from facegallery.gallery.search import MemberSearch
    from facegallery.gallery.verification import Verification
    from facegallery.index.opening import TemplateIndex


@dataclass(frozen=True, slots=True)
class GalleryHealth:
    """What ``doctor`` reports about a gallery.

    Attributes:
        n_members: Enrolled members.
        n_templates: Stored embeddings.
        schema_revision: Revision of the database's schema.
        store_revision: Counts the changes of the stored rows.
        faults: What the store's own checks found; empty when all is well.
        index_state: Whether the index belongs to the store's present state and holds its vectors, in words.
    """

    n_members: int
    n_templates: int
    schema_revision: str
    store_revision: int
    faults: tuple[str, ...]
    index_state: str


class Gallery:
    """Members, their templates, and every question that can be asked of them.

    Make one with :meth:`open` or :meth:`create` and use it as a context manager::

        with Gallery.open("my-gallery") as gallery:
            for photo in gallery.identify(["party.jpg"]):
                print(photo.path, [face.decision.member for face in photo.faces])

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
        self._index: TemplateIndex | None = None
        self._search: tuple[str, ScoreRule, MemberSearch] | None = None

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
    def open(cls, folder: Path | str | None = None, *, runtime: RuntimeChoice = AUTOMATIC) -> Gallery:
        """Open an existing gallery, upgrading its database if it is older than the program (after a backup).

        Args:
            folder: The gallery's folder; None takes ``FACEGALLERY_GALLERY`` or this person's default.
            runtime: How the networks are to be run, when there is something for them to do.

        Raises:
            GalleryNotFound: There is none in the folder.
            GalleryTooNew: A later version of the program wrote it.
            GalleryDamaged: It is not a gallery's database.
            GalleryUnavailable: The folder cannot be read or written.
        """
        path = _folder(folder)
        if not cls.exists(path):
            raise GalleryNotFound(path)
        return cls._wired(path, Store.open(path / DATABASE_NAME), runtime)

    @classmethod
    def create(
        cls, folder: Path | str | None = None, *, model: str | None = None, runtime: RuntimeChoice = AUTOMATIC
    ) -> Gallery:
        """Create an empty gallery on one model, which it keeps for life; one on that model that is there is opened.

        Args:
            folder: The new gallery's folder; None takes ``FACEGALLERY_GALLERY`` or this person's default.
            model: Name of the model; None takes ``vggface2`` if its file is on this machine, else ``starter``.
            runtime: How the networks are to be run.

        Raises:
            ModelMismatch: There is a gallery already, on another model.
            GalleryUnavailable: The folder cannot be written.
            ModelNotFound: The model is unknown or its file is not here.
        """
        path = _folder(folder)
        files = ModelFiles.default()
        installed = files.find(model or files.default_name())
        return cls._wired(path, Store.create(path / DATABASE_NAME, model=installed.identity), runtime)

    @classmethod
    def _wired(cls, folder: Path, store: Store, runtime: RuntimeChoice) -> Gallery:
        def load(model: InstalledModel) -> FaceAnalyzer:
            from facegallery.gallery.analysis import load_analyzer

            return load_analyzer(model, runtime)

        return cls(folder, store=store, models=ModelFiles.default(), load_analyzer=load, runtime=runtime)

    def close(self) -> None:
        """Let go of the database. Calling it twice does no harm."""
        self._store.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the model -------------------------------------------------------------------------------------------------

    @property
    def model(self) -> ModelIdentity:
        """The model the gallery was created on."""
        return self._store.model()

    def installed_model(self) -> InstalledModel:
        """The file of the gallery's model.

        Raises:
            ModelNotFound: It is not on this machine.
            ModelMismatch: The file of that name holds another model than the gallery was created on.
        """
        ours = self.model
        installed = self._models.find(ours.name)
        if installed.fingerprint != ours.fingerprint:
            raise ModelMismatch(
                ours.fingerprint,
                installed.fingerprint,
                f"The gallery in {self.folder} was created on another version of model '{ours.name}' "
                f"(sha256 {ours.fingerprint[:12]}...) than the one on this machine ({installed.fingerprint[:12]}...). "
                f"Their vectors cannot be compared. Bring the old file back with 'facegallery model import', or enroll "
                f"again into a new folder: 'facegallery enroll DIR --gallery FOLDER'.",
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
                f"The gallery in {self.folder} is on model '{self.model.name}' and stays on it. For '{name}', "
                f"enroll into another folder: 'facegallery enroll DIR --gallery FOLDER --model {name}'.",
            )

    @property
    def default_threshold(self) -> float:
        """The similarity a match needs unless a call says otherwise: the model's."""
        return self.installed_model().spec.threshold

    def _limit(self, threshold: float | None) -> float:
        """The threshold in force for a call that may name one."""
        return self.default_threshold if threshold is None else checked_threshold(threshold)

    @property
    def analyzer(self) -> FaceAnalyzer:
        """Detector and embedder of the gallery's model, loaded at first use."""
        if self._analyzer is None:
            self._analyzer = self._load_analyzer(self.installed_model())
        return self._analyzer

    # --- enrollment ------------------------------------------------------------------------------------------------

    def enroll(self, plan: Iterable[MemberPhotos]) -> Iterator[EnrollOutcome]:
        """Enroll photos; see :func:`facegallery.gallery.enrollment.enroll_photos`.

        Stopping the iteration, or the program, loses nothing that was reported as enrolled.
        """
        from facegallery.gallery.enrollment import enroll_photos

        entries = list(plan)
        with self._analysis(sum(len(entry.photos) for entry in entries)) as analysis:
            yield from enroll_photos(self._store, self.installed_model(), analysis, entries)

    def _analysis(self, n_photos: int) -> AbstractContextManager[Analysis[AnalyzedPhoto | SkippedPhoto]]:
        """The quickest way to analyze so many photos; nothing is loaded before the first."""
        from facegallery.gallery.jobs import AnalysisJob, analysis_of

        job = None if self._runtime is None else AnalysisJob(self.installed_model(), self._runtime)
        return analysis_of(n_photos, job, lambda paths: self.analyzer.analyze_files(paths))

    # --- questions -------------------------------------------------------------------------------------------------

    def identify(
        self,
        inputs: Iterable[Path | str | SkippedPhoto],
        *,
        threshold: float | None = None,
        score: ScoreRule = ScoreRule.BEST,
        top: int | None = None,
    ) -> Iterator[IdentifiedPhoto | SkippedPhoto]:
        """Say who is in each photo.

        Args:
            inputs: Photos and folders of photos. What was skipped while they were looked for comes out as it went in.
            threshold: The similarity that a match needs, in [-1, 1], 0.0 among them; None takes the model's.
            score: How a member's similarity is made from the member's templates.
            top: Candidates to report for each face; None takes the best and the runner-up.

        Yields:
            One value a photo, as it is done: its faces with decisions, or why it was skipped.
        """
        from facegallery.gallery.analysis import expand
        from facegallery.gallery.identification import N_CANDIDATES, identify_faces
        from facegallery.gallery.pipeline import analyzed

        limit = self._limit(threshold)
        found = expand(inputs)
        with self._analysis(len(found)) as analysis:
            for _, answer in analyzed(found, lambda entry: entry, analysis):
                if isinstance(answer, SkippedPhoto):
                    yield answer
                else:
                    search = self._member_search(score)
                    yield identify_faces(
                        answer.photo, answer.faces, search=search, threshold=limit, top=top or N_CANDIDATES
                    )

    def verify(
        self,
        photo_a: Path | str,
        photo_b: Path | str,
        *,
        face_numbers: tuple[int | None, int | None] = (None, None),
        threshold: float | None = None,
    ) -> Verification:
        """Compare the faces of two photos; see :func:`facegallery.gallery.verification.verify_photos`."""
        from facegallery.gallery.verification import verify_photos

        return verify_photos(
            self.analyzer, (Path(photo_a), Path(photo_b)), face_numbers=face_numbers, threshold=threshold
        )

    def explain(
        self,
        path: Path | str,
        *,
        member: str | None = None,
        rival: str | None = None,
        face_number: int | None = None,
        methods: Sequence[str] | None = None,
        layer: str | None = None,
        threshold: float | None = None,
        told: Callable[[], None] = lambda: None,
    ) -> Explanation:
        """Show why a face was decided as it was.

        Args:
            path: The photo.
            member: Compare with this member's nearest template; None takes the member that was named, or the nearest.
            rival: Why not this member; None takes the runner-up of a match.
            face_number: Which face, from 1 as ``identify`` numbers them; None takes the one most similar to the member.
            methods: Names from ``explanation.catalogue.METHODS``; None takes the exact split and occlusion.
            layer: Layer for Grad-CAM; None takes the default.
            threshold: As in :meth:`identify`.
            told: Called after each method on the probe and on the enrolled face, for a progress bar.

        Raises:
            PhotoError: The file cannot be used as a photo.
            FaceChoiceNeeded: It has no face, or none of that number.
            MemberNotFound: No such member.
            ExplanationError: The gallery is empty, or there is no such method or layer.
        """
        from facegallery.explanation.catalogue import DEFAULT_METHODS, methods_named
        from facegallery.explanation.gradcam import DEFAULT_LAYER
        from facegallery.gallery.explaining.photo import Explainer, Question

        chosen = methods_named(methods or DEFAULT_METHODS, layer=layer or DEFAULT_LAYER)
        search = self._member_search(ScoreRule.BEST)
        explainer = Explainer(self._store, self.analyzer, search, self._limit(threshold))
        return explainer.explain(Path(path), Question(member, rival, face_number, chosen, told))

    def check_explanation(self, explanation: Explanation, *, told: Callable[[], None] = lambda: None) -> Explanation:
        """The same explanation with a measure of how far each of its maps can be trusted; takes several seconds a map.

        Args:
            explanation: One of this gallery's.
            told: Called after each map, for a progress bar.
        """
        from facegallery.gallery.explaining.checks import checked

        return checked(explanation, self.analyzer, told)

    def explain_member(self, name: str, *, told: Callable[[], None] = lambda: None) -> MemberExplanation:
        """Show which regions a member is recognized by, over all enrolled photos.

        Args:
            name: The member.
            told: Called after each photo, for a progress bar.

        Raises:
            MemberNotFound: No such member.
            ExplanationError: Fewer than two photos of the member can be compared.
        """
        from facegallery.gallery.explaining.member import explain_member

        return explain_member(name, store=self._store, analyzer=self.analyzer, told=told)

    # --- members ---------------------------------------------------------------------------------------------------

    def members(self) -> list[Member]:
        """All members in natural order of their names."""
        return self._store.members()

    def member(self, name: str) -> Member:
        """One member; the name is compared without regard to case and Unicode form. Raises MemberNotFound."""
        return self._store.member(name)

    def enrolled_faces(self, name: str) -> list[EnrolledFace]:
        """A member's enrolled faces and the photos they are from. Raises MemberNotFound."""
        return self._store.enrolled_faces(name)

    def health(self) -> GalleryHealth:
        """What ``doctor`` reports about the gallery; reads everything once and changes nothing."""
        from facegallery.index.opening import describe
        from facegallery.store.migrate import SCHEMA_REVISION

        stamp = self._store.stamp()
        return GalleryHealth(
            n_members=len(self._store.members()),
            n_templates=stamp.count,
            schema_revision=SCHEMA_REVISION,
            store_revision=stamp.revision,
            faults=tuple(self._store.check()),
            index_state=describe(self.folder / INDEX_NAME, self._store),
        )

    def rename(self, old: str, new: str) -> Member:
        """Give a member another name. Raises MemberNotFound, MemberExists or BadName."""
        return self._store.rename(old, new)

    def forget(self, name: str) -> int:
        """Remove a member with all vectors, faces and photo records, from the index too.

        Returns:
            How many templates were removed.

        Raises:
            MemberNotFound: No such member.
            StillInTheLog: All is done, but the database's log cannot be emptied yet.
            GalleryUnavailable: The gallery cannot be written.
        """
        from facegallery.index.opening import forgetting

        ids = self._store.templates(name).ids.tolist()
        with forgetting(self.folder / INDEX_NAME, self._store) as bury:
            try:
                removed = self._store.forget(name)
            except StillInTheLog:
                bury(ids)  # the rows are gone all the same
                raise
            bury(removed)
        return len(removed)

    # --- the index -------------------------------------------------------------------------------------------------

    def backups(self) -> list[Path]:
        """Backups that were made when an older gallery was upgraded. They hold who was enrolled then."""
        return sorted(self.folder.glob(f"{DATABASE_NAME}.backup-*"))

    def refresh_index(self) -> None:
        """Append what was enrolled to the index files, so that the next command need not read it from the database."""
        from facegallery.index.opening import refresh

        refresh(self.folder / INDEX_NAME, self._store)

    def _open_index(self) -> TemplateIndex:
        from facegallery.index.opening import open_index

        self._index = open_index(self.folder / INDEX_NAME, self._store, known=self._index)
        return self._index

    def _member_search(self, score: ScoreRule) -> MemberSearch:
        """The search for a score rule, made again when the store has changed (also by another process)."""
        from facegallery.gallery.search import BestTemplateSearch, CentroidSearch

        state = self._store.state()
        if self._search is None or self._search[:2] != (state, score):
            search: MemberSearch
            if score is ScoreRule.CENTROID:
                search = CentroidSearch(self._store.templates())
            else:
                search = BestTemplateSearch(self._open_index(), self._store.templates_of)
            self._search = (state, score, search)
        return self._search[2]


def _folder(folder: Path | str | None) -> Path:
    return default_gallery_folder() if folder is None else Path(folder).expanduser()
