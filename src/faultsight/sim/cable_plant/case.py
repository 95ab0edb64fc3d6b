"""Labelled cases for clustering: one fiber node, one look-back window, so many faults and no other.

The paper's labelled set holds groups of more than five modems with one anomalous pattern, and
single modems with their own. So maintenance faults here hit part of a fiber node and not all of it,
and each fault surely shows in the metric of the case, comes and goes within the look-back window,
and shares no modem with another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.courses import Course, telegraph
from faultsight.sim.cable_plant.faults import PlantFault, draw_effect, draw_place, numbered
from faultsight.sim.cable_plant.node import SimulatedNode, simulated
from faultsight.sim.cable_plant.topology import NodeTopology, node_topology
from faultsight.sim.cable_plant.weather import weather

__all__ = ["CASE_TYPES", "simulate_case"]

CASE_TYPES: dict[str, tuple[str, ...]] = {
    "snr_db": ("attenuation", "segment_distortion", "suck_out"),
    "tx_power_dbmv": ("attenuation", "suck_out", "amplifier_gain_loss"),
}
"""Maintenance faults of part of a fiber node that show in a metric, whatever the modem's level."""

_SERVICE_TYPE = "loose_drop"
_DAY_S = 86_400
_EARLIEST_DAYS = 2.0
_MOST_TRIES = 1000


def simulate_case(
    config: CablePlantConfig,
    index: int,
    *,
    seed: int = 0,
    n_maintenance: int = 1,
    n_service: int = 7,
    history_days: int = 0,
    look_back_days: int = 1,
    metric: str = "snr_db",
    maintenance_types: Sequence[str] | None = None,
) -> SimulatedNode:
    """Return a fiber node with exactly so many faults, all active in the last days.

    Parameters
    ----------
    config : CablePlantConfig
        Physics and polling; its days and rates do not count.
    index, seed : int
        Which case of which set.
    n_maintenance, n_service : int
        Faults that hit a group of modems, and faults that hit one.
    history_days, look_back_days : int
        Days before the window, in which faults may begin up to two days early; days of the window.
    metric : {"snr_db", "tx_power_dbmv"}
        What every fault shows in.
    maintenance_types : sequence of str, optional
        Which of `CASE_TYPES` may be; all of the metric, in the shares of the config, if not given.

    Returns
    -------
    SimulatedNode
        With ``label``: the row in the table of faults plus one; 0 is healthy.

    Raises
    ------
    SettingError
        If the metric or a type is not known, or so many faults do not fit.

    Examples
    --------
    >>> case = simulate_case(CablePlantConfig(), 0, n_service=3)
    >>> case.faults.height, int(case.label.max()), bool((np.bincount(case.label)[1:] >= 1).all())
    (4, 4, True)
    """
    if metric not in CASE_TYPES:
        raise SettingError(f"a case is of {' or '.join(CASE_TYPES)}, not of {metric!r}")
    types = CASE_TYPES[metric] if maintenance_types is None else tuple(maintenance_types)
    for name in types:
        if name not in CASE_TYPES[metric]:
            raise SettingError(
                f"{name!r} does not surely show in {metric}; {', '.join(CASE_TYPES[metric])} do"
            )
    config = replace(config, days=history_days + look_back_days)
    tree = node_topology(config, index, seed=seed)
    stream = random_stream(seed, "cable", tree.fnode, "case", metric)
    shares = np.array([config.maintenance_mix.get(name, 0.0) for name in types])
    if n_maintenance and not shares.sum() > 0:
        raise SettingError("the mix of maintenance faults has none that shows in this metric")
    free = np.ones(tree.n_devices, np.bool_)
    faults = []
    for number in range(n_maintenance + n_service):
        is_maintenance = number < n_maintenance
        name = _SERVICE_TYPE
        if is_maintenance:
            name = types[int(stream.choice(len(types), p=shares / shares.sum()))]
        element_kind, element, members = _free_place(config, tree, name, free, stream)
        free[members] = False
        early_s = min(history_days, _EARLIEST_DAYS) * _DAY_S * stream.random()
        start_s = config.end_s - look_back_days * _DAY_S - round(early_s)
        course = _active_course(config, start_s, look_back_days, stream)
        faults.append(PlantFault(
            "", "maintenance" if is_maintenance else "service", name, "telegraph", element_kind,
            element, members, start_s, config.end_s, course, draw_effect(config, name, stream),
        ))  # fmt: skip
    faults = numbered(tree.fnode, faults)
    label = np.zeros(tree.n_devices, np.int64)
    for row, fault in enumerate(faults):
        label[fault.members] = row + 1
    return simulated(config, tree, weather(config, seed=seed), faults, seed=seed, label=label)


def _free_place(
    config: CablePlantConfig,
    tree: NodeTopology,
    name: str,
    free: NDArray[np.bool_],
    stream: np.random.Generator,
) -> tuple[str, str, NDArray[np.int64]]:
    for _ in range(_MOST_TRIES):
        place = draw_place(config, tree, name, stream)
        if free[place[2]].all():
            return place
    raise SettingError(f"no room is left in {tree.fnode} for one more {name}")


def _active_course(
    config: CablePlantConfig, start_s: int, look_back_days: int, stream: np.random.Generator
) -> Course:
    """Draw dwells that are on for one interval of polling at least within the window."""
    window_s = config.end_s - look_back_days * _DAY_S
    for _ in range(_MOST_TRIES):
        course = telegraph(
            config, start_s, config.end_s, stream, starts_on=bool(stream.random() < 0.5)
        )
        on_s = sum(
            max(end_s - max(begin_s, window_s), 0)
            for begin_s, end_s in course.active(config.active_level)
        )
        if on_s >= config.interval_s:
            return course
    raise SettingError("dwells are too long, or the window too short, to see a fault in it")
