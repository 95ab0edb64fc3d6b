"""Where a fault sits: the element of the plant that its members have in common.

A fault in series (a connector, an amplifier, a tap) touches exactly the modems downstream of it. So
the element is looked for whose modems agree best with the members; where nobody strays, it is the
lowest element that all of them hang on. One modem that joined a group by chance would push that
element up to the fiber node; here it only counts as a member elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from faultsight.core.plant import Plant
from faultsight.diagnose.faults.fault import FaultPlace

__all__ = ["confidence_of", "fault_place"]

_M_PER_DEGREE = 111_320.0
_LOWEST_FIRST = {"tap": 0, "amplifier": 1, "fiber node": 2}


def fault_place(
    plant: Plant, fnode: str, members: Collection[str], heard: Iterable[str]
) -> FaultPlace | None:
    """Return where a fault sits; None where the plant knows nothing of its members.

    Parameters
    ----------
    plant : Plant
        Topology, coordinates, or both.
    fnode : str
        The fiber node.
    members : collection of str
        The modems that the fault touches.
    heard : iterable of str
        All modems of the node that are polled: others cannot be members.

    Examples
    --------
    >>> import polars as pl
    >>> plant = Plant.from_table(pl.DataFrame({"device_id": list("abcd"), "fnode": ["F"] * 4,
    ...     "amplifier": ["A1", "A2", "A2", "A2"], "amplifier_parent": ["", "A1", "A1", "A1"]}))
    >>> place = fault_place(plant, "F", ["b", "c"], "abcd")
    >>> place.element, place.n_inside, place.n_downstream, place.n_outside
    ('A2', 2, 3, 0)
    """
    mine = {device for device in members if _is_at(plant, device, fnode)}
    if not mine:
        return None
    place = _element(plant, fnode, mine, {d for d in heard if _is_at(plant, d, fnode)} | mine)
    middle = _middle(plant, mine)
    if middle is None:
        return place
    latitude, longitude, radius_m = middle
    return replace(
        place or FaultPlace("area", "", len(mine), 0, 0),
        latitude=latitude,
        longitude=longitude,
        radius_m=radius_m,
    )


def confidence_of(place: FaultPlace | None) -> str:
    """Return in a word how well members agree with an element; empty where there is none.

    Strong: at least four in five of the modems downstream are members, and four in five of the
    members are downstream. Fair: more than half each. Else weak.

    Examples
    --------
    >>> confidence_of(FaultPlace("amplifier", "A2", 38, 41, 1))
    'strong'
    >>> confidence_of(FaultPlace("amplifier", "A2", 10, 41, 1))
    'weak'
    """
    if place is None or place.element_kind in ("area", "home"):
        return ""
    n_members = place.n_inside + place.n_outside
    agreement = min(place.n_inside / place.n_downstream, place.n_inside / n_members)
    return "strong" if agreement >= 0.8 else "fair" if agreement > 0.5 else "weak"


def _is_at(plant: Plant, device: str, fnode: str) -> bool:
    place = plant.places.get(device)
    return place is not None and place.fnode == fnode


def _element(plant: Plant, fnode: str, mine: set[str], heard: set[str]) -> FaultPlace | None:
    """Return the element with the best Jaccard index of members and modems downstream."""
    if not any(plant.places[device].amplifier for device in heard):
        return None
    below: dict[tuple[str, str], set[str]] = defaultdict(set)
    for device in heard:
        place = plant.places[device]
        below["fiber node", fnode].add(device)
        for amplifier in plant.upstream(fnode, place.amplifier):
            below["amplifier", amplifier].add(device)
        if place.tap:
            below["tap", place.tap].add(device)
    if len(mine) == 1:
        device = next(iter(mine))
        return FaultPlace("home", device, 1, 1, 0)
    found = []
    for (kind, name), downstream in below.items():
        inside = len(downstream & mine)
        share = inside / (len(downstream) + len(mine) - inside)
        # Of elements with the same modems the lowest: what lies above has been seen to work.
        found.append((-share, _LOWEST_FIRST[kind], len(downstream), kind, name))
    _, _, _, kind, name = min(
        found, key=lambda f: (f[0], f[1], -len(_path(plant, fnode, f[3], f[4])), f[4])
    )
    inside = len(below[kind, name] & mine)
    return FaultPlace(kind, name, inside, len(below[kind, name]), len(mine) - inside)


def _path(plant: Plant, fnode: str, kind: str, name: str) -> list[str]:
    return plant.upstream(fnode, name) if kind == "amplifier" else []


def _middle(plant: Plant, mine: set[str]) -> tuple[float, float, float] | None:
    """Return the middle of the members that have coordinates, and the way to the farthest."""
    places = [plant.places[device] for device in sorted(mine)]
    known = np.array(
        [(p.latitude, p.longitude) for p in places
         if p.latitude is not None and p.longitude is not None], np.float64,
    )  # fmt: skip
    if not len(known):
        return None
    middle = np.median(known, axis=0)
    # Flat around the middle: a fiber node spans kilometres, and never a pole.
    scale = np.array([1.0, np.cos(np.radians(middle[0]))]) * _M_PER_DEGREE
    away_m = np.sqrt((((known - middle) * scale) ** 2).sum(axis=1))
    latitude, longitude = middle.tolist()
    return round(latitude, 6), round(longitude, 6), round(float(away_m.max()), 1)
