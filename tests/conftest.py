"""What several test modules share: the sample group, loaded networks, an enrolled gallery, and the command line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from facegallery import Gallery
from facegallery.cli.app import main
from facegallery.domain import Precision, RuntimeChoice
from facegallery.gallery.analysis import FaceAnalyzer, load_analyzer
from facegallery.gallery.enrollment import plan_folder
from facegallery.settings import DATABASE_NAME, bundled
from facegallery.store import Store
from facegallery.threads import limit_torch
from facegallery.weights.files import ModelFiles

limit_torch()  # before a test module imports torch by itself: OpenMP reads its environment only once


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks are compiled once for all tests, and not into the cache of the person who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEGALLERY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def sample_group() -> Path:
    """Folder of the bundled portraits: ``enroll/<Name>/*.jpg``, ``probe/*.jpg``, ``group.jpg``."""
    return bundled("sample_group")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the gallery and the models of the person who runs the tests."""
    monkeypatch.setenv("FACEGALLERY_GALLERY", str(tmp_path / "default-gallery"))
    monkeypatch.setenv("FACEGALLERY_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("FACEGALLERY_PRECISION", "f32")


@pytest.fixture(scope="session")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> FaceAnalyzer:
    """Detector and bundled embedder, loaded once."""
    model = ModelFiles(tmp_path_factory.mktemp("models")).find("starter")
    return load_analyzer(model, RuntimeChoice(precision=Precision.F32))  # the same numbers on every processor


@pytest.fixture(scope="session")
def enrolled_folder(tmp_path_factory: pytest.TempPathFactory, analyzer: FaceAnalyzer, sample_group: Path) -> Path:
    """A gallery with the sample group enrolled; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("enrolled") / "gallery"
    with open_with(folder, analyzer) as gallery:
        list(gallery.enroll(plan_folder(sample_group / "enroll")))
        gallery.refresh_index()
    return folder


@pytest.fixture
def gallery_folder(enrolled_folder: Path, tmp_path: Path) -> Path:
    """A copy of the enrolled gallery that a test may change."""
    folder = tmp_path / "gallery"
    shutil.copytree(enrolled_folder, folder)
    return folder


@pytest.fixture
def gallery(gallery_folder: Path, analyzer: FaceAnalyzer) -> Iterator[Gallery]:
    """The enrolled gallery, open."""
    with open_with(gallery_folder, analyzer) as opened:
        yield opened


@pytest.fixture
def empty_gallery(tmp_path: Path, analyzer: FaceAnalyzer) -> Iterator[Gallery]:
    """A gallery without members."""
    with open_with(tmp_path / "empty", analyzer) as opened:
        yield opened


def open_with(folder: Path, analyzer: FaceAnalyzer) -> Gallery:
    """Open a gallery, or make it, around networks that are loaded already."""
    path = folder / DATABASE_NAME
    store = (
        Store.open(path)
        if path.exists()
        else Store.create(path, model=analyzer.model.identity, preparation=analyzer.preparation)
    )
    return Gallery(folder, store=store, models=ModelFiles.default(), load_analyzer=lambda _: analyzer)


@dataclass(frozen=True)
class CliResult:
    """What a command did."""

    code: int
    out: str
    err: str


RunCli = Callable[..., CliResult]


@pytest.fixture
def run_cli(capfd: pytest.CaptureFixture[str]) -> RunCli:
    """Run a command in this process, edge and all, and give what it printed and its exit code."""

    def run(*arguments: object) -> CliResult:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        code = exit_info.value.code
        return CliResult(code if isinstance(code, int) else int(bool(code)), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def photos_folder() -> Path:
    """Real photographs, where they are at hand; see CONTRIBUTING.md."""
    folder = Path(os.environ.get("FACEGALLERY_TEST_PHOTOS", Path(__file__).parents[2] / "shared" / "photos"))
    if not folder.is_dir():
        pytest.skip(f"there are no real photographs in {folder}")
    return folder
