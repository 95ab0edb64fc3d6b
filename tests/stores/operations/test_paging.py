"""Pages: every row once, whatever is added meanwhile; cursors that are none are refused."""

from __future__ import annotations

import pytest

from faultsight.core.alarm import AlarmKind, AlarmRecord
from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations

DAY = TimeWindow(0, 86_400)


def alarms(count: int, start_s: int = 0) -> list[AlarmRecord]:
    # Many share a start, so that the order needs the id as well.
    return [
        AlarmRecord(
            feed="cells", entity=f"e{n}", kind=AlarmKind.KPI, start_s=start_s + n // 4, peak=1.0
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("limit", [1, 3, 10, 11, 100])
def test_pages_hold_every_row_once_newest_first(ops: Operations, limit: int) -> None:
    ops.alarms.reconcile("cells", DAY, None, alarms(10))
    seen: list[AlarmRecord] = []
    after = None
    for _ in range(20):
        page = ops.alarms.page(after=after, limit=limit)
        assert len(page.items) <= limit
        seen += page.items
        after = page.next
        if after is None:
            break
    assert seen == sorted(seen, key=lambda one: (one.start_s, one.id), reverse=True)
    assert {one.id for one in seen} == {one.id for one in alarms(10)}
    assert len(seen) == 10


def test_new_rows_do_not_shift_pages(ops: Operations) -> None:
    old = alarms(8)
    ops.alarms.reconcile("cells", DAY, None, old)
    first = ops.alarms.page(limit=4)
    ops.alarms.reconcile("cells", DAY, None, [*old, *alarms(8, start_s=1000)])
    second = ops.alarms.page(after=first.next, limit=4)
    assert {one.id for one in (*first.items, *second.items)} == {one.id for one in old}


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!!", "bnVsbA", "WzFd", "WzEsMl0", "WyJhIiwiYiJd", "W3RydWUsImEiXQ", "é"]
)
def test_what_is_no_cursor_is_refused(ops: Operations, cursor: str) -> None:
    with pytest.raises(InputError, match="not the cursor of a page"):
        ops.alarms.page(after=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_pages_are_bounded(ops: Operations, limit: int) -> None:
    with pytest.raises(SettingError, match="1 to 1000"):
        ops.alarms.page(limit=limit)
