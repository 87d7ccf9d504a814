"""How the peer's threads wait for each other, chosen row by row in the peer's favour.

facegallery has them sleep (``OMP_WAIT_POLICY=PASSIVE``), which is right beside other work. torch lets them spin: on an
idle machine that is faster, on a busy one much slower. So the peer is tried with both, and keeps the faster one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.timing import in_turns

POLICIES: Mapping[str, str | None] = {"default": None, "PASSIVE": "PASSIVE"}
"""What to call them, and the variable's value; None leaves it to the library."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The policy that a peer is measured with.

    Attributes:
        name: A key of ``POLICIES``.
        remark: The choice and its reason, for the table.
    """

    name: str
    remark: str

    @property
    def value(self) -> str | None:
        """What the environment variable is to be."""
        return POLICIES[self.name]


def faster_policy(seconds: Mapping[str, Callable[[], float]], *, n_rounds: int) -> Choice:
    """Try the peer's work with each policy, in turns after one round that does not count.

    Args:
        seconds: For each policy's name what does the work and returns its time.
        n_rounds: Rounds that count.
    """
    times = in_turns(list(seconds.values()), n_rounds=n_rounds)
    medians = {name: median(of_policy) for name, of_policy in zip(seconds, times, strict=True)}
    chosen = min(medians, key=lambda name: medians[name])
    tried = ", ".join(f"{name} {seconds * 1e3:.0f} ms" for name, seconds in medians.items())
    return Choice(chosen, f"peer's threads wait as by {chosen} (tried: {tried})")
