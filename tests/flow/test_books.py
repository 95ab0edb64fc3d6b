"""What the loop keeps in memory says what the stores say."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.row_book import RowBook
from faultsight.flow.score_book import ScoreBook, ScoredRows
from faultsight.flow.score_store import ScoreStore
from faultsight.stores.telemetry import KpiStore

STEP_S = 60
APPENDS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.integers(0, 90), st.sampled_from(["load", "drops"]),
            st.integers(0, 9),
        ),
        min_size=1, max_size=12,
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def table(rows: list[tuple[str, int, str, int]]) -> pl.DataFrame:
    told: dict[tuple[str, int], dict[str, float]] = {}
    for entity, row, kpi, value in rows:
        told.setdefault((entity, row), {})[kpi] = float(value)
    return pl.DataFrame(
        [
            {"entity": e, "timestamp": r * STEP_S, "load": None, "drops": None} | values
            for (e, r), values in told.items()
        ],
        schema={
            "entity": pl.String, "timestamp": pl.Int64, "load": pl.Float32, "drops": pl.Float32,
        },
    )  # fmt: skip


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(APPENDS, st.integers(0, 60), st.integers(1, 40), st.integers(0, 5))
def test_rows_in_memory_are_those_of_the_store(
    tmp_path: Path,
    appends: list[list[tuple[str, int, str, int]]],
    first: int,
    length: int,
    skipped: int,
) -> None:
    store = KpiStore.create(
        Path(mkdtemp(dir=tmp_path)), name="cells", interval_s=STEP_S, n_buckets=2
    )
    book = RowBook(store, 0)
    for number, rows in enumerate(appends):
        store.append(table(rows), received_at_s=1e6)
        if number != skipped:
            assert book.update()
        if number == 3:
            book.trim(30 * STEP_S)
    assert book.update()
    window = TimeWindow(first * STEP_S, (first + length) * STEP_S)
    if not book.holds(window):
        return
    kept = {frame.entity: frame for frame in book.frames(window)}
    for frame in store.frames(window):
        mine = kept.pop(frame.entity)[kept_rows(window, frame.window)]
        assert mine.with_kpis(frame.kpis).values.tobytes() == frame.values.tobytes()
    assert not kept


def kept_rows(window: TimeWindow, inside: TimeWindow) -> slice:
    first = (inside.start_s - window.start_s) // STEP_S
    return slice(first, first + (inside.end_s - inside.start_s) // STEP_S)


def test_a_feed_that_grows_too_large_is_not_kept(tmp_path: Path) -> None:
    store = KpiStore.create(tmp_path / "cells", name="cells", interval_s=STEP_S, n_buckets=1)
    book = RowBook(store, 0, most_cells=20)
    store.append(table([("a", 1, "load", 1)]), received_at_s=1e6)
    assert book.update()
    store.append(table([("a", 40, "load", 1)]), received_at_s=1e6)
    assert not book.update()


def scored(entities: str, start: int, score: list[list[float]]) -> ScoredRows:
    values = np.array(score, np.float32)
    residuals = np.repeat(values[..., None], 2, axis=2) * np.array([1, 3], np.float32)
    level = np.full(len(entities), 2.0, np.float32)
    return ScoredRows(
        tuple(entities), start * STEP_S, STEP_S, 7, ("load", "drops"), values, level, residuals
    )


def test_a_book_read_again_says_the_same(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path / "cells", "cells", STEP_S, n_buckets=2)
    book = ScoreBook(STEP_S, 0)
    parts = [
        scored("ab", 3, [[1, 5, np.nan], [1, 1, 1]]),
        scored("c", 6, [[9, 1, 1]]),
        scored("a", 1, [[3, 1, 8]]),  # late: row 3 is said anew
    ]
    for part in parts:
        book.put(part)
        store.append([part])
    again = ScoreBook(STEP_S, 2 * STEP_S)
    store.fill(again, TimeWindow(0, 99 * STEP_S))
    window = TimeWindow(0, 12 * STEP_S)
    for entity in "abc":
        mine = book.ratios(entity, window)
        assert mine.tobytes() == again.ratios(entity, window).tobytes()
        assert mine.tobytes() == store.ratios(entity, window).tobytes()
    assert book.above(window) == sorted(again.above(window)) == ["a", "c"]
    for entity, row in (("a", 3), ("a", 4), ("c", 6)):
        assert book.told(entity, row * STEP_S) == store.told(entity, row * STEP_S)
        assert again.told(entity, row * STEP_S) is None
    shares, model = store.told("a", 4 * STEP_S)
    assert (dict(shares), model) == ({"drops": 0.75, "load": 0.25}, 7)


def test_what_is_trimmed_is_not_known(tmp_path: Path) -> None:
    book = ScoreBook(STEP_S, 0)
    book.put(scored("a", 0, [[5.0] * 100]))
    book.trim(60 * STEP_S)
    ratio = book.ratios("a", TimeWindow(58 * STEP_S, 62 * STEP_S))
    assert np.isnan(ratio[:2]).all()
    assert ratio[2:].tolist() == [2.5, 2.5]


@pytest.mark.parametrize("level", [0.0, -1.0])
def test_a_level_of_nothing_alarms_on_anything(level: float) -> None:
    rows = ScoredRows(
        ("a",), 0, STEP_S, 1, (), np.array([[0.0, 1e-3]], np.float32), np.array([level], np.float32)
    )
    assert rows.ratio[0, 0] == 0
    assert 1 < rows.ratio[0, 1] <= 1e9
