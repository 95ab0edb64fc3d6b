"""The critical-difference diagram: methods on an axis of mean ranks, bars over those alike.

As in J. Demšar, JMLR 7, 2006, Figure 1; the best method is on the left.
"""

from __future__ import annotations

import math

from faultsight.bench.mean_ranks import Ranking
from faultsight.core.svg import drawing, element, escaped, tooltip
from faultsight.detect.report.axes import Axes

__all__ = ["rank_diagram"]

_WIDTH, _SIDE, _TOP = 820.0, 216.0, 62.0
_ROW, _BAR = 18.0, 7.0
_MOST_TICKS = 13


def rank_diagram(ranking: Ranking, title: str) -> str:
    """Return the diagram as SVG; without a critical difference no bars are drawn.

    Examples
    --------
    >>> from faultsight.bench.mean_ranks import rank_methods
    >>> found = rank_methods({name: {"a": 0.3, "b": 0.2, "c": 0.1} for name in ("A", "B", "C")})
    >>> svg = rank_diagram(found, "mean ranks")
    >>> svg.count('class="leader"'), svg.count('class="alike"')
    (3, 2)
    """
    n_methods = len(ranking.methods)
    axis = Axes(_SIDE, _TOP, _WIDTH - 2 * _SIDE, 0.0, (1.0, float(max(n_methods, 2))), (0.0, 1.0))
    groups = ranking.groups if ranking.difference is not None else []
    half = math.ceil(n_methods / 2)
    first_y = _TOP + 16 + _BAR * len(groups)
    drawn = [_scale(axis, n_methods), _difference(axis, ranking)]
    for place, (method, rank) in enumerate(zip(ranking.methods, ranking.ranks, strict=True)):
        is_left = place < half
        # On the right the last is on top, so that no line crosses another.
        y = first_y + _ROW * (place if is_left else n_methods - 1 - place)
        drawn.append(_method(axis, ranking, method, rank, y, is_left=is_left))
    for level, (first, last) in enumerate(groups):
        drawn.append(_alike(axis, ranking, first, last, _TOP + 9 + _BAR * level))
    return drawing(title, "".join(drawn), _WIDTH, first_y + _ROW * half)


def _scale(axis: Axes, n_methods: int) -> str:
    drawn = [element("line", x1=axis.left, x2=axis.right, y1=_TOP, y2=_TOP, class_="axis")]
    for rank in range(1, n_methods + 1, max(math.ceil(n_methods / _MOST_TICKS), 1)):
        x = axis.x(rank)
        drawn.append(element("line", x1=x, x2=x, y1=_TOP - 5, y2=_TOP, class_="axis"))
        drawn.append(element("text", str(rank), x=x, y=_TOP - 9, class_="tick",
                             text_anchor="middle"))  # fmt: skip
    return "".join(drawn)


def _difference(axis: Axes, ranking: Ranking) -> str:
    """Return how far the critical difference reaches."""
    if ranking.difference is None:
        return ""
    start, end = axis.left, axis.x(1 + ranking.difference)
    path = f"M{start:.1f} 20V28M{start:.1f} 24H{end:.1f}M{end:.1f} 20V28"
    told = f"critical difference {ranking.difference:.2f}"
    return element("path", d=path, class_="axis") + element(
        "text", told, x=start, y=14, class_="tick"
    )


def _method(
    axis: Axes, ranking: Ranking, method: str, rank: float, y: float, *, is_left: bool
) -> str:
    end = axis.left - 8 if is_left else axis.right + 8
    name, told = escaped(method), element("tspan", f"{rank:.2f}", class_="small")
    return element(
        "path", d=f"M{axis.x(rank):.1f} {_TOP:.1f}V{y:.1f}H{end:.1f}", class_="leader"
    ) + element(
        "text",
        f"{name} {told}" if is_left else f"{told} {name}",
        x=end - 4 if is_left else end + 4,
        y=y + 4,
        class_="strong" if method in ranking.like_first else "name",
        text_anchor="end" if is_left else "start",
    )


def _alike(axis: Axes, ranking: Ranking, first: int, last: int, y: float) -> str:
    told = tooltip(f"not told apart: {', '.join(ranking.methods[first : last + 1])}")
    start, end = axis.x(ranking.ranks[first]) - 3, axis.x(ranking.ranks[last]) + 3
    return element("line", told, x1=start, x2=end, y1=y, y2=y, class_="alike")
