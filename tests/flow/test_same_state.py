"""Live ticks, one batch, shuffled rows and late rows end in the same stored state."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.runners.processes import Processes, ProcessesConfig
from faultsight.runners.serial import Serial
from faultsight.stores.operations import AlarmFilter

from .conftest import CONFIG, END_S, HOUR_S, LIVE_S, N_LIVE, N_TRAIN, Provider, hours, rows_of

MakeProvider = Callable[..., Provider]


def batch(provider: MakeProvider, live: pl.DataFrame) -> Provider:
    made = provider()
    made.send(live, now_s=END_S)
    made.tick(END_S)
    return made


def test_the_batch_finds_what_happened(provider: MakeProvider, live: pl.DataFrame) -> None:
    made = batch(provider, live)
    alarms = {(a.entity, (a.start_s - LIVE_S) // HOUR_S): a for a in made.ops.alarms.find()}
    assert {("cell-1", 10), ("cell-2", 11), ("cell-3", 30), ("cell-4", 40), ("cell-0", 69)} <= set(
        alarms
    )
    assert alarms["cell-4", 40].flaps == 2
    assert alarms["cell-0", 69].end_s is None
    assert alarms["cell-1", 10].model_id == "cells/1"
    assert "drops" in dict(alarms["cell-1", 10].kpis)
    (pair,) = [i for i in made.ops.incidents.find() if alarms["cell-1", 10].id in i.alarm_ids]
    assert alarms["cell-2", 11].id in pair.alarm_ids
    assert pair.scope == (("region", "north"),)
    assert dict(pair.patterns[0].combination) == {"region": "north", "vendor": "B"}


def test_hour_by_hour(provider: MakeProvider, live: pl.DataFrame) -> None:
    expected = batch(provider, live).standing()
    made = provider()
    for hour in range(N_LIVE):
        now_s = LIVE_S + (hour + 1) * HOUR_S
        made.send(hours(live, hour, hour + 1), now_s=now_s)
        made.tick(now_s)
        if hour % 20 == 11:
            made = made.restarted()
    assert made.standing() == expected


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_shuffled_and_late(provider: MakeProvider, live: pl.DataFrame, data: st.DataObject) -> None:
    """Each row comes 0, 1 or 24 hours late, in any order, a few hours at once or many."""
    seed = data.draw(st.integers(0, 2**32 - 1), label="seed")
    steps = data.draw(st.lists(st.integers(1, 30), min_size=2, max_size=8), label="hours a tick")
    stream = np.random.default_rng(seed)
    delay_h = stream.choice([0, 1, 24], live.height, p=[0.7, 0.15, 0.15])
    arrival = (live["timestamp"].to_numpy() - LIVE_S) // HOUR_S + delay_h
    made = provider()
    hour = 0
    for step in [*steps, N_LIVE + 25]:
        chosen = np.flatnonzero((arrival >= hour) & (arrival < hour + step))
        hour += step
        now_s = LIVE_S + hour * HOUR_S
        if chosen.size:
            made.send(live[stream.permutation(chosen)], now_s=now_s)
        made.tick(now_s)
        if hour > N_LIVE + 25:
            break
    assert made.standing() == batch(provider, live).standing()


def test_rows_that_come_while_a_tick_runs(provider: MakeProvider, live: pl.DataFrame) -> None:
    """They are seen by that tick, or scored again by the next: never lost."""
    made = provider()
    is_slow = pl.col("entity").is_in(["cell-1", "cell-3"])

    class Meddler(Serial):
        """Has rows sent between the reading and the scoring, and after it."""

        def _map(self, function, parts):  # type: ignore[no-untyped-def]
            slow = live.filter(is_slow)
            made.send(slow[: slow.height // 2], now_s=END_S)
            done = super()._map(function, parts)
            made.send(slow[slow.height // 2 :], now_s=END_S)
            return done

    made.send(live.filter(~is_slow), now_s=END_S)
    made.loop.runner = Meddler()
    made.tick(END_S)
    made.loop.runner = Serial()
    made.tick(END_S)
    assert made.standing() == batch(provider, live).standing()


def test_a_tick_that_fails_stores_nothing_and_is_done_again(
    provider: MakeProvider, live: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = provider()
    made.send(hours(live, 0, 40), now_s=LIVE_S + 40 * HOUR_S)

    def full(*_: object, **__: object) -> bool:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(made.ops.outbox, "put", full)
        with pytest.raises(OSError, match="full"):
            made.tick(LIVE_S + 40 * HOUR_S)
    assert made.ops.alarms.find() == []
    assert made.ops.incidents.find() == []
    assert made.ops.feeds.watermark("cells").scored_until_s is None
    made.tick(LIVE_S + 40 * HOUR_S)
    made.send(hours(live, 40, N_LIVE), now_s=END_S)
    made.tick(END_S)
    assert made.standing() == batch(provider, live).standing()


@pytest.mark.parametrize("flap_gap_s", [0, 6 * HOUR_S])
def test_a_station_that_is_silent_for_long(
    provider: MakeProvider, live: pl.DataFrame, flap_gap_s: int
) -> None:
    """Its alarm is neither cleared nor raised by silence, and ends where it was last seen."""
    config = replace(CONFIG, horizon_s=3 * HOUR_S, flap_gap_s=flap_gap_s)
    silence = (pl.col("timestamp") >= LIVE_S + 14 * HOUR_S) & (
        pl.col("timestamp") < LIVE_S + 48 * HOUR_S
    )
    told = live.filter(~silence | (pl.col("entity") != "cell-1"))
    whole, made = provider(config), provider(config)
    whole.send(told, now_s=END_S)
    whole.tick(END_S)
    for hour in range(0, N_LIVE, 3):
        now_s = LIVE_S + (hour + 3) * HOUR_S
        made.send(hours(told, hour, hour + 3), now_s=now_s)
        made.tick(now_s)
        if hour == 45:
            (alarm,) = made.ops.alarms.find(AlarmFilter(entity="cell-1"))
            assert alarm.end_s is None
    alarm, *_ = made.ops.alarms.find(AlarmFilter(entity="cell-1"))
    assert alarm.end_s == LIVE_S + 14 * HOUR_S
    assert made.standing() == whole.standing()


def test_rows_read_from_the_store_or_kept(provider: MakeProvider, live: pl.DataFrame) -> None:
    made = provider()
    made.loop.most_cells = 0
    for hour in range(0, N_LIVE, 9):
        now_s = LIVE_S + (hour + 9) * HOUR_S
        made.send(hours(live, hour, hour + 9), now_s=now_s)
        made.tick(now_s)
    assert made.standing() == batch(provider, live).standing()


def test_nothing_new_changes_nothing(provider: MakeProvider, live: pl.DataFrame) -> None:
    made = batch(provider, live)
    before = made.standing()
    made.ops.feeds.mark_dirty("cells", dict.fromkeys(["cell-1", "cell-4"], _span(0, N_LIVE)))
    told = made.restarted().tick(END_S)
    assert not told.new + told.changed + told.withdrawn + told.incidents
    assert made.standing() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_same_bytes_also_when_killed(
    provider: MakeProvider, live: pl.DataFrame, workers: int
) -> None:
    expected = batch(provider, live).standing()
    with Processes(ProcessesConfig(workers=workers)) as runner:
        made = provider(runner=runner)
        made.send(hours(live, 0, 30), now_s=LIVE_S + 30 * HOUR_S)
        made.tick(LIVE_S + 30 * HOUR_S)
        assert runner._pool is not None
        for worker in list(runner._pool._processes):
            os.kill(worker, signal.SIGKILL)
        made.send(hours(live, 30, N_LIVE), now_s=END_S)
        made.tick(END_S)
    assert made.standing() == expected


def test_history_that_comes_late_counts(
    provider: MakeProvider, live: pl.DataFrame, frames: list[KpiFrame]
) -> None:
    """Rows before the first scored one are in its history, and in what incidents compare with."""
    told = rows_of([frame[:N_TRAIN] for frame in frames])
    is_late = (pl.col("timestamp") >= LIVE_S - 20 * HOUR_S) & (pl.col("entity") != "cell-0")
    early = provider(history=told.filter(~is_late))
    early.send(hours(live, 0, 20), now_s=LIVE_S + 20 * HOUR_S)
    early.tick(LIVE_S + 20 * HOUR_S)
    early.send(told.filter(is_late), now_s=LIVE_S + 20 * HOUR_S)
    early.send(hours(live, 20, N_LIVE), now_s=END_S)
    early.tick(END_S)
    assert early.standing() == batch(provider, live).standing()


def _span(first: int, stop: int) -> TimeWindow:
    return TimeWindow(LIVE_S + first * HOUR_S, LIVE_S + stop * HOUR_S)
