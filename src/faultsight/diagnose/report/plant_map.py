"""Where a fault sits: the tree of amplifiers with a dot for each modem, and the map of homes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from faultsight.core.plant import ModemPlace, Plant
from faultsight.core.svg import drawing, element, label, text_width
from faultsight.diagnose.faults import Fault
from faultsight.diagnose.report.svg import dots

__all__ = ["amplifier_tree", "street_map"]

_ROW, _INDENT, _DOT, _TAP_GAP, _PER_LINE = 18, 16, 8, 5, 64
_MOST_ROWS = 60
_MAP = 340
_M_PER_DEGREE = 111_320.0


def amplifier_tree(plant: Plant, fault: Fault, heard: Collection[str]) -> tuple[str, str]:
    """Return the tree of the fiber node with the fault's members, and its caption.

    Both are empty where no amplifier is known.
    """
    here = {d: p for d, p in plant.places.items() if p.fnode == fault.fnode}
    if not any(place.amplifier for place in here.values()):
        return "", ""
    members = fault.lasting_members
    order = _preorder(plant, fault.fnode, here.values())
    blamed = _blamed(plant, fault)
    shown = _shown(plant, fault, order, here, blamed)
    names = [row.name or fault.fnode for row in shown]
    left = 14 + max(
        _INDENT * row.depth + text_width(name) for row, name in zip(shown, names, strict=True)
    )
    left = min(left + 14, 260)
    y = 6.0
    bands, lines, texts = [], [], []
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    at: dict[str, float] = {}
    ends = [320.0]
    for row, name in zip(shown, names, strict=True):
        homes = _by_tap(here, row.name)
        n_lines = max(-(-len(homes) // _PER_LINE), 1)
        height = _ROW * n_lines
        if row.name in blamed:
            bands.append((y, height))
        x = 14 + _INDENT * row.depth
        at[row.name] = y + _ROW / 2
        if row.depth:
            above = at.get(row.parent, y)
            elbow = x - _INDENT + 5
            lines.append(
                element("path", d=f"M{elbow:.0f} {above + 6:.0f}V{y + _ROW / 2:.0f}H{x - 2:.0f}",
                        class_="branch")
            )  # fmt: skip
        told = members & {place.device_id for place in homes}
        is_here = fault.place is not None and name == fault.place.element
        texts.append(label(x, y + 13, name, left - x - 6,
                           class_="strong" if is_here else "" if told else "tick"))  # fmt: skip
        for n, (place, gap) in enumerate(zip(homes, _gaps(homes), strict=True)):
            spot = left + _DOT * (n % _PER_LINE) + gap, y + _ROW * (n // _PER_LINE) + _ROW / 2
            device = place.device_id
            points["in" if device in members else "out" if device in heard else "mute"].append(spot)
        if told:
            end = left + _DOT * min(len(homes), _PER_LINE) + max(_gaps(homes)) + 6
            texts.append(element("text", f"{len(told)} of {len(homes)}", x=end, y=y + 13,
                                 class_="tick small"))  # fmt: skip
            ends.append(end + 40)
        y += height
    width = max(*ends, *(x + 14 for group in points.values() for x, _ in group))
    drawn = [
        element("rect", x=4, y=top, width=width - 8, height=high, class_="blamed")
        for top, high in _merged(bands)
    ]
    drawn += [*lines, *texts]
    drawn.append(dots(points["mute"], "dot mute"))
    drawn.append(dots(points["out"], "dot out") + dots(points["out"], "dot hole"))
    drawn.append(dots(points["in"], "dot in"))
    caption = (
        "<b>Amplifiers and modems</b>: a dot for each modem, taps apart; filled ones are members"
    )
    hidden = len(order) - len(shown)
    if hidden > 0:
        caption += f"; {hidden} amplifiers without a member are left out"
    title = f"Tree of amplifiers of {fault.fnode} with the fault's members"
    return drawing(title, "".join(drawn), width, y + 6, keeps_size=True), caption + "."


def street_map(plant: Plant, fault: Fault) -> tuple[str, str]:
    """Return the homes of the fiber node by their coordinates; empty where none are known."""
    places = sorted(
        (p for p in plant.places.values()
         if p.fnode == fault.fnode and p.latitude is not None and p.longitude is not None),
        key=lambda p: p.device_id,
    )  # fmt: skip
    if len(places) < 2:
        return "", ""
    degrees = np.array([(p.longitude, p.latitude) for p in places], np.float64)
    middle = degrees.mean(axis=0)
    metres = (degrees - middle) * [np.cos(np.radians(middle[1])), 1.0] * _M_PER_DEGREE
    low, high = metres.min(axis=0), metres.max(axis=0)
    size_m = max(float((high - low).max()), 1.0)
    scale = (_MAP - 24) / size_m
    spots = (metres - (low + high) / 2) * scale * [1.0, -1.0] + _MAP / 2
    members = fault.lasting_members
    inside = [p.device_id in members for p in places]
    out = [(x, y) for (x, y), told in zip(spots.tolist(), inside, strict=True) if not told]
    own = [(x, y) for (x, y), told in zip(spots.tolist(), inside, strict=True) if told]
    bar_m = _round_length(size_m / 4)
    x0, y0 = 2, _MAP + 16
    drawn = [
        element("rect", x=0.5, y=0.5, width=_MAP - 1, height=_MAP - 1, rx=4, class_="panel"),
        dots(out, "dot out") + dots(out, "dot hole") + dots(own, "dot in"),
        element("path", d=f"M{x0} {y0 - 4}V{y0}H{x0 + bar_m * scale:.1f}V{y0 - 4}", class_="axis"),
        element("text", f"{bar_m:g} m", x=x0 + bar_m * scale + 6, y=y0 + 1, class_="tick"),
    ]
    picture = drawing(f"Homes of {fault.fnode}; north is up", "".join(drawn), _MAP, _MAP + 22)
    return picture, "<b>Homes</b>, north is up."


@dataclass(frozen=True)
class _Row:
    name: str
    parent: str
    depth: int


def _preorder(plant: Plant, fnode: str, places: Collection[ModemPlace]) -> list[_Row]:
    """Return the fiber node (an empty name) and its amplifiers, each before what hangs on it."""
    children: dict[str, set[str]] = defaultdict(set)
    for place in places:
        path = plant.upstream(fnode, place.amplifier)
        for amplifier, before in zip(path, [*path[1:], ""], strict=True):
            children[before].add(amplifier)
    rows: list[_Row] = []
    waiting = [_Row("", "", 0)]
    while waiting:
        row = waiting.pop()
        rows.append(row)
        below = sorted(children[row.name], reverse=True)
        waiting += [_Row(name, row.name, row.depth + 1) for name in below]
    return rows


def _blamed(plant: Plant, fault: Fault) -> set[str]:
    """Return the amplifiers at or downstream of the element that is blamed."""
    place = fault.place
    if place is None or place.element_kind not in ("amplifier", "tap"):
        return set()
    found = set()
    for modem in plant.places.values():
        if modem.fnode != fault.fnode:
            continue
        path = plant.upstream(fault.fnode, modem.amplifier)
        if place.element_kind == "tap" and modem.tap == place.element:
            found.add(modem.amplifier)
        elif place.element_kind == "amplifier" and place.element in path:
            found.update(path[: path.index(place.element) + 1])
    return found


def _shown(
    plant: Plant,
    fault: Fault,
    order: Sequence[_Row],
    here: Mapping[str, ModemPlace],
    blamed: set[str],
) -> list[_Row]:
    """Return the rows that fit: in a large node those that lead to members."""
    if len(order) <= _MOST_ROWS:
        return list(order)
    kept = {""} | blamed
    for device in sorted(fault.lasting_members & here.keys()):
        kept.update(plant.upstream(fault.fnode, here[device].amplifier))
    return [row for row in order if row.name in kept][:_MOST_ROWS]


def _by_tap(here: Mapping[str, ModemPlace], amplifier: str) -> list[ModemPlace]:
    mine = [place for place in here.values() if place.amplifier == amplifier]
    return sorted(mine, key=lambda place: (place.tap, place.device_id))


def _gaps(homes: Sequence[ModemPlace]) -> list[float]:
    """Return by how much each home is moved to the right, so that taps stand apart."""
    gaps, gap = [], 0.0
    for n, home in enumerate(homes):
        if n % _PER_LINE == 0:
            gap = 0.0
        elif home.tap != homes[n - 1].tap:
            gap += _TAP_GAP
        gaps.append(gap)
    return gaps


def _merged(bands: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for top, high in bands:
        if merged and merged[-1][0] + merged[-1][1] >= top:
            merged[-1] = merged[-1][0], top + high - merged[-1][0]
        else:
            merged.append((top, high))
    return merged


def _round_length(metres: float) -> float:
    power = 10.0 ** np.floor(np.log10(metres))
    return float(max(m * power for m in (1, 2, 5) if m * power <= metres))
