"""What really happened in a fiber node, as tables and as states of modems in windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from faultsight.sim.cable_plant.calls import MOMENT
from faultsight.sim.cable_plant.config import CablePlantConfig
from faultsight.sim.cable_plant.faults import FAULT_TYPES, PlantFault
from faultsight.sim.cable_plant.topology import NodeTopology
from faultsight.sim.cable_plant.weather import HOUR_S

__all__ = ["NodeStates", "node_states", "truth_tables"]


@dataclass(frozen=True, eq=False)
class NodeStates:
    """What was wrong with each modem in each window.

    Attributes
    ----------
    maintenance_active_h, service_active_h : array of shape (window, device)
        float32; hours of the window in which at least one such fault acts on the modem.
    maintenance_exists_h, service_exists_h : array of shape (window, device)
        float32; hours between beginning and repair of at least one such fault, quiet ones too.
    maintenance_fault, service_fault : array of shape (window, device)
        int32; the row in the table of faults of the one that is active longest; -1 is none.
    """

    maintenance_active_h: NDArray[np.float32]
    service_active_h: NDArray[np.float32]
    maintenance_exists_h: NDArray[np.float32]
    service_exists_h: NDArray[np.float32]
    maintenance_fault: NDArray[np.int32]
    service_fault: NDArray[np.int32]


def truth_tables(
    config: CablePlantConfig, tree: NodeTopology, faults: Sequence[PlantFault]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the tables of faults, of affected modems, and of the spans in which faults act."""
    devices = pl.Series(tree.device_ids, dtype=pl.String)
    told = pl.DataFrame(
        [
            (f.fault_id, tree.fnode, f.kind, f.type, f.pattern, f.element_kind, f.element,
             f.start_s * 1_000_000, f.end_s * 1_000_000, len(f.members),
             ";".join(FAULT_TYPES[f.type]))
            for f in faults
        ],
        schema={
            "fault_id": pl.String, "fnode": pl.String, "kind": pl.String, "type": pl.String,
            "pattern": pl.String, "element_kind": pl.String, "element": pl.String,
            "start": pl.Int64, "end": pl.Int64, "n_affected": pl.Int64, "metrics": pl.String,
        },
        orient="row",
    ).with_columns(pl.col("start", "end").cast(MOMENT))  # fmt: skip
    ids = pl.Series([f.fault_id for f in faults], dtype=pl.String)
    sizes = np.array([len(f.members) for f in faults], np.int64)
    members = np.concatenate([f.members for f in faults]) if faults else np.zeros(0, np.int64)
    affected = pl.DataFrame(
        {
            "fault_id": ids.gather(np.repeat(np.arange(len(faults)), sizes)),
            "device_id": devices.gather(members),
        }
    )
    spans = [
        (f.fault_id, start_s * 1_000_000, end_s * 1_000_000)
        for f in faults
        for start_s, end_s in f.course.active(config.active_level)
    ]
    activity = pl.DataFrame(
        spans, schema={"fault_id": pl.String, "start": pl.Int64, "end": pl.Int64}, orient="row"
    ).with_columns(pl.col("start", "end").cast(MOMENT))
    return told, affected, activity


def node_states(
    faults: pl.DataFrame,
    affected: pl.DataFrame,
    activity: pl.DataFrame,
    device_ids: Sequence[str],
    starts_s: ArrayLike,
    ends_s: ArrayLike,
) -> NodeStates:
    """Return what was wrong with each modem in each half-open window.

    Parameters
    ----------
    faults, affected, activity : polars.DataFrame
        Of one fiber node, as `truth_tables` returns them.
    device_ids : sequence of str
        Its modems.
    starts_s, ends_s : array of shape (window,)
        Seconds since 1970 UTC; windows may overlap and come in any order.
    """
    windows_s = np.stack([np.asarray(starts_s, np.float64), np.asarray(ends_s, np.float64)])
    shape = windows_s.shape[1], len(device_ids)
    place = {device: i for i, device in enumerate(device_ids)}
    row = {fault: i for i, fault in enumerate(faults["fault_id"])}
    members: list[list[int]] = [[] for _ in row]
    for fault_id, device_id in affected.iter_rows():
        members[row[fault_id]].append(place[device_id])
    spans: list[list[tuple[float, float]]] = [[] for _ in row]
    for fault_id, start_s, end_s in zip(
        activity["fault_id"], _seconds(activity["start"]), _seconds(activity["end"]), strict=True
    ):
        spans[row[fault_id]].append((start_s, end_s))
    lives = list(zip(_seconds(faults["start"]), _seconds(faults["end"]), strict=True))

    hours: list[NDArray[np.float32]] = []
    longest: list[NDArray[np.int32]] = []
    for kind in ("maintenance", "service"):
        mine = np.flatnonzero((faults["kind"] == kind).to_numpy()).tolist()
        hours += [
            _union_h(((members[i], spans_of[i]) for i in mine), windows_s, shape[1])
            for spans_of in (spans, [[life] for life in lives])
        ]
        longest.append(_longest(mine, members, spans, windows_s, shape))
    return NodeStates(hours[0], hours[2], hours[1], hours[3], longest[0], longest[1])


def _seconds(moments: pl.Series) -> list[float]:
    return (moments.dt.epoch("us") / 1e6).to_list()


def _union_h(
    told: Iterable[tuple[list[int], list[tuple[float, float]]]],
    windows_s: NDArray[np.float64],
    n_devices: int,
) -> NDArray[np.float32]:
    """Return the hours of each window in which at least one span covers a modem.

    All modems' times are laid end to end on one line, so that spans are merged and windows measured
    in one go.
    """
    n_windows = windows_s.shape[1]
    first_s, last_s = (float(windows_s.min()), float(windows_s.max())) if n_windows else (0.0, 0.0)
    length_s = last_s - first_s
    parts = []
    for members, spans in told:
        inside_s = np.clip(np.array(spans).reshape(-1, 2) - first_s, 0.0, length_s)
        inside_s = inside_s[inside_s[:, 1] > inside_s[:, 0]]
        parts.append(
            (np.array(members)[:, None, None] * length_s + inside_s).reshape(-1, 2)
        )  # fmt: skip
    line_s = np.concatenate(parts) if parts else np.zeros((0, 2))
    if not len(line_s):
        return np.zeros((n_windows, n_devices), np.float32)
    line_s = line_s[np.argsort(line_s[:, 0], kind="stable")]
    reach_s = np.maximum.accumulate(line_s[:, 1])
    is_new = np.append(True, line_s[1:, 0] > reach_s[:-1])
    start_s = line_s[is_new, 0]
    end_s = reach_s[np.append(np.flatnonzero(is_new)[1:], len(line_s)) - 1]
    covered_s = np.append(0.0, np.cumsum(end_s - start_s))

    def covered_until(moment_s: NDArray[np.float64]) -> NDArray[np.float64]:
        before = np.searchsorted(start_s, moment_s, side="right")
        beyond_s = end_s[np.maximum(before, 1) - 1] - moment_s
        return covered_s[before] - np.where(before > 0, np.maximum(beyond_s, 0.0), 0.0)

    at_s = windows_s[:, :, None] - first_s + np.arange(n_devices) * length_s
    return ((covered_until(at_s[1]) - covered_until(at_s[0])) / HOUR_S).astype(np.float32)


def _longest(
    mine: list[int],
    members: list[list[int]],
    spans: list[list[tuple[float, float]]],
    windows_s: NDArray[np.float64],
    shape: tuple[int, int],
) -> NDArray[np.int32]:
    """Return which of some faults is active longest in each window on each modem."""
    most_s = np.zeros(shape)
    longest = np.full(shape, -1, np.int32)
    for fault in mine:
        if not spans[fault]:
            continue
        edges_s = np.array(spans[fault]).ravel()
        active_s = np.append(
            0.0, np.cumsum(np.diff(edges_s) * (np.arange(len(edges_s) - 1) % 2 == 0))
        )
        own_s = np.interp(windows_s[1], edges_s, active_s) - np.interp(
            windows_s[0], edges_s, active_s
        )  # fmt: skip
        block = np.ix_(np.flatnonzero(own_s > 0), np.array(members[fault]))
        own_s = own_s[own_s > 0][:, None]
        is_longer = own_s > most_s[block]
        most_s[block] = np.where(is_longer, own_s, most_s[block])
        longest[block] = np.where(is_longer, fault, longest[block])
    return longest
