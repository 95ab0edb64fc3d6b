"""The worker of feeds: once a day files are merged, and what is old is given up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.feed_worker import FeedWorker
from faultsight.app.roles import COMMAND_LINE
from faultsight.app.settings import load_settings
from faultsight.core.telemetry import TelemetryFolder
from faultsight.flow.fault_states import FaultStates

DAY_S = 86_400
NOW_S = 1_767_571_200


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    settings = load_settings(tmp_path / "state", loop={"retain_days": 10})
    with open_application(settings, clock=lambda: NOW_S) as opened:
        yield opened


@pytest.fixture
def worker(application: Application) -> Iterator[FeedWorker]:
    made = FeedWorker(application)
    yield made
    made.close()


def days_of(folder: Path) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in folder.rglob("*.parquet"))


def test_polls_are_merged_and_given_up(application: Application, worker: FeedWorker) -> None:
    application.feeds.add("plant", "polls", 14_400, {}, COMMAND_LINE)
    sink = application.intake.polls_sink("plant")
    for ago_d in (20, 12, 5, 5, 5):
        at_s = NOW_S - ago_d * DAY_S
        sent = pl.DataFrame({"timestamp": [at_s, at_s + 60], "device_id": ["m", "n"],
                              "fnode": "F1", "channel": "1", "snr_db": [36.0, 35.0]})  # fmt: skip
        sink.append(sent)
    folder = application.folder.telemetry("plant")
    states = FaultStates(application.folder.faults("plant"))
    for ago_d in (12, 5):
        states.write(NOW_S - ago_d * DAY_S, [])
    (before,) = TelemetryFolder(folder).nodes()
    assert len(days_of(folder)) == 5
    worker.look_at(application.ops.feeds.get("plant"))
    (polls,) = TelemetryFolder(folder).nodes()
    kept = before.take(before.time_s >= NOW_S - 10 * DAY_S)
    assert polls.values["snr_db"].tolist() == kept.values["snr_db"].tolist()
    assert polls.time_s.tolist() == kept.time_s.tolist()
    live = [path for path in folder.rglob("*.parquet") if ".0000-0002." in path.name]
    assert len(live) == 1
    assert states.latest_s(NOW_S) == NOW_S - 5 * DAY_S
    assert states.latest_s(NOW_S - 6 * DAY_S) is None
    # What comes in afterwards is read with the rest, and the day has its turn only once.
    sink.append(pl.DataFrame({"timestamp": [NOW_S - 20 * DAY_S], "device_id": ["m"],
                              "fnode": ["F1"], "channel": ["1"], "snr_db": [30.0]}))  # fmt: skip
    worker.look_at(application.ops.feeds.get("plant"))
    (polls,) = TelemetryFolder(folder).nodes()
    assert polls.time_s.min() == NOW_S - 20 * DAY_S


def test_a_feed_of_polls_without_a_poll(application: Application, worker: FeedWorker) -> None:
    application.feeds.add("plant", "polls", 14_400, {}, COMMAND_LINE)
    worker.look_at(application.ops.feeds.get("plant"))
    assert not application.folder.telemetry("plant").exists()


def test_rows_are_merged_and_given_up(application: Application, worker: FeedWorker) -> None:
    application.feeds.add("cells", "kpi", 3600, {}, COMMAND_LINE)
    for number, ago_d in enumerate((20, 5, 5)):
        at_s = NOW_S - ago_d * DAY_S + 3600 * number
        rows = pl.DataFrame({"entity": ["a"], "timestamp": [at_s], "drops": [1.0]})
        application.intake.take("cells", rows, key=str(number), source="x")
    worker.look_at(application.ops.feeds.get("cells"))
    store = application.stores.kpi("cells")
    assert store.table().height == 2
    assert store.window.start_s == NOW_S - 5 * DAY_S + 3600
    assert [p for p in store.path.rglob("*.parquet") if ".0001-0002." in p.name]
