"""Python scripts that run in processes of their own, beside the test, and talk to it line by line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import facegallery


def start(script: str, *arguments: object, stderr: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(facegallery.__file__).parents[1])},
    )


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()
