"""Unknown faces become clusters, and a cluster becomes a member by one command; a hostile file becomes an error."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facegallery import Gallery
from facegallery.domain import Verdict
from facegallery.errors import BadClusterFile, BadName
from facegallery.evaluation.clusters import report_on
from facegallery.gallery.cluster_file import KIND, read_clusters, save_clusters
from facegallery.gallery.cluster_pictures import THUMBNAIL_PX, draw_clusters, page_of_clusters, thumbnails
from facegallery.gallery.clustering import Clustering
from facegallery.gallery.enrollment import EnrollStatus, plan_folder
from facegallery.pictures.page import html_of
from tests.conftest import RunCli


@pytest.fixture
def photos(sample_group: Path, tmp_path: Path) -> Path:
    """Two photos each of two strangers, a photo of a member, a group photo, and a copy; may be changed."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("stranger-1a", "stranger-1b", "stranger-2a", "stranger-2b", "ada-2"):
        shutil.copy(sample_group / "probe" / f"{name}.jpg", folder)
    shutil.copy(sample_group / "probe" / "stranger-2b.jpg", folder / "z-copy.jpg")
    return folder


def names(clustering: Clustering) -> list[list[str]]:
    return [[face.path.name for face in cluster.faces] for cluster in clustering.clusters]


def test_unknown_faces_are_grouped_and_members_are_not(gallery: Gallery, photos: Path) -> None:
    """The strangers are two clusters, the member in none; the same bytes count once, and the gallery is as before."""
    before = gallery.health()
    clustering = gallery.cluster([photos])
    assert names(clustering) == [["stranger-1a.jpg", "stranger-1b.jpg"], ["stranger-2a.jpg", "stranger-2b.jpg"]]
    assert (clustering.n_photos, clustering.n_faces, clustering.n_grouped, clustering.n_alone) == (5, 5, 4, 0)
    assert [cluster.number for cluster in clustering.clusters] == [1, 2]
    assert gallery.health() == before


def test_the_limit_comes_from_the_gallery(gallery: Gallery, empty_gallery: Gallery, photos: Path) -> None:
    """It is below the threshold by what the members' photos differ; an empty gallery groups at the threshold."""
    usual = gallery.limits().threshold
    clustering = gallery.cluster([photos])
    assert 0.8 * usual < clustering.limit < usual == clustering.threshold
    assert empty_gallery.cluster([photos]).limit == usual


def test_joining_and_naming_are_asked_for_apart(gallery: Gallery, photos: Path) -> None:
    """A threshold changes who is unknown and not how faces are joined; a limit for joining the other way round."""
    usual = gallery.cluster([photos])
    named = gallery.cluster([photos], threshold=0.99)
    assert (named.n_grouped, named.limit) == (5, usual.limit)
    apart = gallery.cluster([photos], join=0.999)
    assert (apart.n_grouped, apart.clusters, apart.limit, apart.threshold) == (4, (), 0.999, usual.threshold)
    (together,) = names(gallery.cluster([photos], join=-1.0))
    assert together == ["stranger-1a.jpg", "stranger-1b.jpg", "stranger-2a.jpg", "stranger-2b.jpg"]
    with pytest.raises(ValueError, match="similarity"):
        gallery.cluster([photos], join=1.5)


def test_an_empty_gallery_groups_everybody(empty_gallery: Gallery, photos: Path) -> None:
    """Without members all faces are unknown, and no cluster has a nearest member."""
    clustering = empty_gallery.cluster([photos], min_size=1)
    assert [len(cluster.faces) for cluster in clustering.clusters] == [2, 2, 1]
    assert {cluster.nearest for cluster in clustering.clusters} == {None}


def test_smaller_groups_than_asked_for_are_counted_only(gallery: Gallery, photos: Path) -> None:
    """With a least size of 3 no cluster is left, and 4 faces are in none."""
    clustering = gallery.cluster([photos], min_size=3)
    assert (clustering.clusters, clustering.n_alone) == ((), 4)


def test_the_nearest_member_is_that_of_the_mean(gallery: Gallery, photos: Path) -> None:
    """A cluster of a member's own faces is nearest to that member."""
    clustering = gallery.cluster([photos / "ada-2.jpg"], min_size=1, verdicts=[Verdict.MATCH])
    nearest = clustering.clusters[0].nearest
    assert nearest is not None
    assert nearest.member == "Ada"
    assert nearest.similarity == pytest.approx(0.94, abs=0.02)


def test_what_cannot_be_read_is_told_and_stops_nothing(gallery: Gallery, photos: Path) -> None:
    """A damaged file is skipped with its reason."""
    (photos / "broken.jpg").write_bytes(b"no photo")
    clustering = gallery.cluster([photos])
    assert [entry.path.name for entry in clustering.skipped] == ["broken.jpg"]
    assert len(clustering.clusters) == 2


def test_a_cluster_becomes_a_member(gallery: Gallery, photos: Path) -> None:
    """The faces are enrolled under the name, and identify says it; doing it again does nothing."""
    cluster = gallery.cluster([photos]).clusters[0]
    assert [outcome.status for outcome in gallery.enroll_cluster(cluster.faces, "Zoe")] == [EnrollStatus.ENROLLED] * 2
    assert [outcome.status for outcome in gallery.enroll_cluster(cluster.faces, "zoe")] == [EnrollStatus.ALREADY] * 2
    assert gallery.member("Zoe").n_templates == 2
    (told,) = gallery.identify([photos / "stranger-1a.jpg"])
    assert told.faces[0].decision.member == "Zoe"  # type: ignore[union-attr]  # a photo that can be read


def test_the_face_of_a_group_photo_is_found_by_its_place(
    empty_gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """Of a photo with several faces the cluster's own is enrolled, not the biggest or the first."""
    list(empty_gallery.enroll(plan_folder(sample_group / "enroll")[:1]))  # Ada
    clustering = empty_gallery.cluster([sample_group / "group.jpg", sample_group / "probe" / "dan-1.jpg"])
    (cluster,) = clustering.clusters
    in_group = next(face for face in cluster.faces if face.path.name == "group.jpg")
    assert in_group.number > 1
    list(empty_gallery.enroll_cluster(cluster.faces, "Dan"))
    boxes = {face.photo_path.name: face.face.box_xyxy for face in empty_gallery.enrolled_faces("Dan")}
    assert boxes["group.jpg"] == pytest.approx(in_group.at.box_xyxy)


def test_what_changed_since_is_skipped(gallery: Gallery, photos: Path) -> None:
    """Other bytes, a photo that is gone, and a box without a face are told one by one; nothing of them is enrolled."""
    save_clusters(gallery.cluster([photos], min_size=2), photos / "c.json")
    document = json.loads((photos / "c.json").read_text(encoding="utf-8"))
    document["clusters"][1]["faces"][0]["box_xyxy"] = [0, 0, 3, 3]
    (photos / "c.json").write_text(json.dumps(document), encoding="utf-8")
    shutil.copy(photos / "ada-2.jpg", photos / "stranger-1a.jpg")
    (photos / "stranger-1b.jpg").unlink()
    clusters = read_clusters(photos / "c.json")
    outcomes = [*gallery.enroll_cluster(clusters[1].faces, "Zoe"), *gallery.enroll_cluster(clusters[2].faces, "Zoe")]
    assert [(each.path.name, each.skipped.code if each.skipped else "") for each in outcomes] == [
        ("stranger-1a.jpg", "changed"),
        ("stranger-1b.jpg", "missing"),
        ("stranger-2a.jpg", "face_gone"),
        ("stranger-2b.jpg", ""),
    ]
    assert [face.photo_path.name for face in gallery.enrolled_faces("Zoe")] == ["stranger-2b.jpg"]


def test_a_name_that_cannot_be_kept_is_refused_at_once(gallery: Gallery, photos: Path) -> None:
    """An empty name is an error before any photo is read."""
    cluster = gallery.cluster([photos]).clusters[0]
    with pytest.raises(BadName):
        list(gallery.enroll_cluster(cluster.faces, "  "))


# --- files --------------------------------------------------------------------------------------------------------


def test_a_file_of_clusters_says_what_was_found(gallery: Gallery, photos: Path, tmp_path: Path) -> None:
    """What is read is what was written, for any name of a file, and no vector is in it."""
    odd = photos / "st\u202erange \udcff \u00e9.jpg"
    (photos / "stranger-1a.jpg").rename(odd)
    clustering = gallery.cluster([photos])
    save_clusters(clustering, tmp_path / "c.json")
    read = read_clusters(tmp_path / "c.json")
    faces = {number: saved.faces for number, saved in read.items()}
    assert {number: saved.nearest for number, saved in read.items()} == {
        cluster.number: cluster.nearest.member for cluster in clustering.clusters if cluster.nearest
    }
    assert {number: [(face.path, face.number) for face in of] for number, of in faces.items()} == {
        cluster.number: [(face.path, face.number) for face in cluster.faces] for cluster in clustering.clusters
    }
    assert odd in [face.path for of in faces.values() for face in of]
    assert (tmp_path / "c.json").stat().st_size < 4000


def minimal() -> dict[str, Any]:
    face = {"path": "/photos/a.jpg", "content_hash": "0" * 64, "face": 1, "box_xyxy": [1, 2, 3, 4]}
    return {"kind": KIND, "clusters": [{"number": 1, "faces": [face]}]}


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = minimal()
    change(document)
    return json.dumps(document)


def in_face(key: str, value: object) -> str:
    return changed(lambda document: document["clusters"][0]["faces"][0].update({key: value}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"kind": "\ud800"}'.encode("utf-8", "surrogatepass").decode("latin-1"), "no file of clusters"),
        ("[1]", "no file of clusters"),
        ('{"kind": "facegallery clusters 2"}', "no file of clusters"),
        (changed(lambda document: document.pop("clusters")), "'clusters' is not a list"),
        (changed(lambda document: document["clusters"].append(7)), "cluster entry 2 is not an object"),
        (changed(lambda document: document["clusters"].append(document["clusters"][0])), "cluster 1 occurs twice"),
        (changed(lambda document: document["clusters"][0].update(number=True)), "'number' is not a number"),
        (changed(lambda document: document["clusters"][0].update(faces=[])), "cluster 1 has no faces"),
        (
            changed(lambda document: document["clusters"][0].update(faces=document["clusters"][0]["faces"] * 2)),
            "names a photo twice",
        ),
        (changed(lambda document: document["clusters"][0].update(nearest="Ada")), "'nearest' is not an object"),
        (changed(lambda document: document["clusters"][0].update(nearest={"member": 7})), "names no member"),
        (in_face("path", "photos/a.jpg"), "not an absolute path"),
        (in_face("path", "/photos/\0.jpg"), "not an absolute path"),
        (in_face("path", ["/photos"]), "not an absolute path"),
        (in_face("content_hash", "0" * 63 + "G"), "not a SHA-256"),
        (in_face("content_hash", "0" * 64 + "\n"), "not a SHA-256"),
        (in_face("face", 0), "'face' is not a number"),
        (in_face("box_xyxy", [1, 2, 3]), "not left, top, right, bottom"),
        (in_face("box_xyxy", [3, 2, 1, 4]), "not left, top, right, bottom"),
        (in_face("box_xyxy", [1, 2, float("nan"), 4]), "not left, top, right, bottom"),
        (in_face("box_xyxy", [1, 2, float("inf"), 4]), "not left, top, right, bottom"),
        (in_face("box_xyxy", [1, 2, 10**400, 4]), "not left, top, right, bottom"),
        (in_face("box_xyxy", [1, 2, "3", 4]), "not left, top, right, bottom"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_with_its_reason(content: str, reason: str, tmp_path: Path) -> None:
    """Whatever is in the file, the answer is one error that names the file and what is wrong with it."""
    path = tmp_path / "clusters.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadClusterFile) as refused:
        read_clusters(path)
    assert reason in str(refused.value)
    assert str(path) in str(refused.value)


def test_the_least_file_is_taken_and_a_missing_one_is_told(tmp_path: Path) -> None:
    """What the hostile ones are made from is good itself; a name that is not there is the same kind of error."""
    (tmp_path / "c.json").write_text(json.dumps(minimal()), encoding="utf-8")
    assert read_clusters(tmp_path / "c.json")[1].faces[0].at.box_xyxy == (1.0, 2.0, 3.0, 4.0)
    with pytest.raises(BadClusterFile, match="cannot be read"):
        read_clusters(tmp_path / "none.json")


# --- pictures -----------------------------------------------------------------------------------------------------


def test_every_face_is_on_the_page_and_a_missing_one_is_said(gallery: Gallery, photos: Path) -> None:
    """The page holds a picture a face, in its cluster; for a photo that is gone it says so."""
    clustering = gallery.cluster([photos])
    (photos / "stranger-2b.jpg").unlink()
    faces = thumbnails(clustering)
    assert {picture.shape for picture in faces.values()} == {(THUMBNAIL_PX, THUMBNAIL_PX, 3)}
    page = html_of(page_of_clusters(clustering, faces))
    assert page.count("data:image/png") == 3
    assert "cannot be read any more" in page
    for words in ("Cluster 1: 2 faces", "stranger-2b.jpg", "4 unknown of 5 faces in 5 photos: 2 clusters"):
        assert words in page
    assert draw_clusters(clustering, faces).width > 2 * THUMBNAIL_PX


def test_a_thumbnail_shows_the_face(gallery: Gallery, photos: Path) -> None:
    """The middle of the thumbnail is the middle of the box: the detector finds the face there again."""
    clustering = gallery.cluster([photos])
    for picture in thumbnails(clustering).values():
        (face, *_) = gallery.analyzer.detector.detect(picture)
        left, top, right, bottom = face.box_xyxy
        assert (left + right) / 2 == pytest.approx(THUMBNAIL_PX / 2, abs=8)
        assert (top + bottom) / 2 == pytest.approx(THUMBNAIL_PX / 2, abs=8)


def test_no_cluster_is_a_page_and_a_picture_too(gallery: Gallery, photos: Path) -> None:
    """Nothing found is said on both."""
    nothing = gallery.cluster([photos / "ada-2.jpg"])
    assert "0 clusters" in html_of(page_of_clusters(nothing, {}))
    assert draw_clusters(nothing, {}).height > 0


# --- the commands -------------------------------------------------------------------------------------------------


def test_from_strangers_to_a_member_by_two_commands(
    run_cli: RunCli, gallery_folder: Path, photos: Path, tmp_path: Path
) -> None:
    """``cluster`` writes the file and the page, ``name`` enrolls, ``identify`` says the name."""
    file, page, picture = tmp_path / "c.json", tmp_path / "c.html", tmp_path / "c.png"
    found = run_cli("cluster", photos, "-g", gallery_folder, "-o", file, "-o", page, "-o", picture)
    assert found.code == 0, found.err
    assert "stranger-1a.jpg, stranger-1b.jpg" in found.out
    assert f"facegallery name {file} NUMBER NAME" in found.err
    assert page.exists()
    assert picture.exists()
    named = run_cli("name", file, 1, "Zoe", "--without", 1, "-g", gallery_folder)
    assert (named.code, named.out.strip()) == (0, "Enrolled 1 photo of 1 member.")
    who = run_cli("identify", photos / "stranger-1b.jpg", "--json", "-g", gallery_folder)
    assert json.loads(who.out)["photos"][0]["faces"][0]["member"] == "Zoe"
    assert run_cli("cluster", photos, "-g", gallery_folder).out.count("stranger-1") == 0


def test_nobody_is_added_to_a_member_unasked(
    run_cli: RunCli, gallery_folder: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the name is a member's, the question tells its photos and who the faces are most like; without an answer
    nothing is enrolled, with a yes or --yes it is.
    """
    file = tmp_path / "c.json"
    run_cli("cluster", photos, "-g", gallery_folder, "-o", file)
    document = json.loads(file.read_text(encoding="utf-8"))
    document["clusters"][0]["nearest"]["member"] = "Dan"
    file.write_text(json.dumps(document), encoding="utf-8")
    command = ("name", file, 1, "ada", "-g", gallery_folder)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    refused = run_cli(*command)
    assert (refused.code, refused.out.strip()) == (1, "")
    asked = "Ada is a member already, with 4 photos. These faces are most like Dan. Add 2 faces to Ada?"
    assert asked in refused.err
    assert "the same command with --yes" in refused.err
    assert "Nothing was enrolled." in refused.err
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "Enrolled 2 photos" in run_cli(*command).out
    assert "Already there: 2 photos" in run_cli(*command, "--yes").out


def test_a_photo_that_is_gone_is_exit_code_3(
    run_cli: RunCli, gallery_folder: Path, photos: Path, tmp_path: Path
) -> None:
    """The rest is enrolled, the missing file is named."""
    file = tmp_path / "c.json"
    run_cli("cluster", photos, "-g", gallery_folder, "-o", file)
    (photos / "stranger-1b.jpg").unlink()
    named = run_cli("name", file, 1, "Zoe", "-g", gallery_folder)
    assert named.code == 3
    assert "Enrolled 1 photo of 1 member." in named.out
    assert "stranger-1b.jpg" in named.out


def test_slips_at_the_keyboard_are_told(run_cli: RunCli, gallery_folder: Path, photos: Path, tmp_path: Path) -> None:
    """Wrong numbers and endings are faults of usage; a photo is never replaced by a file of clusters."""
    file = tmp_path / "c.json"
    listed = run_cli("cluster", photos, "-g", gallery_folder, "-o", file, "--json")
    assert json.loads(listed.out) == json.loads(file.read_text(encoding="utf-8"))
    for arguments in (
        ("name", file, 3, "Zoe"),
        ("name", file, 1, "Zoe", "--without", 3),
        ("name", file, 1, "Zoe", "--without", 1, "--without", 2),
        ("cluster", photos, "-o", tmp_path / "c.txt"),
        ("cluster", photos, "--join", "1.5"),
    ):
        assert run_cli(*arguments, "-g", gallery_folder).code == 2
    (tmp_path / "mine.json").write_text("{}", encoding="utf-8")
    refused = run_cli("cluster", photos, "-o", tmp_path / "mine.json", "-g", gallery_folder)
    assert (refused.code, (tmp_path / "mine.json").read_text(encoding="utf-8")) == (2, "{}")
    assert run_cli("name", tmp_path / "mine.json", 1, "Zoe", "-g", gallery_folder).code == 1


def test_evaluate_clusters_on_a_folder(run_cli: RunCli, gallery_folder: Path, sample_group: Path) -> None:
    """Each pair that could be joined is a photo of one person: 36 of 6 times 4 photos, none of them wrong."""
    told = run_cli("evaluate", "clusters", sample_group / "enroll", "--json", "-g", gallery_folder)
    assert told.code == 0, told.err
    scores = json.loads(told.out)["scores"]
    assert (scores["n_people"], scores["n_faces"], scores["n_clusters"]) == (6, 24, 6)
    assert (scores["n_pairs_joined"], scores["n_pairs_right"], scores["n_pairs_of_person"]) == (36, 36, 36)
    apart = run_cli("evaluate", "clusters", sample_group / "enroll", "--json", "--join", "1", "-g", gallery_folder)
    assert (json.loads(apart.out)["limit"], json.loads(apart.out)["scores"]["n_clusters"]) == (1, 0)


def test_faces_in_photos_of_several_are_grouped_and_not_scored(
    gallery: Gallery, sample_group: Path, tmp_path: Path
) -> None:
    """Nothing says whose they are: the group photo joins clusters, and only the photo of one face is scored."""
    group, single = sample_group / "group.jpg", sample_group / "probe" / "dan-1.jpg"
    clustering = gallery.cluster([group, single], min_size=1, verdicts=tuple(Verdict))
    report = report_on(tmp_path, clustering, {group: "Everybody", single: "Dan"})
    assert report.scores is not None
    assert (report.scores.n_faces, report.scores.n_people) == (1, 1)
    assert report.n_not_scored == clustering.n_grouped - 1 > 1


def test_nothing_to_score_is_an_error(run_cli: RunCli, gallery_folder: Path, tmp_path: Path) -> None:
    """An empty folder cannot be measured."""
    (tmp_path / "people").mkdir()
    assert run_cli("evaluate", "clusters", tmp_path / "people", "-g", gallery_folder).code == 1
