"""TelApart's published mode as it is plainly written with pandas and scipy: one loop in another.

What `diagnose/speed` compares with: the same files, thresholds and verdicts. Modems are pandas
groups, misses are inferred poll by poll, every pair of modems is aligned and correlated with numpy,
and scipy clusters. Aligned pairs are shared by the features, and one dendrogram serves all
thresholds, as anybody careful would do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.cablemon import SelectedFeature
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.preprocessing.duplicates import DUPLICATE_GAP_S
from faultsight.diagnose.telapart import TelApart
from faultsight.diagnose.telapart.paper_evidence import METRIC_OF
from faultsight.diagnose.telapart.prepared_node import NodeRhythm
from faultsight.diagnose.telapart.ticket_guided import TicketTotals, height_of

__all__ = ["plain_read", "plain_sweep", "plain_verdicts"]

_Numbers = NDArray[np.float64]


def plain_read(folder: Path, window: TimeWindow) -> pd.DataFrame:
    """Return the rows of all fiber nodes in a window."""
    first, last = (pd.Timestamp(s, unit="s").date() for s in (window.start_s, window.end_s - 1))
    files = [
        file
        for file in sorted(folder.glob("bucket=*/*.parquet"))
        if first <= pd.Timestamp(file.name.split(".")[0]).date() <= last
    ]
    columns = ["fnode", "device_id", "timestamp", "channel", *METRIC_OF.values()]
    table = pd.concat([pd.read_parquet(file, columns=columns) for file in files])
    table["time_s"] = table["timestamp"].astype("int64") / _units_per_second(table["timestamp"])
    inside = (table["time_s"] >= window.start_s) & (table["time_s"] < window.end_s)
    return table.loc[inside].drop(columns="timestamp")


def _units_per_second(stamps: Any) -> float:
    return {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[stamps.dt.unit]


@dataclass
class _Modem:
    times: _Numbers
    """Of its slots."""
    values: dict[str, _Numbers]
    """By metric, (slot, channel); NaN where missing."""
    is_missing: NDArray[np.bool_]
    is_abnormal: dict[str, bool]


def plain_verdicts(
    rows: pd.DataFrame, window: TimeWindow, model: TelApart, rhythm: NodeRhythm
) -> dict[str, Verdict]:
    """Return the verdict of each modem of one fiber node; `rows` reach back for CableMon."""
    modems = _modems(rows, window, model, rhythm)
    verdicts = dict.fromkeys(rows["device_id"].unique(), Verdict.HEALTHY)
    names = list(modems)
    for feature, similarity in _similarities(list(modems.values())).items():
        is_anomalous = _anomalous(feature, list(modems.values()), model)
        if not is_anomalous.any():
            continue
        labels = _clusters(similarity, model.similarity[feature].similarity)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            if is_anomalous[members].any():
                is_large = len(members) > model.config.cluster_size
                verdict = Verdict.MAINTENANCE if is_large else Verdict.SERVICE
                for member in members:
                    verdicts[names[member]] = max(verdicts[names[member]], verdict)
    return verdicts


def plain_sweep(
    rows: pd.DataFrame, windows: Sequence[TimeWindow], model: TelApart, rhythm: NodeRhythm
) -> int:
    """Cluster one node in every window under every threshold; return how many clusters were seen.

    Tickets are left out, which only makes the plain way faster.
    """
    seen = 0
    for window in windows:
        earliest = window.start_s - model.history_s
        past = rows[(rows["time_s"] >= earliest) & (rows["time_s"] < window.end_s)]
        modems = list(_modems(past, window, model, rhythm).values())
        for feature, similarity in _similarities(modems).items():
            is_anomalous = _anomalous(feature, modems, model)
            if not is_anomalous.any():
                continue
            tree = linkage(squareform(1.0 - similarity, checks=False), "average")
            for threshold in TicketTotals.thresholds:
                labels = fcluster(tree, height_of(float(threshold)), "distance")
                size = np.bincount(labels)
                anomalous = np.bincount(labels, is_anomalous) > 0
                seen += int(np.sum(anomalous & (size > 0)))
    return seen


def _modems(
    rows: pd.DataFrame, window: TimeWindow, model: TelApart, rhythm: NodeRhythm
) -> dict[str, _Modem]:
    channels = sorted(rows["channel"].unique())
    modems = {}
    for device, mine in rows.groupby("device_id", sort=True):
        tables = {
            metric: mine.pivot_table(index="time_s", columns="channel", values=metric).reindex(
                columns=channels
            )
            for metric in METRIC_OF.values()
        }
        stamps = tables[METRIC_OF["snr"]].index.to_numpy()
        keep = np.append(np.diff(stamps) >= DUPLICATE_GAP_S, True)
        stamps = stamps[keep]
        tables = {metric: table[keep] for metric, table in tables.items()}
        times, places = _slots(stamps, window, rhythm)
        if not times:
            continue
        at = np.array(places)
        inside = (stamps >= window.start_s) & (stamps < window.end_s)
        selected = model.cablemon.selected if model.cablemon else ()
        modems[str(device)] = _Modem(
            np.array(times),
            {
                metric: np.where((at >= 0)[:, None], table.to_numpy(float)[at], np.nan)
                for metric, table in tables.items()
            },
            at < 0,
            {
                feature: any(
                    _crosses(tables[metric], kept)[inside].any()
                    for kept in selected
                    if kept.metric == metric
                )
                for feature, metric in METRIC_OF.items()
            },
        )
    return modems


def _slots(
    stamps: _Numbers, window: TimeWindow, rhythm: NodeRhythm
) -> tuple[list[float], list[int]]:
    """Algorithm 1, poll by poll."""
    times: list[float] = []
    places: list[int] = []

    def missing(start: float, end: float) -> None:
        gap, count = end - start, 0
        while gap > rhythm.threshold_s:
            count, gap = count + 1, gap - rhythm.interval_s
        for k in range(1, count + 1):
            times.append(start + (end - start) * k / (count + 1))
            places.append(-1)

    for place, stamp in enumerate(stamps):
        if place:
            missing(stamps[place - 1], stamp)
        times.append(stamp)
        places.append(place)
    if len(stamps):
        missing(stamps[-1], window.end_s)
    inside = [i for i, time in enumerate(times) if window.start_s <= time < window.end_s]
    return [times[i] for i in inside], [places[i] for i in inside]


def _crosses(table: pd.DataFrame, kept: SelectedFeature) -> NDArray[np.bool_]:
    """Return where a generated feature crosses its threshold on any channel."""
    n = kept.window_polls or 1
    weights = np.arange(1, n + 1)

    def weighted(values: _Numbers) -> float:
        mine = weights[-len(values) :]
        known = ~np.isnan(values)
        return float(values[known] @ mine[known] / mine[known].sum())

    rolling = table.rolling(n, min_periods=max(1, math.ceil(n / 2)))
    if kept.generated == "EWMA":
        found = table.ewm(alpha=kept.weight, adjust=False).mean()
    elif kept.generated == "AVG":
        found = rolling.mean()
    elif kept.generated == "VAR":
        found = rolling.var(ddof=0)
    else:
        found = rolling.apply(weighted, raw=True)
        found = table - found if kept.generated == "WMA_DIFF" else found
    crossed = found < kept.threshold if kept.is_below else found >= kept.threshold
    return (crossed & table.notna()).any(axis=1).to_numpy()


def _similarities(modems: Sequence[_Modem]) -> dict[str, _Numbers]:
    """Algorithm 2 and the similarity of every pair."""
    n = len(modems)
    found = {feature: np.eye(n) for feature in (*METRIC_OF, "missing")}
    for i in range(n):
        for j in range(i + 1, n):
            a, b = modems[i], modems[j]
            left, right = _align(a.times, b.times)
            for feature, metric in METRIC_OF.items():
                x, y = a.values[metric][left].ravel(), b.values[metric][right].ravel()
                known = ~(np.isnan(x) | np.isnan(y))
                found[feature][i, j] = found[feature][j, i] = _pearson(x[known], y[known])
            alike = float(np.mean(a.is_missing[left] == b.is_missing[right])) if len(left) else 0.0
            found["missing"][i, j] = found["missing"][j, i] = alike
    return found


def _align(a: _Numbers, b: _Numbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    gaps = np.abs(a[:, None] - b[None, :])
    nearest_b, nearest_a = gaps.argmin(axis=1), gaps.argmin(axis=0)
    left = np.flatnonzero(nearest_a[nearest_b] == np.arange(len(a)))
    return left, nearest_b[left]


def _pearson(x: _Numbers, y: _Numbers) -> float:
    if len(x) < 3:
        return 0.0
    x_still, y_still = bool(np.ptp(x) == 0), bool(np.ptp(y) == 0)
    if x_still or y_still:
        return 1.0 if x_still and y_still else 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _anomalous(feature: str, modems: Sequence[_Modem], model: TelApart) -> NDArray[np.bool_]:
    if feature == "missing":
        least = model.scores["missing"].value
        return np.array([modem.is_missing.sum() >= least for modem in modems])
    return np.array([modem.is_abnormal[feature] for modem in modems])


def _clusters(similarity: _Numbers, threshold: float) -> NDArray[np.int64]:
    if len(similarity) == 1:
        return np.zeros(1, np.int64)
    tree = linkage(squareform(1.0 - similarity, checks=False), "average")
    return np.asarray(fcluster(tree, height_of(threshold), "distance"), np.int64)
