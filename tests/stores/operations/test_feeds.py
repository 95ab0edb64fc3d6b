"""Feeds, their files and entities: watermarks, late data, each file once."""

from __future__ import annotations

import pytest

from faultsight.core.errors import ConflictError, InputError, NotFoundError, StaleVersionError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations, Watermark


def test_a_feed_is_added_once(ops: Operations) -> None:
    first = ops.feeds.add("cdn", "cube", 300, {"measures": ["hits"]})
    assert ops.feeds.add("cdn", "cube", 300, {"other": 1}) == first == ops.feeds.get("cdn")
    assert [feed.name for feed in ops.feeds.list()] == ["cdn", "cells"]
    with pytest.raises(ConflictError, match="is there as cube, every 300 s"):
        ops.feeds.add("cdn", "kpi", 300)


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "a b", "a/b", "../a", "a" * 65, "a\n", "é", "a;drop", "-a"]
)
def test_feed_names_are_plain(ops: Operations, name: str) -> None:
    with pytest.raises(InputError, match="is no feed name"):
        ops.feeds.add(name, "kpi", 60)


@pytest.mark.parametrize(("kind", "interval_s"), [("odd", 60), ("kpi", 0), ("kpi", -1)])
def test_kinds_and_intervals_that_cannot_be(ops: Operations, kind: str, interval_s: int) -> None:
    with pytest.raises(InputError, match="cannot be"):
        ops.feeds.add("new", kind, interval_s)


def test_data_go_forward_and_scores_may_be_taken_back(ops: Operations) -> None:
    assert ops.feeds.watermark("cells") == Watermark(None, None)
    ops.feeds.set_watermark("cells", data_until_s=0, scored_until_s=600)
    assert ops.feeds.set_watermark("cells", data_until_s=900) == Watermark(900, 600)
    assert ops.feeds.set_watermark("cells", data_until_s=300, scored_until_s=0) == Watermark(900, 0)


def test_settings_are_replaced_by_who_has_read_them(ops: Operations) -> None:
    assert ops.feeds.set_settings("cells", {"a": 1}, expected_version=1).version == 2
    with pytest.raises(StaleVersionError):
        ops.feeds.set_settings("cells", {"a": 2}, expected_version=1)
    assert ops.feeds.get("cells").settings == {"a": 1}


def test_late_data_are_noted_until_they_are_scored(ops: Operations) -> None:
    ops.feeds.mark_dirty("cells", {"b": TimeWindow(60, 120), "a": TimeWindow(0, 60)})
    ops.feeds.mark_dirty("cells", [("a", TimeWindow(180, 240))])
    dirty = ops.feeds.dirty("cells")
    assert dirty.windows == {"a": TimeWindow(0, 240), "b": TimeWindow(60, 120)}
    ops.feeds.mark_dirty("cells", {"c": TimeWindow(0, 60)})  # while the others are scored
    ops.feeds.clear_dirty("cells", dirty.through)
    assert ops.feeds.dirty("cells").windows == {"c": TimeWindow(0, 60)}
    ops.feeds.clear_dirty("cells", ops.feeds.dirty("cells").through)
    ops.feeds.mark_dirty("cells", {"d": TimeWindow(0, 60)})
    ops.feeds.clear_dirty("cells", dirty.through)  # once more, late: numbers are not used again
    assert list(ops.feeds.dirty("cells").windows) == ["d"]


def test_each_file_is_recorded_once_with_what_was_set_aside(ops: Operations) -> None:
    ops.feeds.add("other", "kpi", 60)
    assert not ops.files.seen("cells", "k1")
    assert ops.files.record("cells", "k1", "in/a.csv", 10, 3, {"no time": 2, "no entity": 1})
    assert ops.files.seen("cells", "k1")
    assert not ops.files.record("cells", "k1", "in/copy.csv", 99, 9, {"no time": 9})
    assert ops.files.record("cells", "k2", "in/b.csv", 5, 1, {"no time": 1})
    assert ops.files.record("other", "k1", "in/a.csv", 10)
    assert ops.files.quarantined("cells") == {"no entity": 1, "no time": 3}
    assert [file.path for file in ops.files.page("cells").items] == ["in/b.csv", "in/a.csv"]


def test_entities_are_added_and_their_attributes_replaced(ops: Operations) -> None:
    assert ops.entities.put("cells", {"a": {"region": "n"}, "b": {}}) == 2
    assert ops.entities.put("cells", {"a": {"region": "n"}, "b": {"region": "s"}, "c": {}}) == 2
    assert ops.entities.get("cells", "b").attributes == {"region": "s"}
    assert list(ops.entities.attributes("cells")) == ["a", "b", "c"]
    page = ops.entities.page("cells", limit=2)
    assert [one.name for one in page.items] == ["a", "b"]
    assert [one.name for one in ops.entities.page("cells", after=page.next).items] == ["c"]


def test_what_is_not_there_is_named(ops: Operations) -> None:
    for ask in (
        lambda: ops.feeds.get("nope"),
        lambda: ops.feeds.mark_dirty("nope", {}),
        lambda: ops.feeds.set_watermark("nope", data_until_s=0),
        lambda: ops.files.record("nope", "k", "p", 0),
        lambda: ops.entities.put("nope", {}),
    ):
        with pytest.raises(NotFoundError, match="no feed 'nope'"):
            ask()
    with pytest.raises(NotFoundError, match="no entity 'x'"):
        ops.entities.get("cells", "x")
