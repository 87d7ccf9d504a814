"""What a figure depends on besides the code: the machine, its load, and the versions of the libraries."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from facegallery.settings import n_threads
from facegallery.version import __version__

LIBRARIES = (
    "torch",
    "facenet-pytorch",
    "openvino",
    "faiss-cpu",
    "numpy",
    "pillow",
    "dlib-bin",
    "face-recognition-models",
)


def machine_name() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names and names[0]) or platform.processor() or platform.machine()


def conditions() -> dict[str, str]:
    """What is known before the first measurement, as words by name."""
    return {
        "machine": f"{machine_name()}, {os.cpu_count()} cores, {n_threads()} open to this process",
        "system": platform.platform(),
        "load before": _load(),
        "versions": ", ".join(
            [f"facegallery {__version__}", f"Python {platform.python_version()}", *map(_version, LIBRARIES)]
        ),
    }


def _version(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"{name} not installed"


def _load() -> str:
    if not hasattr(os, "getloadavg"):
        return "not known on this system"
    return f"{os.getloadavg()[0]:.2f} processes (mean of the last minute)"
