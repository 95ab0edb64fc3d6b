"""Real alarms of a live-video service and simulated CDNs, localized: the demo's second page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from faultsight.core.cube import KpiCube
from faultsight.localize import LOCALIZERS
from faultsight.localize.data import open_dataset
from faultsight.localize.forecasts.moving_average import MovingAverage, MovingAverageConfig
from faultsight.localize.history import cube_from_history
from faultsight.localize.report import ReportCase
from faultsight.sim.cdn_cube import cdn_case
from faultsight.sim.cdn_stream import CDN_KPIS, CDN_MEASURES, CdnStreamConfig, cdn_stream

__all__ = ["case_rows", "localized_cases"]

_STREAM_SEEDS = (0, 1)
_CUBE_CASES = (0, 1, 2)


def localized_cases(method: str) -> Iterator[ReportCase]:
    """Yield the real cases, then simulated cubes, then moments of a simulated stream.

    Parameters
    ----------
    method : str
        A name of `LOCALIZERS`.
    """
    localizer = LOCALIZERS.load(method)()
    shipped: Any = open_dataset("shipped")
    for case in shipped.cases():
        history = shipped.history(case.name)
        answer = localizer.localize(history.cube)
        yield ReportCase(f"live video {case.name}", history.cube, answer, history, case.truth)
    for index in _CUBE_CASES:
        simulated = cdn_case(index)
        title = f"simulated CDN {index + 1}"
        cube = KpiCube.from_frame(simulated.table, name=title)
        yield ReportCase(title, cube, localizer.localize(cube), None, simulated.truth)
    for seed in _STREAM_SEEDS:
        yield _stream_moment(seed, localizer)


def case_rows(cases: list[ReportCase]) -> list[dict[str, Any]]:
    """Return the cases as JSON values: how many known roots were found, and at which rank."""
    rows = []
    for case in cases:
        found, truth = case.answer.combinations, case.truth or frozenset()
        ranks = sorted(found.index(root) + 1 for root in truth if root in found)
        rows.append(
            {
                "case": case.title,
                "leaves": case.cube.n_leaves,
                "roots_known": len(truth),
                "roots_hit": len(ranks),
                "ranks": ranks,
                **case.answer.to_dict(),
            }
        )
    return rows


def _stream_moment(seed: int, localizer: Any) -> ReportCase:
    """Return the second tick of the first fault of a stream, forecast from before the fault."""
    # Two hours hold a fault, so that a first look takes seconds.
    config = CdnStreamConfig(fault_every_s=7200, fault_lasts_s=(900, 3000))
    tables, faulty = [], 0
    for tick in cdn_stream(24, seed=seed, config=config):
        tables.append(tick.table.with_columns(time=pl.lit(tick.time)))
        faulty += bool(tick.faults)
        if faulty == 2:
            fault = tick.faults[0]
            break
    history = cube_from_history(
        pl.concat(tables),
        time="time",
        measures=CDN_MEASURES,
        baseline_before=fault.start,
        kpis=CDN_KPIS,
        forecaster=MovingAverage(config=MovingAverageConfig(window=6)),
        name=f"live CDN {seed}",
    )
    answer = localizer.localize(history.cube)
    title = f"simulated live CDN {seed + 1}"
    return ReportCase(title, history.cube, answer, history, frozenset({fault.root}))
