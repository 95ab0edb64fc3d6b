"""Figures and names as the report writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from faultsight.bench.detect_runs import ANOTUNER, PAPER, RANDOM
from faultsight.bench.engine import Row

__all__ = ["FIGURE_NAMES", "code", "figure", "joined", "kind_of", "signed"]

FIGURE_NAMES: Mapping[str, str] = {
    "average_precision": "average precision",
    "vus_pr": "VUS-PR",
    "f1_deployed": "F1 as deployed",
    "f1_point_adjusted": "best F1",
}
"""The figures of the report, in its order; the last two are point-adjusted."""


def figure(value: object) -> str:
    """Return a figure with three decimals; a dash where there is none.

    Examples
    --------
    >>> figure(0.12345), figure(None) == "\N{EN DASH}"
    ('0.123', True)
    """
    return f"{value:.3f}" if isinstance(value, int | float) else "\N{EN DASH}"


def signed(value: object) -> str:
    """Return a difference with its sign.

    Examples
    --------
    >>> signed(0.5), signed(-0.25), signed(-1e-9)
    ('+0.500', '-0.250', '+0.000')
    """
    if not isinstance(value, int | float):
        return "\N{EN DASH}"
    return f"{round(value, 3) + 0.0:+.3f}"


def code(name: object) -> str:
    """Return a name in code."""
    return f"`{name}`"


def joined(names: Iterable[str], most: int | None = None, *, empty: str = "none") -> str:
    """Return a list in words; of more than `most` the first ones and how many more there are.

    Examples
    --------
    >>> joined(["a", "b"]), joined("abcd", most=2), joined([])
    ('a, b', 'a, b and 2 more', 'none')
    """
    known = list(names)
    if most is not None and len(known) > most:
        return f"{', '.join(known[:most])} and {len(known) - most} more"
    return ", ".join(known) or empty


def kind_of(method: str, rows: Sequence[Row]) -> str:
    """Return whether a method is ``ours``, a ``network``, ``simple`` or ``random``."""
    if method in (ANOTUNER, PAPER):
        return "ours"
    if method == RANDOM:
        return "random"
    return "network" if any(r["network"] for r in rows if r["method"] == method) else "simple"
