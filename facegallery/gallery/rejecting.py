"""Somebody's word that a face is not a member's: which face is meant, and what is said of it from then on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facegallery.domain import Decision, EmbeddedFace, Limits, Photo, Rejection, same_face
from facegallery.errors import EnrolledAsMember
from facegallery.gallery.analysis import FaceAnalyzer, pick_face, read_and_analyze
from facegallery.gallery.identification import identify_faces
from facegallery.gallery.search import MemberSearch
from facegallery.store import Store


@dataclass(frozen=True, slots=True)
class RejectedFace:
    """A face that is not a member's.

    Attributes:
        rejection: What is kept.
        number: Which face of the photo, from 1.
        n_faces: How many faces the photo has.
        decision: Who it is said to be now.
    """

    rejection: Rejection
    number: int
    n_faces: int
    decision: Decision


@dataclass(frozen=True)
class Rejecter:
    """Takes such words for one gallery.

    Attributes:
        store: Where they are kept.
        analyzer: Detector and embedder.
        search: Ranks the members, as the store has them at the call.
        limits: What a match needs.
    """

    store: Store
    analyzer: FaceAnalyzer
    search: Callable[[], MemberSearch]
    limits: Limits

    def reject(self, path: Path, member: str, face_number: int | None) -> RejectedFace:
        """Keep that a face is not a member's.

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
        name = self.store.member(member).name
        photo, faces = read_and_analyze(self.analyzer, path)
        if not faces or face_number is not None:
            pick_face(path, faces, face_number, option="--face")
        number = face_number or self._most_likely(photo, faces, name)
        face = faces[number - 1]
        for enrolled in self.store.faces_of_photo(photo.content_hash):
            if enrolled.member == name and same_face(face.face.box_xyxy, enrolled.face.box_xyxy):
                raise EnrolledAsMember(path, name)
        made_by = self.analyzer
        kept = self.store.reject(name, photo, face=face, model=made_by.model.identity, preparation=made_by.preparation)
        return RejectedFace(kept, number, len(faces), self._decisions(photo, faces)[number - 1])

    def _most_likely(self, photo: Photo, faces: list[EmbeddedFace], name: str) -> int:
        named = [decision.member for decision in self._decisions(photo, faces)]
        if name in named:
            return 1 + named.index(name)
        search = self.search()
        similarities = [search.score(name, face.embedding).candidate.similarity for face in faces]
        return 1 + max(range(len(faces)), key=similarities.__getitem__)

    def _decisions(self, photo: Photo, faces: list[EmbeddedFace]) -> list[Decision]:
        identified = identify_faces(photo, faces, search=self.search(), limits=self.limits)
        return [face.decision for face in identified.faces]
