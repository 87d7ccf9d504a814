"""What is installed: a wheel that carries migrations, weights and sample group, and works from another folder."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout without the network (the build back end comes with the dev extra)."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    built = subprocess.run(command, text=True, capture_output=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_carries_what_the_program_needs(wheel: Path) -> None:
    """Migrations, weights with their card, sample group, type marker, licence; no tests, no cache."""
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "facegallery/migrations/env.py",
        "facegallery/data/starter.safetensors",
        "facegallery/data/starter.md",
        "facegallery/data/page.html.jinja",
        "facegallery/data/sample_group/group.jpg",
        "facegallery/py.typed",
    ):
        assert needed in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.startswith("facegallery/migrations/versions/0001") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_the_installed_command_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    """In a clean environment, away from the checkout: enroll, identify and doctor, from the wheel's own files.

    The third-party libraries are lent from this environment by a path file, so that no network is needed.
    """
    environment = tmp_path / "clean"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    target = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            text=True, capture_output=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    # A path file inside a path file is not read, so the editable install of this checkout stays out.
    (target / "lent.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_", "FACEGALLERY"))}
    clean["FACEGALLERY_GALLERY"] = str(tmp_path / "gallery")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [environment / "bin" / "facegallery", *arguments],
            cwd=elsewhere, env=clean, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = subprocess.run(
        [python, "-c", "import facegallery; print(facegallery.__file__)"],
        cwd=elsewhere, env=clean, text=True, capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert Path(where.strip()).is_relative_to(target)
    sample = target / "facegallery" / "data" / "sample_group"
    assert run("enroll", str(sample / "enroll")) == "Enrolled 24 photos of 6 members.\n"
    document = json.loads(run("identify", str(sample / "probe" / "dan-1.jpg"), "--json"))
    assert document["photos"][0]["faces"][0]["member"] == "Dan"
    assert str(target) in run("doctor")
