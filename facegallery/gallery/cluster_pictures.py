"""Clusters to look at: a page with every face of every cluster, or a picture with a tile for each cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from facegallery.errors import PhotoError
from facegallery.gallery.clustering import Cluster, ClusteredFace, Clustering
from facegallery.images import read_photo
from facegallery.pictures.figure import Figure
from facegallery.pictures.page import Page, Section
from facegallery.pictures.panel import draw_panel

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from facegallery.domain import Photo, Pixels

Thumbnails = Mapping[ClusteredFace, "Pixels"]
"""A picture of each face; one whose photo cannot be read any more has none."""

THUMBNAIL_PX = 112
SURROUNDINGS = 0.25
"""Of the face's longer side, shown around it on each side: a person is known by hair and ears too."""

MOST_SHOWN = 60
"""Faces of one cluster on a page; more say nothing new, and make the page heavy."""

MOST_IN_MOSAIC = 9

_GREY, _WHITE = 240, 255


def thumbnails(clustering: Clustering, *, told: Callable[[], None] = lambda: None) -> Thumbnails:
    """The faces that will be shown, cut from their photos, each photo read once.

    Args:
        clustering: What was grouped.
        told: Called after each photo.

    Returns:
        Pictures of shape (112, 112, 3), uint8, RGB.
    """
    by_photo: dict[Path, list[ClusteredFace]] = {}
    for cluster in clustering.clusters:
        for face in cluster.faces[:MOST_SHOWN]:
            by_photo.setdefault(face.path, []).append(face)
    found: dict[ClusteredFace, Pixels] = {}
    for path, faces in by_photo.items():
        try:
            photo = read_photo(path)
        except PhotoError:  # gone since it was looked at: the page says so in the picture's place
            continue
        finally:
            told()
        found |= {face: _thumbnail(photo, face) for face in faces}
    return found


def page_of_clusters(clustering: Clustering, faces: Thumbnails) -> Page:
    """The page: a section for each cluster."""
    sections = [
        Section(cluster_title(cluster), [nearest_words(cluster), *_more(cluster)], list(_figures(cluster, faces)))
        for cluster in clustering.clusters
    ]
    settings = {
        "model": clustering.model,
        "threshold": f"{clustering.threshold:.3f}",
        "mean similarity within a cluster": f"{clustering.limit:.3f} or more where two groups were joined",
    }
    return Page("Unknown faces, grouped by person", [summary(clustering), NAMING], sections, settings)


def draw_clusters(clustering: Clustering, faces: Thumbnails) -> Picture:
    """The picture: a tile for each cluster with its first nine faces."""
    tiles = [
        Figure(cluster_title(cluster), _mosaic(cluster, faces), [nearest_words(cluster)])
        for cluster in clustering.clusters
    ]
    return draw_panel([summary(clustering)], tiles)


NAMING = "A cluster becomes a member by 'facegallery name FILE.json NUMBER NAME'; '--without N' leaves a face out."


def summary(clustering: Clustering) -> str:
    """How many faces were grouped, in a sentence."""
    poor = f" {_n(clustering.n_poor, 'poor face')} left out (--accept-poor)." if clustering.n_poor else ""
    return (
        f"{clustering.n_grouped} unknown of {_n(clustering.n_faces, 'face')} in {_n(clustering.n_photos, 'photo')}: "
        f"{_n(len(clustering.clusters), 'cluster')}, and {_n(clustering.n_alone, 'face')} in none. "
        f"Joined from a mean similarity of {clustering.limit:.2f} on (--join).{poor}"
    )


def cluster_title(cluster: Cluster) -> str:
    """Its number and size."""
    return f"Cluster {cluster.number}: {_n(len(cluster.faces), 'face')}"


def nearest_words(cluster: Cluster) -> str:
    """Which member it is most like."""
    if cluster.nearest is None:
        return "There is no member to compare with."
    return (
        f"The mean of these faces is nearest to {cluster.nearest.member}: similarity {cluster.nearest.similarity:.2f}."
    )


def _n(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _more(cluster: Cluster) -> Iterator[str]:
    if len(cluster.faces) > MOST_SHOWN:
        yield f"The first {MOST_SHOWN} are shown."


def _figures(cluster: Cluster, faces: Thumbnails) -> Iterator[Figure]:
    for place, face in enumerate(cluster.faces[:MOST_SHOWN], start=1):
        name = f"{face.path.parent.name}/{face.path.name}"  # in folders of one person each, all may be called 1.jpg
        caption = name if face.number == 1 else f"{name}, face {face.number}"
        yield Figure(f"{place}", faces.get(face), [caption], placeholder="The photo cannot be read any more.")


def _thumbnail(photo: Photo, face: ClusteredFace) -> Pixels:
    """The face and what is around it, as a square; beyond the photo's edge it is grey."""
    left, top, right, bottom = (side * photo.scale for side in face.at.box_xyxy)
    reach = max(right - left, bottom - top) * (0.5 + SURROUNDINGS)
    x, y = (left + right) / 2, (top + bottom) / 2
    corners = (round(x - reach), round(y - reach), round(x + reach), round(y + reach))
    square = Image.new("RGB", (max(corners[2] - corners[0], 1), max(corners[3] - corners[1], 1)), (_GREY,) * 3)
    height, width = photo.pixels.shape[:2]
    inside = photo.pixels[
        min(max(corners[1], 0), height) : max(corners[3], 0), min(max(corners[0], 0), width) : max(corners[2], 0)
    ]
    if inside.size:
        square.paste(Image.fromarray(inside), (max(-corners[0], 0), max(-corners[1], 0)))
    return np.array(square.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS))


def _mosaic(cluster: Cluster, faces: Thumbnails) -> Pixels:
    """The first faces in a square of at most three by three; places that are left are white."""
    shown = cluster.faces[:MOST_IN_MOSAIC]
    side = math.isqrt(len(shown) - 1) + 1
    mosaic = np.full((side * THUMBNAIL_PX, side * THUMBNAIL_PX, 3), _WHITE, np.uint8)
    for place, face in enumerate(shown):
        if face in faces:
            y, x = (THUMBNAIL_PX * step for step in divmod(place, side))
            mosaic[y : y + THUMBNAIL_PX, x : x + THUMBNAIL_PX] = faces[face]
    return mosaic
