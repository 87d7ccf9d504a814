"""The one place that sets threads. torch, FAISS and OpenVINO each bring a pool of their own and share the processors.

Each adapter asks here before it uses its library; those on OpenMP before they import it, since it reads its environment
when it is loaded.
"""

from __future__ import annotations

import os
from typing import Any

from facegallery.settings import n_threads


def limit_torch() -> int:
    """Give torch its threads; called before an adapter imports torch. Returns the number set."""
    _wait_asleep()
    import torch

    if torch.get_num_threads() != n_threads():
        torch.set_num_threads(n_threads())
    return torch.get_num_threads()


def limit_faiss(n_probes: int | None = None) -> int:
    """Give FAISS its threads, in the calling thread; called before the index adapter imports faiss.

    Args:
        n_probes: How many it will be asked about. It shares out probes: for one among 100,000 templates two threads
            take 15 ms and one takes 7.

    Returns:
        The number set.
    """
    _wait_asleep()
    import faiss

    faiss.omp_set_num_threads(n_threads() if n_probes is None else min(n_threads(), max(n_probes, 1)))
    return int(faiss.omp_get_max_threads())


def limit_openvino() -> dict[str, Any]:
    """OpenVINO's settings for a network: all its threads work on one call."""
    return {
        "INFERENCE_NUM_THREADS": n_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # the decoder, the store and other programs want processors too
    }


def _wait_asleep() -> None:
    """Have threads that wait for each other sleep instead of spin, unless the person says otherwise.

    A network is thousands of small parallel steps. As soon as anything else wants a processor, threads that spin at
    the end of each step keep the ones they wait for from running: with one other busy process on two cores the
    demonstration took 78 s spinning and 13 s sleeping.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
