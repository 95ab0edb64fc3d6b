"""A plot over time: from seconds and values to pixels, with grid, days and spans."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.svg import element, text_width, tooltip
from faultsight.diagnose.report.wording import MINUS, day, moment

__all__ = ["TimeAxes", "extent", "ticks"]

_DAY_S = 86_400
_STEPS_S = (3600, 3 * 3600, 6 * 3600, 12 * 3600, _DAY_S, 2 * _DAY_S, 7 * _DAY_S, 28 * _DAY_S)


@dataclass(frozen=True)
class TimeAxes:
    """A rectangle of a picture, and the times and values that it shows.

    Parameters
    ----------
    left, top, width, height : float
        The rectangle in pixels.
    time_range_s, value_range : (float, float)
        What is shown; values beyond are drawn on the edge.

    Examples
    --------
    >>> axes = TimeAxes(10, 0, 100, 50, (0.0, 10.0), (0.0, 5.0))
    >>> axes.x(5.0), axes.y(5.0)
    (60.0, 0.0)
    """

    left: float
    top: float
    width: float
    height: float
    time_range_s: tuple[float, float]
    value_range: tuple[float, float] = (0.0, 1.0)

    @property
    def right(self) -> float:
        """The right edge in pixels."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower edge in pixels."""
        return self.top + self.height

    def x(self, time_s: float) -> float:
        """Return the pixel of a moment."""
        low, high = self.time_range_s
        return self.left + self.width * (min(max(time_s, low), high) - low) / (high - low or 1.0)

    def y(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high = self.value_range
        return self.top + self.height * (high - min(max(value, low), high)) / (high - low or 1.0)

    def grid(self, about: int = 4) -> str:
        """Return horizontal lines at round values, with the values to the left."""
        drawn = []
        marks = ticks(*self.value_range, about)
        decimals = 1 if any(mark != round(mark) for mark in marks) else 0
        for mark in marks:
            y = self.y(mark)
            sign = "+" if mark > 0 else MINUS if mark < 0 else ""
            drawn.append(
                element("line", x1=self.left, x2=self.right, y1=y, y2=y,
                        class_="grid" if mark else "grid zero")
                + element("text", f"{sign}{abs(mark):.{decimals}f}", x=self.left - 6, y=y + 4,
                          class_="tick", text_anchor="end")
            )  # fmt: skip
        return "".join(drawn)

    def days(self) -> str:
        """Return moments below the plot."""
        first, last = self.time_range_s
        step_s = next(
            (s for s in _STEPS_S if self.width * s >= (last - first) * (46 if s >= _DAY_S else 82)),
            _STEPS_S[-1] * math.ceil((last - first) * 46 / self.width / _STEPS_S[-1]),
        )
        drawn = []
        told_until = -math.inf
        at = math.ceil(first / step_s) * step_s
        while at <= last:
            x = self.x(at)
            name = (day if step_s >= _DAY_S else moment)(at, with_year=False)
            half = text_width(name) / 2
            middle = min(max(x, self.left - 8 + half), self.right + 8 - half)
            drawn.append(element("line", x1=x, x2=x, y1=self.top, y2=self.bottom, class_="grid"))
            if middle - half > told_until:
                drawn.append(element("text", name, x=middle, y=self.bottom + 16, class_="tick",
                                     text_anchor="middle"))  # fmt: skip
                told_until = middle + half + 4
            at += step_s
        return "".join(drawn)

    def span(self, start_s: float, end_s: float, kind: str, told: str) -> str:
        """Return a band over the whole height."""
        x1, x2 = self.x(start_s), self.x(end_s)
        return element("rect", tooltip(told), x=x1, y=self.top, width=max(x2 - x1, 1),
                       height=self.height, class_=kind)  # fmt: skip

    def lines(
        self,
        times_s: NDArray[np.float64],
        values: NDArray[np.float64],
        kind: str,
        *,
        longest_s: float,
    ) -> str:
        """Return one path of many lines, a row each; what is too far apart is not joined.

        Parameters
        ----------
        times_s, values : array of shape (line, point)
            NaN where there is no point.
        kind : str
            The class.
        longest_s : float
            Points further apart have polls missing between them: nothing is drawn there.
        """
        drawn: list[str] = []
        for moments, row in zip(times_s, values, strict=True):
            known = np.isfinite(moments) & np.isfinite(row)
            before, x0, y0 = -math.inf, 0, 0
            low = high = 0  # of the pixel column that the pen is in
            is_dot = False
            for at, value in zip(moments[known].tolist(), row[known].tolist(), strict=True):
                x, y = round(self.x(at)), round(self.y(value))
                if at - before > longest_s:
                    drawn.append(f"{'h0' if is_dot else ''}M{x} {y}")
                    is_dot = True
                elif x == x0 and low <= y <= high:
                    before = at  # drawn already: what polls every minute stays small
                    continue
                else:
                    drawn.append(f"l{x - x0} {y - y0}")
                    is_dot = False
                low, high = (min(low, y), max(high, y)) if x == x0 and not is_dot else (y, y)
                x0, y0, before = x, y, at
            drawn.append("h0" if is_dot else "")
        path = "".join(drawn)
        return element("path", d=path, class_=kind) if path else ""


def extent(*series: NDArray[np.float64], least: float = 1.0) -> tuple[float, float]:
    """Return a range that holds all known values with some room, at least so wide.

    Examples
    --------
    >>> extent(np.array([0.0, np.nan, 10.0]))
    (-0.6, 10.6)
    """
    known = np.concatenate([np.empty(0), *(s[np.isfinite(s)].ravel() for s in series)])
    if not len(known):
        return 0.0, least
    low, high = float(known.min()), float(known.max())
    pad = max((high - low) * 0.06, (least - (high - low)) / 2, 0.0)
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
    return [round(n * step, 9) for n in range(first, math.floor(high / step + 1e-9) + 1)]
