"""What the tables of feedback say over all cells: means, gains, ranks, who gained more, who leads.

Gains are over the same method, set and seed untuned. Every set counts alike, however many entities
and seeds it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from faultsight.bench.detect_runs import ANOTUNER, HEADLINES
from faultsight.bench.engine import Row
from faultsight.bench.mean_ranks import rank_methods
from faultsight.core.seed import random_stream

__all__ = ["COMPARED", "few_entities_interval", "mean_over_sets_interval", "over_cells"]

COMPARED = ("f1_deployed", "average_precision", "vus_pr")
"""Those that need no level chosen by labels: gains of methods are compared by them."""

_ACVAE = "acvae_style"
_BOTH = "fp+fn"
_PAPERS_GAINS = {ANOTUNER: 0.0448, _ACVAE: 0.0086}
"""Of best F1, in section 4.3 of the AnoTuner paper."""
_DRAWS = 1000

_Figures = dict[tuple[str, str, str], float]
"""By dataset, seed and entity."""


def over_cells(rows: Sequence[Row], *, seed: int = 0) -> list[Row]:
    """Return the summary of all rows, in three parts.

    ============  ==================================================================================
    part          one row for
    ============  ==================================================================================
    method        each method, mechanism and tuning: means over sets, gains over untuned, mean rank
    difference    each method and mechanism: how much more AnoTuner gained in fp+fn by its own
                  mechanism (``_more``), and how far it is then ahead (``_ahead``), with the 95 %
                  interval over entities drawn anew in each set, paired, each entity's seeds
                  averaged (``_low``, ``_high``), and with the one that minds how few entities a
                  set has (``_t_low``, ``_t_high``)
    ratio         each figure: AnoTuner's gain over that of acvae_style
    ============  ==================================================================================

    Parameters
    ----------
    rows : sequence of Row
        Of all cells.
    seed : int
        Of the bootstrap.
    """
    return [*_methods(rows), *_differences(rows, seed), *_ratios(rows)]


def _methods(rows: Sequence[Row]) -> list[Row]:
    ranks = _mean_ranks(rows)
    summary: list[Row] = []
    keys = [(_text(r, "mechanism"), _text(r, "tuning"), _text(r, "method")) for r in rows]
    for key in dict.fromkeys(sorted(keys, key=lambda key: (key[0] != "own", key[1] != "none"))):
        mechanism, tuning, method = key
        own = [row for row, k in zip(rows, keys, strict=True) if k == key]
        said: Row = {
            "part": "method", "method": method, "mechanism": mechanism, "tuning": tuning,
            "learns_from": own[0]["learns_from"],
            "datasets": len({row["dataset"] for row in own}), "runs": len(own),
        }  # fmt: skip
        for name in HEADLINES:
            said[name] = _mean_over_sets(own, name)
            if tuning != "none":
                said[f"{name}_gain"] = _gain(rows, method, mechanism, tuning, name)
            said[f"{name}_mean_rank"] = ranks.get((*key, name))
        for name in ("seconds_fit", "seconds_tune", "seconds_score"):
            said[name] = sum(float(row[name] or 0) for row in own)
        summary.append(said)
    return summary


def _mean_ranks(rows: Sequence[Row]) -> dict[tuple[str, str, str, str], float]:
    """Return each method's mean rank over sets among all methods tuned alike; 1 is the best."""
    found: dict[tuple[str, str, str, str], float] = {}
    for mechanism, tuning in dict.fromkeys(
        (_text(row, "mechanism"), _text(row, "tuning")) for row in rows
    ):
        alike = _only(rows, mechanism=mechanism, tuning=tuning)
        methods, datasets = (
            list(dict.fromkeys(_text(row, of) for row in alike)) for of in ("method", "dataset")
        )
        for name in HEADLINES:
            figures = {
                dataset: {
                    method: _mean_over_sets(_only(alike, dataset=dataset, method=method), name)
                    for method in methods
                }
                for dataset in datasets
            }
            for method, rank in rank_methods(figures).rank_of.items():
                found[mechanism, tuning, method, name] = rank
    return found


def _differences(rows: Sequence[Row], seed: int) -> list[Row]:
    """Return how far AnoTuner is from each other, by its own mechanism and by ours."""
    summary: list[Row] = []
    first = {name: _entity_figures(rows, ANOTUNER, "own", name) for name in COMPARED}
    pairs = dict.fromkeys((_text(r, "method"), _text(r, "mechanism")) for r in rows)
    for method, mechanism in sorted(pairs, key=lambda pair: pair[1] != "own"):
        if (method, mechanism) == (ANOTUNER, "own") or not any(
            gains for gains, _ in first.values()
        ):
            continue
        said: Row = {"part": "difference", "method": method, "mechanism": mechanism}
        for name in COMPARED:
            other = _entity_figures(rows, method, mechanism, name)
            for what, ours, theirs in zip(("more", "ahead"), first[name], other, strict=True):
                apart = _by_set(
                    {key: own - theirs[key] for key, own in ours.items() if key in theirs}
                )
                value, low, high = mean_over_sets_interval(apart, seed=seed)
                t_low, t_high = few_entities_interval(apart)
                said |= {
                    f"{name}_{what}": value, f"{name}_{what}_low": low,
                    f"{name}_{what}_high": high, f"{name}_{what}_t_low": t_low,
                    f"{name}_{what}_t_high": t_high, f"{name}_pairs": sum(map(len, apart.values())),
                }  # fmt: skip
        summary.append(said)
    return summary


def _by_set(figures: _Figures) -> dict[str, list[float]]:
    """Return each set's values, one an entity: its runs with other seeds are no other entities.

    Simulated stations of two seeds that share a name are two; their mean is one draw as well.
    """
    of_entity: dict[tuple[str, str], list[float]] = {}
    for (dataset, _, entity), value in figures.items():
        of_entity.setdefault((dataset, entity), []).append(value)
    values: dict[str, list[float]] = {}
    for (dataset, _), own in of_entity.items():
        values.setdefault(dataset, []).append(float(np.mean(own)))
    return values


def mean_over_sets_interval(
    values: Mapping[str, Sequence[float]], *, seed: int = 0
) -> tuple[float | None, float | None, float | None]:
    """Return the mean over sets of each set's mean, and its 95 % bootstrap interval.

    Parameters
    ----------
    values : mapping of str to sequence of float
        One for each pair of a set. Pairs are drawn anew within their set, with replacement: the
        interval says nothing of other sets. Of a set with one pair nothing can be drawn, and
        with few the interval is too narrow: see `few_entities_interval`.
    seed : int
        The same seed gives the same interval.

    Returns
    -------
    mean, low, high : float or None
        None without any value.

    Examples
    --------
    >>> mean_over_sets_interval({"A": [1.0, 1.0], "B": [3.0]})
    (2.0, 2.0, 2.0)
    >>> mean_over_sets_interval({})
    (None, None, None)
    """
    if not values:
        return None, None, None
    stream = random_stream(seed, "paired gains")
    drawn: list[NDArray[np.float64]] = []
    for own in values.values():
        known = np.asarray(own, dtype=np.float64)
        drawn.append(known[stream.integers(len(known), size=(_DRAWS, len(known)))].mean(axis=1))
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    mean = np.mean([np.mean(own) for own in values.values()])
    return float(mean), float(low), float(high)


def few_entities_interval(
    values: Mapping[str, Sequence[float]],
) -> tuple[float | None, float | None]:
    """Return the 95 % t-interval of the mean over sets of each set's mean.

    Degrees of freedom are Welch's (Biometrika 34, 1947): a set with two pairs leaves little.

    Parameters
    ----------
    values : mapping of str to sequence of float
        One for each pair of a set.

    Returns
    -------
    low, high : float or None
        None if a set has one pair alone, whose spread nobody knows, or there is none.

    Examples
    --------
    >>> low, high = few_entities_interval({"A": [0.0, 2.0]})
    >>> round(low, 2), round(high, 2)
    (-11.71, 13.71)
    >>> few_entities_interval({"A": [0.0, 2.0], "B": [3.0]})
    (None, None)
    """
    if not values or min(map(len, values.values())) < 2:
        return None, None
    mean = float(np.mean([np.mean(own) for own in values.values()]))
    parts = [float(np.var(own, ddof=1)) / len(own) / len(values) ** 2 for own in values.values()]
    variance = sum(parts)
    if variance == 0.0:
        return mean, mean
    freedom = variance**2 / sum(
        part**2 / (len(own) - 1) for part, own in zip(parts, values.values(), strict=True)
    )
    half = float(student.ppf(0.975, freedom)) * variance**0.5
    return mean - half, mean + half


def _ratios(rows: Sequence[Row]) -> list[Row]:
    """Return by how many times AnoTuner gained what acvae_style did; none where that is nothing."""
    if not all(_only(rows, method=method) for method in _PAPERS_GAINS):
        return []
    summary: list[Row] = []
    for name in HEADLINES:
        ours, theirs = (_gain(rows, method, "own", _BOTH, name) for method in _PAPERS_GAINS)
        said: Row = {"part": "ratio", "figure": name, "anotuner_gain": ours,
                     "acvae_style_gain": theirs}  # fmt: skip
        known = ours is not None and theirs is not None and theirs > 0
        said["ratio"] = float(ours or 0) / float(theirs or 1) if known else None
        is_papers = name == "f1_point_adjusted"
        papers = _PAPERS_GAINS[ANOTUNER] / _PAPERS_GAINS[_ACVAE]
        summary.append(said | {"papers_ratio": papers if is_papers else None})
    return summary


def _gain(rows: Sequence[Row], method: str, mechanism: str, tuning: str, name: str) -> float | None:
    """Return the mean gain over sets of the mean over seeds."""
    own = _only(rows, method=method, mechanism=mechanism)
    before = {(row["dataset"], row["seed"]): row[name] for row in own if row["tuning"] == "none"}
    gains: dict[str, list[float]] = {}
    for row in _only(own, tuning=tuning):
        old, new = before.get((row["dataset"], row["seed"])), row[name]
        if old is not None and new is not None:
            gains.setdefault(_text(row, "dataset"), []).append(float(new) - float(old))
    return float(np.mean([np.mean(own) for own in gains.values()])) if gains else None


def _entity_figures(
    rows: Sequence[Row], method: str, mechanism: str, name: str
) -> tuple[_Figures, _Figures]:
    """Return what each entity gained in fp+fn, and what it has then, where it has the figure."""
    own = _only(rows, method=method, mechanism=mechanism)
    found: dict[str, _Figures] = {
        tuning: {
            (_text(row, "dataset"), _text(row, "seed"), entity): value
            for row in _only(own, tuning=tuning)
            for entity, value in _entities(row, name)
        }
        for tuning in ("none", _BOTH)
    }
    before, after = found["none"], found[_BOTH]
    both = [key for key in before if key in after]
    return {key: after[key] - before[key] for key in both}, {key: after[key] for key in both}


def _entities(row: Row, name: str) -> Iterable[tuple[str, float]]:
    names, values = (json.loads(_text(row, f"entity_{of}")) for of in ("names", name))
    return [
        (str(entity), float(value))
        for entity, value in zip(names, values, strict=True)
        if value is not None
    ]


def _mean_over_sets(rows: Sequence[Row], name: str) -> float | None:
    by_set: dict[str, list[float]] = {}
    for row in rows:
        if row[name] is not None:
            by_set.setdefault(_text(row, "dataset"), []).append(float(row[name] or 0))
    return float(np.mean([np.mean(own) for own in by_set.values()])) if by_set else None


def _only(rows: Sequence[Row], **texts: str) -> list[Row]:
    return [row for row in rows if texts.items() <= row.items()]


def _text(row: Row, name: str) -> str:
    return str(row[name])
