"""A small fleet with faults, a model of it, and state folders to run the loop in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import polars as pl
import pytest

from faultsight.core.alarm import AlarmState
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.core.seed import random_stream
from faultsight.detect.deployed import DeployedConfig, DeployedDetector
from faultsight.detect.model_folder import save_detector
from faultsight.flow.config import CubeConfig, CubeKpi, FeedConfig, Measure
from faultsight.flow.loop import Loop
from faultsight.flow.tick import TickResult
from faultsight.runners import Runner
from faultsight.stores.operations import Operations
from faultsight.stores.operations.schema import canonical_json
from faultsight.stores.telemetry import KpiStore

HOUR_S, DAY_S = 3600, 86_400
START_S = 1_704_067_200
KPIS = ("load", "drops", "calls")
N_TRAIN, N_LIVE = 7 * 24, 3 * 24
LIVE_S = START_S + N_TRAIN * HOUR_S
END_S = LIVE_S + N_LIVE * HOUR_S
SITES = {
    "cell-0": {"region": "north", "vendor": "A"},
    "cell-1": {"region": "north", "vendor": "B"},
    "cell-2": {"region": "north", "vendor": "B"},
    "cell-3": {"region": "south", "vendor": "A"},
    "cell-4": {"region": "south", "vendor": "B"},
}
FAULTS = (
    ("cell-1", 10, 16), ("cell-2", 11, 15), ("cell-3", 30, 31), ("cell-4", 40, 41),
    ("cell-4", 47, 48), ("cell-4", 54, 55), ("cell-0", 69, 72),
)  # fmt: skip
"""Entity, first row and the row after the last, of the live part."""
CUBE = CubeConfig(
    attributes=("region", "vendor"),
    measures=(Measure("drops"), Measure("calls")),
    kpis=(CubeKpi("drop_ratio", "drops", "calls"),),
)
CONFIG = FeedConfig(
    "cells",
    since_s=LIVE_S,
    group_by=("region",),
    gap_s=2 * HOUR_S,
    clear_rows=2,
    flap_gap_s=6 * HOUR_S,
    horizon_s=4 * DAY_S,
    cube=CUBE,
)


def fleet() -> list[KpiFrame]:
    """Return history and a live part with faults, of every cell."""
    frames = []
    rows = np.arange(N_TRAIN + N_LIVE)
    for i, entity in enumerate(SITES):
        stream = random_stream(1000, "flow", i)
        day = 1 + 0.5 * np.sin(rows / 24 * 2 * np.pi)
        calls = np.round(200 * day * (1 + 0.05 * stream.standard_normal(len(rows))))
        drops = stream.binomial(calls.astype(int), 0.05).astype(float)
        load = 10 * day + 0.2 * stream.standard_normal(len(rows))
        for name, first, stop in FAULTS:
            if name == entity:
                drops[N_TRAIN + first : N_TRAIN + stop] += 60
                load[N_TRAIN + first : N_TRAIN + stop] += 8
        frames.append(KpiFrame(entity, KPIS, START_S, HOUR_S, np.stack([load, drops, calls], 1)))
    return frames


def rows_of(frames: list[KpiFrame]) -> pl.DataFrame:
    """Return frames as rows of telemetry."""
    return pl.concat(
        pl.DataFrame(
            {
                "entity": [frame.entity] * len(frame),
                "timestamp": frame.times_s,
                **{kpi: frame.values[:, k] for k, kpi in enumerate(frame.kpis)},
            }
        )
        for frame in frames
    )


@dataclass
class Provider:
    """One state folder, and the loop over it."""

    folder: Path
    ops: Operations
    store: KpiStore
    loop: Loop
    config: FeedConfig

    def send(self, rows: pl.DataFrame, *, now_s: int) -> None:
        """Append rows, and mark what came late."""
        told = self.store.append(rows, received_at_s=now_s)
        self.ops.feeds.mark_dirty("cells", told.windows)

    def tick(self, now_s: int) -> TickResult:
        """Run the loop."""
        return self.loop.tick("cells", now_s)

    def restarted(self, runner: Runner | None = None) -> Provider:
        """Return the same state under a loop that remembers nothing."""
        loop = Loop(self.ops, self.folder, [self.config], runner)
        return Provider(self.folder, self.ops, self.store, loop, self.config)

    def standing(self) -> str:
        """Return what stands: scores, alarms and incidents, without the count of versions."""
        alarms = [alarm.to_dict() | {"version": 0} for alarm in self.ops.alarms.find()]
        incidents = [
            incident.to_dict() | {"version": 0}
            for incident in self.ops.incidents.find()
            if incident.alarm_ids
        ]
        scores = [
            (frame.entity, frame.start_s, frame.kpis, frame.values.tobytes().hex())
            for frame in self.scores()
        ]
        return canonical_json([alarms, incidents, scores])

    def scores(self) -> list[KpiFrame]:
        """Return every score."""
        store = KpiStore(self.folder / "scores" / "cells")
        return [frame.with_kpis(sorted(frame.kpis)) for frame in store.frames()]

    def withdrawn(self) -> list[str]:
        """Return the ids of withdrawn alarms."""
        from faultsight.stores.operations import AlarmFilter

        return [a.id for a in self.ops.alarms.find(AlarmFilter(states=[AlarmState.WITHDRAWN]))]


MakeProvider = Callable[..., Provider]


@pytest.fixture(scope="session")
def frames() -> list[KpiFrame]:
    return fleet()


@pytest.fixture(scope="session")
def model(frames: list[KpiFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    detector = DeployedDetector(DeployedConfig("ridge_var")).fit([f[:N_TRAIN] for f in frames])
    return save_detector(detector, tmp_path_factory.mktemp("models") / "1", {})


@pytest.fixture(scope="session")
def live(frames: list[KpiFrame]) -> pl.DataFrame:
    """The rows to be scored, in order of time."""
    return rows_of([frame[N_TRAIN:] for frame in frames]).sort("timestamp", "entity")


@pytest.fixture
def provider(frames: list[KpiFrame], model: Path, tmp_path: Path) -> Callable[..., Provider]:
    """Make a provider with history and a model, and nothing scored yet."""

    def make(
        config: FeedConfig = CONFIG,
        runner: Runner | None = None,
        history: pl.DataFrame | None = None,
    ) -> Provider:
        folder = Path(mkdtemp(dir=tmp_path))
        ops = Operations.open(folder / "operations.sqlite")
        ops.feeds.add("cells", "kpi", HOUR_S)
        ops.entities.put("cells", SITES)
        store = KpiStore.create(
            folder / "telemetry" / "cells", name="cells", interval_s=HOUR_S, n_buckets=2
        )
        told = rows_of([frame[:N_TRAIN] for frame in frames]) if history is None else history
        store.append(told, received_at_s=LIVE_S)
        added = ops.models.add("cells", "ridge_var", str(model), by="test")
        ops.models.promote(added.id, by="test", why="the first")
        return Provider(folder, ops, store, Loop(ops, folder, [config], runner), config)

    return make


def hours(live: pl.DataFrame, first: int, stop: int) -> pl.DataFrame:
    """Return some hours of the live part."""
    window = TimeWindow(LIVE_S + first * HOUR_S, LIVE_S + stop * HOUR_S)
    return live.filter(
        (pl.col("timestamp") >= window.start_s) & (pl.col("timestamp") < window.end_s)
    )
