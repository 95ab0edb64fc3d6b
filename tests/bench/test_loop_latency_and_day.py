"""loop/latency and loop/day on a small provider: what they count, and what they refuse."""

from __future__ import annotations

import pytest

from faultsight.bench.engine import Context
from faultsight.bench.scenarios import loop_day, loop_latency
from faultsight.core.errors import UnknownMemberError


def test_latency_counts_alarms_and_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_latency, "_ENTITIES", 120)
    context = Context(methods=("serial", "processes"), cases=6, seed=1000)
    serial, processes = loop_latency.LoopLatency().run(context).rows
    assert (serial["runner"], processes["runner"]) == ("serial", "processes")
    assert serial["minutes"] == processes["minutes"] == 6
    assert serial["alarms"] == processes["alarms"]
    assert float(serial["alarms"] or 0) > 0
    for row in (serial, processes):
        parts = [row[f"{part}_s_median"] for part in ("append", "tick", "total", "alarm")]
        assert all(isinstance(part, float) and part > 0 for part in parts)
        assert isinstance(row["keeps_up"], bool)


def test_day_measures_three_sizes_of_each_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_day, "_STATIONS", 800)
    monkeypatch.setattr(loop_day, "_FNODES", 20)
    rows = loop_day.LoopDay().run(Context(cases=2, seed=1000)).rows
    assert [row["feed"] for row in rows] == ["stations"] * 3 + ["modems"] * 3
    assert [row["entities"] for row in rows[:3]] == [20, 40, 80]
    assert [row["share"] for row in rows[3:]] == [0.025, 0.05, 0.1]
    for row in rows:
        tick_s, rate = row["tick_s"], row["us_per_entity_round"]
        assert isinstance(tick_s, float)
        assert isinstance(rate, float)
        assert isinstance(row["entities"], int)
        assert rate * row["entities"] >= 0.99e6 * tick_s
    full = rows[2]
    assert isinstance(full["us_per_entity_round"], float)
    assert full["day_s_all"] == pytest.approx(full["us_per_entity_round"] * 1e-6 * 800 * 24)


def test_unknown_methods_are_refused() -> None:
    for scenario in (loop_day.LoopDay(), loop_latency.LoopLatency()):
        with pytest.raises(UnknownMemberError):
            scenario.run(Context(methods=("nobody",)))
