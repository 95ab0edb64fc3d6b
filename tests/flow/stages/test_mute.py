"""Planned work mutes what lies within it; the reason is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faultsight.core.alarm import AlarmKind, AlarmRecord
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.stages.mute import Rule, muted, touched_by

ALARM = AlarmRecord(feed="f", entity="e", kind=AlarmKind.KPI, start_s=100, end_s=200, peak=2.0)
NORTH = Rule("1", TimeWindow(50, 250), "upgrade", {"region": "north"})


@pytest.mark.parametrize(
    ("window", "end_s", "until_s", "is_muted"),
    [
        ((50, 250), 200, 500, True),
        ((100, 200), 200, 500, True),
        ((101, 250), 200, 500, False),  # began before the work
        ((50, 199), 200, 500, False),  # outlasts it
        ((50, 250), None, 240, True),  # still raised, the work goes on
        ((50, 250), None, 260, False),  # still raised after the work
    ],
)
def test_only_what_lies_within(
    window: tuple[int, int], end_s: int | None, until_s: int, is_muted: bool
) -> None:
    rule = replace(NORTH, window=TimeWindow(*window))
    alarm = AlarmRecord(
        feed="f", entity="e", kind=AlarmKind.KPI, start_s=100, end_s=end_s, peak=2.0
    )
    told = muted(alarm, "e", {"region": "north"}, [rule], until_s=until_s)
    assert (told.muted_by, told.mute_reason) == (("1", "upgrade") if is_muted else (None, ""))


def test_scope_entity_and_order() -> None:
    mine = replace(NORTH, id="2", scope={}, entity="e", reason="mine")
    other = replace(NORTH, id="0", scope={}, entity="other")
    assert muted(ALARM, "e", {"region": "south"}, [NORTH], until_s=900).muted_by is None
    assert muted(ALARM, "e", {}, [other, mine], until_s=900).mute_reason == "mine"
    assert muted(ALARM, "e", {"region": "north"}, [NORTH, mine], until_s=900).muted_by == "1"


def test_a_rule_that_is_gone_mutes_no_more() -> None:
    told = muted(ALARM, "e", {"region": "north"}, [NORTH], until_s=900)
    assert muted(told, "e", {"region": "north"}, [], until_s=900) == ALARM


def test_changed_rules_tell_where() -> None:
    moved = replace(NORTH, window=TimeWindow(300, 400))
    everything = TimeWindow(0, 1000)
    assert touched_by([NORTH], [NORTH], everything) == []
    assert set(touched_by([moved], [NORTH], everything)) == {NORTH.window, moved.window}
    assert touched_by([], [NORTH], everything) == [NORTH.window]
    assert touched_by([NORTH], [], TimeWindow(250, 900)) == []
