"""Clusters as a file: what ``cluster`` writes and ``name`` reads. It holds paths, hashes and boxes, and no vectors.

A file may have been sent by somebody else or edited by hand, so all of it is checked before any of it is used.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from facegallery.errors import BadClusterFile
from facegallery.gallery.clustering import ClusteredFace, Clustering
from facegallery.gallery.enrollment import FaceAt
from facegallery.pictures.output import Format, write_output
from facegallery.version import __version__

if TYPE_CHECKING:
    from facegallery.domain import BoxXyxy

KIND = "facegallery clusters 1"
"""What the file calls itself; the number grows when old programs could not read it."""

CLUSTER_FILE = Format("file of clusters", "JSON", (".json",), f'"kind": "{KIND}"'.encode())

MAX_BYTES = 64_000_000
"""A quarter of a million faces; a longer file is none of ours."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SavedCluster:
    """A cluster, read from a file.

    Attributes:
        faces: In the order of the file; no two of one photo.
        nearest: Name of the member that the faces' mean was most like then; None where there was none.
    """

    faces: tuple[ClusteredFace, ...]
    nearest: str | None


def clusters_document(clustering: Clustering) -> dict[str, Any]:
    """Everything that ``cluster`` found, as one document with stable keys."""
    return {
        "kind": KIND,
        "program": f"facegallery {__version__}",
        "model": clustering.model,
        "threshold": clustering.threshold,
        "limit": round(clustering.limit, 6),
        "n_photos": clustering.n_photos,
        "n_faces": clustering.n_faces,
        "n_unknown": clustering.n_grouped,
        "n_poor": clustering.n_poor,
        "n_alone": clustering.n_alone,
        "clusters": [
            {
                "number": cluster.number,
                "nearest": None
                if cluster.nearest is None
                else {"member": cluster.nearest.member, "similarity": round(cluster.nearest.similarity, 6)},
                "faces": [
                    {
                        "path": str(face.path),
                        "content_hash": face.at.content_hash,
                        "face": face.number,
                        "box_xyxy": [round(side, 2) for side in face.at.box_xyxy],
                    }
                    for face in cluster.faces
                ],
            }
            for cluster in clustering.clusters
        ],
        "skipped": [
            {"path": str(entry.path), "code": entry.code, "reason": entry.reason} for entry in clustering.skipped
        ],
    }


def save_clusters(clustering: Clustering, path: Path) -> None:
    """Write clusters as JSON, whole or not at all; a file that is no such file is not replaced.

    Raises:
        ExplanationError: The name is of another format, another file is in the place, or it cannot be written.
    """
    # Bytes of a file's name that are no UTF-8 become escapes, from which the same name is read again.
    text = json.dumps(clusters_document(clustering), ensure_ascii=False, indent=2, allow_nan=False)
    content = text.encode("utf-8", "backslashreplace")
    write_output(path, CLUSTER_FILE, lambda file: file.write(content + b"\n"))


def read_clusters(path: Path) -> dict[int, SavedCluster]:
    """The clusters, by the clusters' numbers.

    Raises:
        BadClusterFile: The file cannot be read, or anything in it is not as ``cluster`` writes it.
    """
    return _Reader(path).clusters()


class _Reader:
    """Reads one file, and says what is wrong with it and where."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def clusters(self) -> dict[int, SavedCluster]:
        document = self._document()
        if not isinstance(document, dict) or document.get("kind") != KIND:
            self._refuse("it is no file of clusters")
        found: dict[int, SavedCluster] = {}
        for place, entry in enumerate(self._list(document, "clusters", "the file"), start=1):
            where = f"cluster entry {place}"
            fields = self._object(entry, where)
            number = self._number(fields, "number", where)
            if number in found:
                self._refuse(f"cluster {number} occurs twice")
            where = f"cluster {number}"
            found[number] = SavedCluster(self._faces(fields, where), self._nearest(fields, where))
        return found

    def _document(self) -> object:
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise BadClusterFile(self._path, f"it cannot be read ({getattr(error, 'strerror', error)})") from error
        if len(content) > MAX_BYTES:
            self._refuse(f"it has more than {MAX_BYTES // 1_000_000} MB")
        try:
            document: object = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise BadClusterFile(self._path, f"it is not JSON ({error})") from error
        return document

    def _faces(self, entry: Mapping[str, object], where: str) -> tuple[ClusteredFace, ...]:
        faces = [
            self._face(self._object(each, f"{where}, face entry {place}"), f"{where}, face entry {place}")
            for place, each in enumerate(self._list(entry, "faces", where), start=1)
        ]
        if not faces:
            self._refuse(f"{where} has no faces")
        if len({face.path for face in faces}) < len(faces):
            self._refuse(f"{where} names a photo twice")
        return tuple(faces)

    def _nearest(self, entry: Mapping[str, object], where: str) -> str | None:
        nearest = entry.get("nearest")
        if nearest is None:
            return None
        member = self._object(nearest, f"{where}, 'nearest'").get("member")
        if not isinstance(member, str):
            self._refuse(f"{where}: 'nearest' names no member")
        return member

    def _face(self, entry: Mapping[str, object], where: str) -> ClusteredFace:
        path, content_hash = entry.get("path"), entry.get("content_hash")
        if not isinstance(path, str) or "\0" in path or not Path(path).is_absolute():
            self._refuse(f"{where}: 'path' is not an absolute path")
        if not isinstance(content_hash, str) or not _SHA256.fullmatch(content_hash):
            self._refuse(f"{where}: 'content_hash' is not a SHA-256 in lower-case hex")
        return ClusteredFace(
            Path(path), self._number(entry, "face", where), FaceAt(content_hash, self._box(entry, where))
        )

    def _box(self, entry: Mapping[str, object], where: str) -> BoxXyxy:
        box = entry.get("box_xyxy")
        sides = [float(side) for side in box if _is_finite(side)] if isinstance(box, list) else []
        if len(sides) != 4 or sides[0] >= sides[2] or sides[1] >= sides[3]:
            self._refuse(f"{where}: 'box_xyxy' is not left, top, right, bottom in pixels")
        left, top, right, bottom = sides
        return left, top, right, bottom

    def _number(self, entry: Mapping[str, object], key: str, where: str) -> int:
        value = entry.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self._refuse(f"{where}: '{key}' is not a number from 1")
        return value

    def _list(self, entry: Mapping[str, object], key: str, where: str) -> list[object]:
        value = entry.get(key)
        if not isinstance(value, list):
            self._refuse(f"{where}: '{key}' is not a list")
        return value

    def _object(self, value: object, where: str) -> Mapping[str, object]:
        if not isinstance(value, dict):
            self._refuse(f"{where} is not an object")
        return value

    def _refuse(self, reason: str) -> NoReturn:
        raise BadClusterFile(self._path, reason)


def _is_finite(value: object) -> bool:
    """Whether a number of JSON is one: NaN and Infinity are read too, and integers may be beyond any float."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False
