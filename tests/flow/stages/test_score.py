"""Rows are cut into blocks of a fixed grid, and late rows reach as far as history does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.config import FeedConfig
from faultsight.flow.stages.score import blocks, late_blocks

CONFIG = FeedConfig("f", interval_s=60, block_s=3600, history_s=5400)


@given(st.integers(-50, 50), st.integers(0, 100), st.integers(1, 20))
def test_blocks_cover_a_window_once(start: int, length: int, block: int) -> None:
    window = TimeWindow(start, start + length)
    parts = list(blocks(window, block))
    covered = [s for _, rows in parts for s in range(rows.start_s, rows.end_s)]
    assert covered == list(range(window.start_s, window.end_s))
    for whole, rows in parts:
        assert whole.start_s % block == 0
        assert whole.end_s - whole.start_s == block
        assert whole.start_s <= rows.start_s < rows.end_s <= whole.end_s


@given(st.integers(0, 600), st.integers(1, 120), st.integers(0, 700))
def test_late_rows_reach_every_row_that_has_them_in_its_history(
    start: int, length: int, scored: int
) -> None:
    window = TimeWindow(start * 60, (start + length) * 60)
    told: set[int] = set()
    for _, rows, entities in late_blocks({"a": window}, scored * 60, CONFIG):
        assert entities == ("a",)
        told.update(range(rows.start_s // 60, rows.end_s // 60))
    expected = set()
    for row in range(start, scored):
        first = row * 60 // CONFIG.block_s * CONFIG.block_s - CONFIG.history_s
        if first < window.end_s:  # the first row that the scoring of this one sees
            expected.add(row)
    assert told == expected


def test_entities_of_one_block_are_scored_together() -> None:
    late = {"b": TimeWindow(120, 180), "a": TimeWindow(60, 120)}
    (first, *_) = late_blocks(late, 3600, CONFIG)
    assert first == (TimeWindow(0, 3600), TimeWindow(60, 3600), ("a", "b"))
