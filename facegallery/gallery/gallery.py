"""Gallery: the one public API. The command line, a service and a notebook call the same methods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from facegallery.domain import (
    AUTOMATIC,
    DEFAULT_SCORE,
    EnrolledFace,
    Preparation,
    Rejection,
    ScoreRule,
    SkippedPhoto,
    VectorSpace,
    Verdict,
)
from facegallery.gallery.limits import limits_at
from facegallery.gallery.logged import LogGallery
from facegallery.gallery.membership import MembersGallery
from facegallery.matching.decisions import DEFAULT_FMR, checked_fmr, checked_threshold

if TYPE_CHECKING:  # these import torch, FAISS or Pillow: only the methods that need them pay for that
    from facegallery.gallery.auditing import Audit
    from facegallery.gallery.calibrating import Calibrated
    from facegallery.gallery.clustering import ClusteredFace, Clustering
    from facegallery.gallery.enrollment import EnrollOutcome, MemberPhotos
    from facegallery.gallery.explaining.member import MemberExplanation
    from facegallery.gallery.explaining.values import Explanation
    from facegallery.gallery.identification import IdentifiedPhoto
    from facegallery.gallery.reembedding import ReembeddedFace
    from facegallery.gallery.rejecting import RejectedFace
    from facegallery.gallery.verification import Verification


class Gallery(MembersGallery, LogGallery):
    """Members, their templates, and every question that can be asked of them.

    Make one with :meth:`open` or :meth:`create` and use it as a context manager::

        with Gallery.open("my-gallery") as gallery:
            for photo in gallery.identify(["party.jpg"]):
                print(photo.path, [face.decision.member for face in photo.faces])

    Networks and index are loaded by the first call that needs them.
    """

    # --- calibration ------------------------------------------------------------------------------------------------

    def calibrate(self, *, fmr: float = DEFAULT_FMR, score: ScoreRule = DEFAULT_SCORE) -> Calibrated:
        """Choose threshold and margin from the gallery's own photos and keep them; see ``matching.calibration``.

        Args:
            fmr: The false match rate wanted: of the comparisons of a photo with another member the share that may
                reach the threshold; above 0 and at most ``decisions.MOST_FMR``.
            score: The score rule to do it for. A calibration is used for questions by its own rule.

        Raises:
            CalibrationRefused: The gallery's photos cannot support the rate; it says what to add.
            ValueError: There is no such rate, or it is so high that most strangers would be named.
        """
        from facegallery.gallery.calibrating import calibrate_gallery

        return calibrate_gallery(self._store, fmr=checked_fmr(fmr), score=score, before=self.limits(score=score))

    def reset_calibration(self) -> None:
        """Go back to the model's limits."""
        self._store.drop_calibration()

    # --- enrollment ------------------------------------------------------------------------------------------------

    def enroll(
        self, plan: Iterable[MemberPhotos], *, accept_poor: bool = False, keep_crops: bool = False
    ) -> Iterator[EnrollOutcome]:
        """Enroll photos; see :func:`facegallery.gallery.enrollment.enroll_photos`.

        Faces whose picture is poor (:mod:`facegallery.matching.quality_policy`) are left out unless ``accept_poor``.
        Stopping the iteration, or the program, loses nothing that was reported as enrolled. The faces' pixels are kept
        only with ``keep_crops``; then also those of faces that are enrolled already from these photos.
        """
        from facegallery.gallery.enrollment import enroll_photos
        from facegallery.matching.quality_policy import DEFAULT_POLICY

        entries = list(plan)
        model, preparation = self.installed_model(), self.preparation
        with self._analysis(sum(len(entry.photos) for entry in entries), keep_crops=keep_crops) as analysis:
            yield from enroll_photos(
                self._store,
                model,
                analysis,
                entries,
                policy=None if accept_poor else DEFAULT_POLICY,
                preparation=preparation,
                keep_crops=keep_crops,
            )

    def enroll_cluster(
        self, faces: Sequence[ClusteredFace], member: str, *, accept_poor: bool = False
    ) -> Iterator[EnrollOutcome]:
        """Enroll the faces of a cluster for a member, new or known; a photo that has changed since is skipped.

        Args:
            faces: From :meth:`cluster`, or from a file of clusters.
            member: The name.
            accept_poor: As in :meth:`enroll`.

        Raises:
            BadName: No member can have this name.
        """
        from facegallery.gallery.clustering import faces_for
        from facegallery.store import clean_name

        yield from self.enroll([faces_for(clean_name(member), faces)], accept_poor=accept_poor)

    # --- another model ---------------------------------------------------------------------------------------------

    def reembed(
        self,
        model: str | None = None,
        *,
        preparation: Preparation | None = None,
        restart: bool = False,
        drop: Iterable[EnrolledFace | Rejection] = (),
    ) -> Iterator[ReembeddedFace]:
        """Take the gallery to another model, or go on where that was stopped; members, names and ids stay.

        Each face is embedded anew from its photo, which must be where it was and have the same bytes, or else from a
        kept crop. Until all are, the gallery answers as before; then the new vectors take the old ones' place at once,
        as the last step of the iteration. Stopping before loses nothing that was yielded. A calibration is dropped
        with the old vectors. Where the gallery is there already nothing is yielded.

        Args:
            model: The model's name; None goes on to where the gallery is on its way to, or changes the preparation.
            preparation: How faces are prepared; None takes that of the way begun, else the model's usual one.
            restart: Drop what was done first, for this model or another.
            drop: Faces that may be given up where neither photo nor crop is there; a member left without one is gone.

        Yields:
            Each face, once its new vector is kept or it is known to be missing.

        Raises:
            FacesMissing: Of some faces neither is there; nothing was switched.
            OtherReembedding: The gallery is on its way to another model.
            NoReembedding: Nothing was asked for and nothing is under way; or another program has abandoned it.
            ModelNotFound: The model is unknown or its file is not here.
        """
        from facegallery.gallery.networks import load_embedder
        from facegallery.gallery.reembedding import Way

        to, prepared = self.reembedding_target(model, preparation=preparation)
        if restart:
            self.abandon_reembedding()
        if VectorSpace(to.fingerprint, prepared) == self.space and self.reembedding() is None:
            return
        load = partial(load_embedder, to, self._runtime or AUTOMATIC, prepared)
        complete = partial(self._complete_reembedding, to.identity, prepared)
        yield from Way(self._store, to.identity, prepared, load, complete).go(drop)

    # --- questions -------------------------------------------------------------------------------------------------

    def identify(
        self,
        inputs: Iterable[Path | str | SkippedPhoto],
        *,
        threshold: float | None = None,
        min_margin: float | None = None,
        score: ScoreRule = DEFAULT_SCORE,
        top: int | None = None,
    ) -> Iterator[IdentifiedPhoto | SkippedPhoto]:
        """Say who is in each photo, all of them by the gallery as it is when the first is asked for.

        Where decisions are logged (:meth:`keep_log`), an answer is in the log before it is given.

        Args:
            inputs: Photos and folders of photos. What was skipped while they were looked for comes out as it went in.
            threshold: The similarity that a match needs, in [-1, 1], 0.0 among them; None takes the gallery's
                (see :meth:`limits`).
            min_margin: The margin (best minus runner-up) that a match needs, 0.0 among them; None takes
                the gallery's.
            score: How a member's similarity is made from the member's templates.
            top: Candidates to report for each face; None takes the best and the runner-up.

        Yields:
            One value a photo, as it is done: its faces with decisions, or why it was skipped.
        """
        from facegallery.gallery.analysis import expand
        from facegallery.gallery.identification import N_CANDIDATES, identify_photos

        with self._store.snapshot() as moment:
            space = moment.space()
            asking = self._asking(moment, "identify", space, threshold=threshold, min_margin=min_margin, score=score)
        found = expand(inputs)
        with self._analysis(len(found), space=space) as analysis:
            yield from identify_photos(found, analysis, asking=asking, top=top or N_CANDIDATES)

    def cluster(
        self,
        inputs: Iterable[Path | str | SkippedPhoto],
        *,
        threshold: float | None = None,
        min_margin: float | None = None,
        score: ScoreRule = DEFAULT_SCORE,
        min_size: int | None = None,
        join: float | None = None,
        verdicts: Collection[Verdict] = (Verdict.UNKNOWN,),
        accept_poor: bool = False,
        told: Callable[[], None] = lambda: None,
    ) -> Clustering:
        """Group the unknown faces of photos by person. Nothing of it is kept.

        Args:
            inputs: As in :meth:`identify`. Of several photos with the same bytes the first counts.
            threshold: As in :meth:`identify`: which faces are unknown.
            min_margin: As in :meth:`identify`.
            score: As in :meth:`identify`.
            min_size: Faces that make a cluster; None takes 2.
            join: The mean similarity from which faces are grouped, in [-1, 1]; None takes the one that fits the
                gallery's own threshold (``matching.clusters.mean_limit``), whatever ``threshold`` says.
            verdicts: Faces of which :meth:`identify` says this are grouped.
            accept_poor: Group faces too whose picture is too poor to be enrolled.
            told: Called after each photo, for a progress bar.

        Raises:
            TooManyFaces: More faces hang together than fit into memory.
            ValueError: ``threshold`` or ``join`` is no similarity.
        """
        from facegallery.gallery.analysis import expand
        from facegallery.gallery.clustering import MIN_SIZE, cluster_faces, joining_limit
        from facegallery.matching.quality_policy import DEFAULT_POLICY

        limit = None if join is None else checked_threshold(join)
        spec = self.installed_model().spec
        with self._store.snapshot() as moment:
            space = moment.space()
            asking = self._asking(moment, "cluster", space, threshold=threshold, min_margin=min_margin, score=score)
            if limit is None:
                limit = joining_limit(limits_at(moment, spec, score=score).threshold, moment)
        found = expand(inputs)
        with self._analysis(len(found), space=space) as analysis:
            return cluster_faces(
                found,
                analysis,
                asking=asking,
                limit=limit,
                min_size=MIN_SIZE if min_size is None else min_size,
                verdicts=verdicts,
                policy=None if accept_poor else DEFAULT_POLICY,
                told=told,
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
        min_margin: float | None = None,
        score: ScoreRule = DEFAULT_SCORE,
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
            min_margin: As in :meth:`identify`.
            score: As in :meth:`identify`.
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
        analyzer = self.analyzer
        with self._store.snapshot() as moment:
            asking = self._asking(
                moment, "explain", analyzer.space, threshold=threshold, min_margin=min_margin, score=score
            )
        explainer = Explainer(self._store, analyzer, asking.search, asking.limits, asking.calibration)
        explanation = explainer.explain(Path(path), Question(member, rival, face_number, chosen, told))
        decisions = {explanation.face_number: explanation.decision}
        asking.log.keep(explanation.path, explanation.content_hash, decisions)
        return explanation

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

    # --- "this is not X" --------------------------------------------------------------------------------------------

    def reject(self, path: Path | str, member: str, *, face_number: int | None = None) -> RejectedFace:
        """Keep that a face is not a member's; from then on it, and faces that are more like it, are not named so.

        The face's vector is kept, until the word is taken back or the member forgotten.

        Args:
            path: The photo.
            member: Who it is not.
            face_number: Which face, from 1; None takes the one that is named so now, else the one most like the member.

        Raises:
            PhotoError: The file cannot be used as a photo.
            FaceChoiceNeeded: It has no face, or none of that number.
            MemberNotFound: No such member.
            EnrolledAsMember: The face is enrolled as that member.
        """
        from facegallery.gallery.rejecting import Rejecter

        analyzer = self.analyzer
        search = partial(self._searches.by, DEFAULT_SCORE, analyzer.space)
        rejecter = Rejecter(self._store, analyzer, search, self.limits())
        return rejecter.reject(Path(path), member, face_number)

    def rejections(self, member: str | None = None) -> list[Rejection]:
        """What was kept so, of one member or all; oldest first. Raises MemberNotFound."""
        return self._store.rejections(member)

    def undo_rejection(self, rejection_id: int) -> Rejection:
        """Take such a word back; the face's vector is removed. Raises RejectionNotFound."""
        return self._store.take_back(rejection_id)

    # --- wrong photos ----------------------------------------------------------------------------------------------

    def audit(self, photos: Iterable[Path] | None = None) -> Audit:
        """Find photos that do not fit their member, and one picture or one person under two names; changes nothing.

        See :func:`facegallery.matching.audit.audit_templates` for how.

        Args:
            photos: Tell of these only, and of members enrolled from them; None tells of all.
        """
        from facegallery.gallery.auditing import audit

        return audit(self._store, photos)
