"""Curves of a fault's members around it: what they measured, and the polls that are missing.

Lines are changes from each modem's own usual level, so that modems of very different levels can be
compared. A gap stays a gap: nothing is drawn across polls that are missing, which are marked below.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from faultsight.core.svg import drawing, element, escaped, tooltip
from faultsight.diagnose.report.axes import TimeAxes, extent
from faultsight.diagnose.report.fault_polls import FaultPolls
from faultsight.diagnose.report.svg import boxes
from faultsight.diagnose.report.wording import moment, plural

__all__ = ["answers", "curves"]

_MOST_LINES, _LEAST_LINES, _MOST_POINTS, _MOST_ROWS = 16, 4, 3000, 32
_NARROW = 4.0
_WIDTH, _LEFT, _TOP, _HEIGHT = 500, 46, 20, 150
_STRIP, _STRIP_GAP = 16, 26
_JOINED = 1.6
"""Polls further apart than this many intervals are not joined."""
_NAMES = {"snr_db": "SNR", "tx_power_dbmv": "Transmit power", "rx_power_dbmv": "Received power"}


def curves(seen: FaultPolls, metric: str) -> tuple[str, str]:
    """Return the picture of one metric and its caption; both empty where it was not collected."""
    members = seen.members
    if metric not in seen.polls.values or not len(members):
        return "", ""
    channel = seen.channel(metric)
    times, changes = seen.changes(metric, channel, members)
    # Where polls are frequent, fewer members are drawn: a page is to be mailed.
    n_lines = min(max(_MOST_POINTS // max(times.shape[1], 1), _LEAST_LINES), _MOST_LINES)
    drawn = members[_evenly(len(members), n_lines)]
    row_of = np.searchsorted(members, drawn)
    median_s, median = seen.by_round(times, changes)
    others = np.flatnonzero(~seen.is_member)
    other_s, other = np.empty(0), np.empty(0)
    if len(others) >= 5:
        other_s, other = seen.by_round(*seen.changes(metric, channel, others))
    axes = TimeAxes(
        _LEFT, _TOP, _WIDTH - _LEFT - 14, _HEIGHT, (seen.start_s, seen.end_s),
        extent(changes[row_of], median, other, least=4.0),
    )  # fmt: skip
    longest_s = _JOINED * seen.interval_s
    parts = [
        _fault_band(seen, axes),
        axes.days(),
        axes.grid(),
        axes.lines(times[row_of], changes[row_of], "one", longest_s=longest_s),
        axes.lines(other_s[None], other[None], "others", longest_s=longest_s),
        axes.lines(median_s[None], median[None], "median", longest_s=longest_s),
        _tickets(seen, axes),
        _missing_strip(seen, axes),
    ]
    name = f"{_NAMES[metric]}, channel {seen.polls.channels[channel]}"
    told = f"{name}: change from each modem's usual level, dB"
    height = _TOP + _HEIGHT + _STRIP_GAP + _STRIP + 4
    caption = f"<b>{escaped(name)}</b>, change from each modem's usual level, dB"
    if len(drawn) < len(members):
        caption += f". {len(drawn)} of {plural(len(members), 'member')} drawn; the median is of all"
    return drawing(told, "".join(parts), _WIDTH, height), caption + "."


def answers(seen: FaultPolls) -> tuple[str, str]:
    """Return who answered which round, a row for each member, and its caption."""
    missed, is_lost = seen.missed()
    if not len(missed):
        return "", ""
    rows = _evenly(len(missed), _MOST_ROWS)
    row_height = 5 if len(rows) > 12 else 10
    width, left = 1000, 8
    axes = TimeAxes(left, 20, width - left - 8, row_height * len(rows), (seen.start_s, seen.end_s))
    there: list[tuple[float, float, float, float]] = []
    gone: list[tuple[float, float, float, float]] = []
    lost: list[tuple[float, float, float, float]] = []
    edges = [axes.x(seen.round_start_s(place)) for place in range(missed.shape[1] + 1)]
    # Narrow columns are drawn as runs, without the lines between them.
    gap = 1.0 if edges[-1] - edges[0] >= _NARROW * len(is_lost) else 0.0
    for line, row in enumerate(rows.tolist()):
        state = np.where(is_lost, 2, missed[row].astype(np.int64))
        y = axes.top + row_height * line + 0.5
        for first, last in _runs(state, are_joined=not gap):
            x1, x2 = edges[first], edges[last + 1]
            if x2 - x1 > gap:
                box = (x1 + gap / 2, y, x2 - x1 - gap, row_height - 1.0)
                (there, gone, lost)[int(state[first])].append(box)
    parts = [
        boxes(there, "answer"), boxes(lost, "answer lost"), boxes(gone, "answer gone"),
        _edges(seen, axes), axes.days(), _tickets(seen, axes),
    ]  # fmt: skip
    caption = "<b>Answers</b>: a row for each member, a column for each round of polls"
    if len(rows) < len(missed):
        caption += f"; {len(rows)} of {plural(len(missed), 'member')}"
    picture = drawing("Which members answered which round of polls", "".join(parts), width,
                      axes.bottom + 22)  # fmt: skip
    return picture, caption + "."


def _evenly(n: int, most: int) -> NDArray[np.int64]:
    """Return at most so many of n places, spread evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def _runs(state: NDArray[np.int64], *, are_joined: bool) -> list[tuple[int, int]]:
    """Return first and last place of each run of one state; each place by itself if not joined.

    >>> _runs(np.array([0, 0, 1]), are_joined=True), _runs(np.array([0, 0]), are_joined=False)
    ([(0, 1), (2, 2)], [(0, 0), (1, 1)])
    """
    if not are_joined:
        return [(place, place) for place in range(len(state))]
    starts = np.flatnonzero(np.append(True, np.diff(state) != 0)).tolist()
    return list(zip(starts, [start - 1 for start in starts[1:]] + [len(state) - 1], strict=True))


def _fault_band(seen: FaultPolls, axes: TimeAxes) -> str:
    told = f"The fault: {moment(seen.fault.start_s)} to {moment(seen.fault.end_s)} UTC"
    return axes.span(seen.fault.start_s, seen.fault.end_s, "span", told)


def _edges(seen: FaultPolls, axes: TimeAxes) -> str:
    """Return the fault's span as a frame, where a band would hide what lies below."""
    x1, x2 = axes.x(seen.fault.start_s), axes.x(seen.fault.end_s)
    return element("rect", x=x1, y=axes.top - 3, width=x2 - x1, height=axes.height + 6,
                   class_="edge")  # fmt: skip


def _tickets(seen: FaultPolls, axes: TimeAxes) -> str:
    drawn = []
    for ticket in seen.fault.tickets:
        if not seen.start_s <= ticket.opened_s < seen.end_s:
            continue
        x, y = axes.x(ticket.opened_s), axes.top - 4
        kind = "maintenance" if ticket.is_maintenance else "service"
        told = f"{kind} ticket of {ticket.device_id}, {moment(ticket.opened_s)} UTC"
        drawn.append(
            element("path", tooltip(told), d=f"M{x:.1f} {y}l-5 -9h10z", class_=f"ticket {kind}")
        )
    return "".join(drawn)


def _missing_strip(seen: FaultPolls, axes: TimeAxes) -> str:
    """Return a bar for each round, as high as the share of members that missed it.

    Where rounds are narrower than a bar can be, a bar shows the worst of several.
    """
    missed, is_lost = seen.missed()
    share = missed.mean(axis=0)
    base = axes.bottom + _STRIP_GAP + _STRIP
    bars: list[tuple[float, float, float, float]] = []
    lost: list[tuple[float, float, float, float]] = []
    together = max(math.ceil(len(share) * 3.0 / axes.width), 1)  # rounds in a bar
    for first in range(0, len(share), together):
        part = slice(first, first + together)
        x1 = axes.x(seen.round_start_s(first))
        x2 = axes.x(seen.round_start_s(min(first + together, len(share))))
        most = float(share[part].max())
        if x2 - x1 < 0.5 or most <= 0:
            continue
        high = max(_STRIP * most, 1.5)
        box = (x1 + 0.5, base - high, max(x2 - x1 - 1, 1.0), high)
        (lost if is_lost[part].all() else bars).append(box)
    return (
        element("line", x1=axes.left, x2=axes.right, y1=base, y2=base, class_="axis")
        + element("text", "missing", x=axes.left - 4, y=base, class_="tick small",
                  text_anchor="end")
        + boxes(lost, "missing lost")
        + boxes(bars, "missing")
    )  # fmt: skip
