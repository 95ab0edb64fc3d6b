"""A plot's axes: from numbers to pixels, with grid, curves, spans and marks on time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.core.svg import element, text_width, tooltip
from faultsight.detect.metrics import segments
from faultsight.detect.report.wording import MINUS, moment, number

__all__ = ["Axes", "extent", "ticks"]

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Axes:
    """A rectangle of a picture, and the ranges of x and y that it shows.

    Parameters
    ----------
    left, top, width, height : float
        The rectangle in pixels.
    x_range, y_range : tuple of float
        Lowest and highest value shown; what lies beyond is drawn on the edge.
    is_log : bool
        Whether y is drawn by its logarithm; its range is then above 0.

    Examples
    --------
    >>> axes = Axes(10, 0, 100, 50, (0.0, 10.0), (0.1, 10.0), is_log=True)
    >>> axes.x(5.0), axes.y(1.0)
    (60.0, 25.0)
    """

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    is_log: bool = False

    @property
    def right(self) -> float:
        """The right edge in pixels."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower edge in pixels."""
        return self.top + self.height

    def x(self, value: float) -> float:
        """Return the pixel of a value on the horizontal axis."""
        return float(self._xs(np.array([value], dtype=np.float64))[0])

    def y(self, value: float) -> float:
        """Return the pixel of a value on the vertical axis."""
        return float(self._ys(np.array([value], dtype=np.float64))[0])

    def grid(self, about: int = 4) -> str:
        """Return horizontal lines at round values, with the values to the left."""
        low, high = self.y_range
        if self.is_log:
            marks = _powers(low, high)
            names = [number(mark) for mark in marks]
        else:
            marks = ticks(low, high, about)
            names = _tick_labels(marks)
        drawn = []
        for mark, name in zip(marks, names, strict=True):
            y = self.y(mark)
            drawn.append(element("line", x1=self.left, x2=self.right, y1=y, y2=y, class_="grid"))
            drawn.append(element("text", name, x=self.left - 7, y=y + 4, class_="tick",
                                 text_anchor="end"))  # fmt: skip
        return "".join(drawn)

    def time_axis(self, start_s: int, interval_s: int) -> str:
        """Return moments below the plot where x counts rows from `start_s`."""
        low, high = self.x_range
        first_s, span_s = start_s + low * interval_s, (high - low) * interval_s
        step_s = _time_step(span_s, self.width)
        drawn = []
        free_from = -math.inf
        at_s = math.ceil(first_s / step_s) * step_s
        while at_s <= first_s + span_s:
            x = self.x((at_s - start_s) / interval_s)
            name = moment(at_s, with_year=False)
            name = name[:5] if step_s % 86_400 == 0 else name
            drawn.append(element("line", x1=x, x2=x, y1=self.bottom, y2=self.bottom + 4,
                                 class_="grid"))  # fmt: skip
            # A name at the right edge would be cut off.
            middle = min(x, self.right + _MARGIN - text_width(name) / 2)
            half = text_width(name) / 2
            if middle - half >= free_from:  # else it would run into the one before
                drawn.append(element("text", name, x=middle, y=self.bottom + 17, class_="tick",
                                     text_anchor="middle"))  # fmt: skip
                free_from = middle + half
            at_s += step_s
        return "".join(drawn)

    def curve(self, values: Array, kind: str, *, first: float = 0.0) -> str:
        """Return a line through values at x = first, first + 1, ...; with gaps where NaN."""
        xs, values = _thinned(first + np.arange(len(values)), values, self.width)
        known = np.isfinite(values)
        pixels = zip(self._xs(xs), self._ys(np.where(known, values, 1.0)), known, strict=True)
        commands, is_down, lonely = [], False, []
        for n, (x, y, is_known) in enumerate(pixels):
            if is_known:
                commands.append(f"{'L' if is_down else 'M'}{x:.1f} {y:.1f}")
                if not is_down and not (n + 1 < len(known) and known[n + 1]):
                    lonely.append(element("circle", cx=x, cy=y, r=1.5, class_=f"{kind} point"))
            is_down = bool(is_known)
        path = element("path", d="".join(commands), class_=kind) if commands else ""
        return path + "".join(lonely)

    def spans(self, mask: NDArray[np.bool_], kind: str, told: str, *, first: int = 0) -> str:
        """Return a band over the whole height for each run of rows; row r covers r to r + 1."""
        return self._boxes(mask, kind, told, first, (self.top, self.height))

    def marks(self, mask: NDArray[np.bool_], kind: str, told: str, *, first: int = 0) -> str:
        """Return a bar on the upper edge for each run of rows."""
        return self._boxes(mask, kind, told, first, (self.top - 7, 5))

    def rule(self, value: float, kind: str) -> str:
        """Return a horizontal line."""
        y = self.y(value)
        return element("line", x1=self.left, x2=self.right, y1=y, y2=y, class_=kind)

    def _boxes(
        self, mask: NDArray[np.bool_], kind: str, told: str, first: int, at: tuple[float, float]
    ) -> str:
        boxes: list[list[float]] = []
        for start, stop in segments(mask).tolist():
            x1, x2 = self.x(first + start), self.x(first + stop)
            # What lies in one pixel is one box, however many rows it has.
            if boxes and x1 - boxes[-1][1] < 0.5:
                boxes[-1][1] = x2
            else:
                boxes.append([x1, max(x2, x1 + 1.5)])
        content = tooltip(told) if told else ""
        return "".join(
            element("rect", content, x=x1, y=at[0], width=x2 - x1, height=at[1], class_=kind)
            for x1, x2 in boxes
        )

    def _xs(self, values: Array) -> Array:
        low, high = self.x_range
        share = (np.clip(values, low, high) - low) / (high - low or 1.0)
        return np.asarray(self.left + self.width * share)

    def _ys(self, values: Array) -> Array:
        low, high = self.y_range
        values = np.clip(values, low, high)
        if self.is_log:
            values, low, high = np.log(values), math.log(low), math.log(high)
        return np.asarray(self.top + self.height * (high - values) / (high - low or 1.0))


_MARGIN = 12
"""Pixels that a picture has to the right of its plots, at least."""

_TIME_STEPS_S = (
    60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400, 7 * 86_400,
    14 * 86_400, 28 * 86_400,
)  # fmt: skip


def extent(*series: Array, room: float = 0.06) -> tuple[float, float]:
    """Return a range that holds all known values with some room; (0, 1) where none is known.

    Examples
    --------
    >>> extent(np.array([0.0, np.nan]), np.array([10.0]), room=0.1)
    (-1.0, 11.0)
    """
    known = [values[np.isfinite(values)] for values in series]
    together = np.concatenate([np.empty(0), *known]).astype(np.float64)
    if not together.size:
        return 0.0, 1.0
    low, high = float(together.min()), float(together.max())
    pad = (high - low) * room or abs(high) * room or 1.0
    return low - pad, high + pad


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


def _time_step(span_s: float, width: float) -> int:
    """Return the least step whose names stand apart: dates are shorter than times."""
    for step_s in _TIME_STEPS_S:
        if width * step_s >= span_s * (58 if step_s % 86_400 == 0 else 92):
            return step_s
    return _TIME_STEPS_S[-1] * math.ceil(span_s * 58 / width / _TIME_STEPS_S[-1])


def _tick_labels(values: Sequence[float]) -> list[str]:
    """Return marks in one unit, with as many decimals as tell them apart.

    >>> _tick_labels([989_500, 990_000]), _tick_labels([0, 0.5, 1])
    (['989.5 k', '990.0 k'], ['0.0', '0.5', '1.0'])
    """
    largest = max((abs(value) for value in values), default=0.0)
    power = min(int(math.log10(largest) // 3), 6) if largest >= 100_000 else 0
    scaled = [value / 1000.0**power for value in values]
    step = min((abs(b - a) for a, b in itertools.pairwise(scaled)), default=1.0) or 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 4:
        return [number(value) for value in values]
    unit = " " + "kMGTPE"[power - 1] if power else ""
    return [f"{value:,.{decimals}f}{unit}".replace("-", MINUS) for value in scaled]


def _powers(low: float, high: float) -> list[float]:
    """Return powers of ten from low to high, fewer where there are many."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max((last - first) // 4, 1)
    # 1 is the deployed level: it is always among them.
    return [10.0**power for power in range(first, last + 1) if power % step == 0]


def _thinned(xs: Array, values: Array, width: float) -> tuple[Array, Array]:
    """Return the least and greatest value of every half pixel where there are many more."""
    n_bins = max(int(2 * width), 1)
    if len(values) <= 2 * n_bins:
        return xs, values
    size = math.ceil(len(values) / n_bins)
    short = -len(values) % size
    padded = np.concatenate([values, np.full(short, np.nan)]).reshape(-1, size)
    known = np.isfinite(padded)
    low = np.where(known, padded, np.inf).argmin(axis=1)
    high = np.where(known, padded, -np.inf).argmax(axis=1)
    start = np.arange(len(padded)) * size
    kept = np.minimum(np.stack([start + np.minimum(low, high), start + np.maximum(low, high)], 1),
                      len(values) - 1).ravel()  # fmt: skip
    return xs[kept], values[kept]
