"""Colours and axes of the page's pictures."""

from __future__ import annotations

import itertools
import math

from faultsight.localize.wording import MINUS

__all__ = ["axis_labels", "colour", "ticks"]

_LEVELS = (0.05, 0.2, 0.45, 0.7)


def colour(deviation: float) -> str:
    """Return the class of a relative deviation in [-1, 1]: d4 ... d1, z0, r1 ... r4.

    Examples
    --------
    >>> [colour(v) for v in (-0.9, -0.1, 0.0, 0.3, 1.0)]
    ['d4', 'd1', 'z0', 'r2', 'r4']
    """
    level = sum(abs(deviation) >= limit for limit in _LEVELS)
    return f"{'z' if not level else 'd' if deviation < 0 else 'r'}{level}"


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Return round numbers from low to high.

    Examples
    --------
    >>> ticks(0, 97), ticks(3, 3)
    ([0.0, 20.0, 40.0, 60.0, 80.0], [3])
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.8)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def axis_labels(values: list[float]) -> list[str]:
    """Return the marks of an axis in one unit, with as many decimals as tell them apart.

    Examples
    --------
    >>> axis_labels([989_500, 990_000, 990_500]), axis_labels([0, 0.5, 1])
    (['989.5 k', '990.0 k', '990.5 k'], ['0.0', '0.5', '1.0'])
    """
    largest = max((abs(value) for value in values), default=0.0)
    power = min(int(math.log10(largest) // 3), 6) if largest >= 100_000 else 0
    scaled = [value / 1000.0**power for value in values]
    step = min((abs(b - a) for a, b in itertools.pairwise(scaled)), default=1.0) or 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    unit = " " + "kMGTPE"[power - 1] if power else ""
    return [f"{value:,.{decimals}f}{unit}".replace("-", MINUS) for value in scaled]
