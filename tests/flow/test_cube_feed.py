"""A cube feed: its overall KPIs are watched, and an alarm is localized in its own rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.seed import random_stream
from faultsight.detect.deployed import DeployedConfig, DeployedDetector
from faultsight.detect.model_folder import save_detector
from faultsight.flow.config import CubeConfig, CubeKpi, FeedConfig, Measure
from faultsight.flow.cubes.overall import overall_frame
from faultsight.flow.cubes.row_cube import row_cube
from faultsight.flow.cubes.seasons import earlier_windows
from faultsight.flow.loop import Loop
from faultsight.flow.replay import replay
from faultsight.stores.operations import Operations
from faultsight.stores.telemetry import KpiStore

STEP_S, DAY_S = 900, 86_400
START_S = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
CUBE = CubeConfig(
    attributes=("site", "os"),
    measures=(Measure("requests"), Measure("stalls")),
    kpis=(CubeKpi("requests"), CubeKpi("stall_ratio", "stalls", "requests")),
    seasons=2,
)
CONFIG = FeedConfig(
    "cdn", kind="cube", interval_s=STEP_S, cube=CUBE, since_s=START_S + 4 * DAY_S,
    block_s=DAY_S // 4, history_s=DAY_S // 4, horizon_s=2 * DAY_S, gap_s=3600, flap_gap_s=STEP_S,
)  # fmt: skip
FAULT = TimeWindow(START_S + 5 * DAY_S + 20 * STEP_S, START_S + 5 * DAY_S + 28 * STEP_S)


def rows() -> pl.DataFrame:
    """Return six days of a small CDN, with stalls of one site and system in the last."""
    parts = []
    for step in range(6 * DAY_S // STEP_S):
        time_s = START_S + step * STEP_S
        stream = random_stream(1000, "cube feed", step)
        day = 1 + 0.4 * np.sin(time_s % DAY_S / DAY_S * 2 * np.pi)
        sites, systems = np.meshgrid(["s1", "s2", "s3", "s4"], ["a", "b"], indexing="ij")
        requests = stream.poisson(150 * day, sites.size)
        rate = np.where(
            (sites.ravel() == "s2") & (systems.ravel() == "b") & FAULT.holds(time_s), 0.3, 0.02
        )
        parts.append(
            pl.DataFrame(
                {
                    "timestamp": np.full(sites.size, time_s),
                    "site": sites.ravel(),
                    "os": systems.ravel(),
                    "requests": requests.astype(float),
                    "stalls": stream.binomial(requests, rate).astype(float),
                }
            )
        )
    return pl.concat(parts)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("cdn")
    table = rows()
    store = KpiStore.create(
        folder / "telemetry" / "cdn", name="cdn", kind="cube", interval_s=STEP_S,
        attributes=("site", "os"),
    )  # fmt: skip
    trained = TimeWindow(START_S, START_S + 4 * DAY_S)
    store.append(table.filter(pl.col("timestamp") < trained.end_s), received_at_s=2e9)
    frame = overall_frame(store, trained, CONFIG)
    assert frame is not None
    detector = DeployedDetector(DeployedConfig("ridge_var")).fit([frame])
    save_detector(detector, folder / "model", {})
    return folder, table.filter(pl.col("timestamp") >= trained.end_s)


def opened(state: tuple[Path, pl.DataFrame], tmp_path: Path) -> tuple[Operations, Loop]:
    ops = Operations.open(tmp_path / "operations.sqlite")
    ops.feeds.add("cdn", "cube", STEP_S)
    told = ops.models.add("cdn", "ridge_var", str(state[0] / "model"), by="test")
    ops.models.promote(told.id, by="test", why="the first")
    loop = Loop(ops, tmp_path, [CONFIG])
    store = KpiStore.create(
        tmp_path / "telemetry" / "cdn", name="cdn", kind="cube", interval_s=STEP_S,
        attributes=("site", "os"),
    )  # fmt: skip
    store.append(KpiStore(state[0] / "telemetry" / "cdn").table(), received_at_s=2e9)
    return ops, loop


def test_stalls_of_one_place_are_found_there(
    state: tuple[Path, pl.DataFrame], tmp_path: Path
) -> None:
    ops, loop = opened(state, tmp_path)
    store = KpiStore(tmp_path / "telemetry" / "cdn")
    end_s = START_S + 6 * DAY_S
    for now_s in range(START_S + 4 * DAY_S + 6 * 3600, end_s + 1, 6 * 3600):
        part = state[1].filter(
            (pl.col("timestamp") >= now_s - 6 * 3600) & (pl.col("timestamp") < now_s)
        )
        store.append(part, received_at_s=now_s)
        loop.tick("cdn", now_s)
    found = [i for i in ops.incidents.find() if FAULT.holds(i.start_s)]
    assert found
    best = found[0].patterns[0]
    assert dict(best.combination) == {"site": "s2", "os": "b"}
    assert "stall_ratio" in best.kpi
    alarms = ops.alarms.find()
    assert {a.entity for a in alarms} == {"cdn"}
    assert {a.kind.value for a in alarms} == {"cube"}
    assert replay(loop, "cdn", TimeWindow(START_S + 5 * DAY_S, end_s)).is_same


def test_a_season_that_lacks_a_moment_is_not_compared(
    state: tuple[Path, pl.DataFrame],
) -> None:
    store = KpiStore(state[0] / "telemetry" / "cdn")
    window = TimeWindow(START_S + 3 * DAY_S, START_S + 3 * DAY_S + 4 * STEP_S)
    now = store.table(window)
    earlier = [store.table(w) for w in earlier_windows(window, CUBE)]
    holed = earlier[0].filter(pl.col("timestamp") != earlier[0]["timestamp"][0])
    both = row_cube(now, earlier, window, CUBE)
    far = row_cube(now, [holed, earlier[1]], window, CUBE)
    alone = row_cube(now, [earlier[1].clear(), earlier[1]], window, CUBE)
    assert both is not None
    assert far is not None
    assert alone is not None
    assert far.forecast.tolist() == alone.forecast.tolist() != both.forecast.tolist()
    assert far.actual.tolist() == both.actual.tolist()
    assert row_cube(now, [holed, holed.clear()], window, CUBE) is None


def test_overall_ratios_are_sums_divided(state: tuple[Path, pl.DataFrame]) -> None:
    store = KpiStore(state[0] / "telemetry" / "cdn")
    window = TimeWindow(START_S, START_S + 2 * STEP_S)
    frame = overall_frame(store, TimeWindow(START_S - STEP_S, window.end_s), CONFIG)
    assert frame is not None
    told = (
        store.table(window)
        .group_by("timestamp", maintain_order=True)
        .agg(pl.col("stalls", "requests").sum())
    )
    expected = (told["stalls"] / told["requests"]).to_numpy()
    assert np.isnan(frame.values[0]).all()
    np.testing.assert_allclose(frame.values[1:, 1], expected, rtol=1e-6)
