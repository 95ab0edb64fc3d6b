"""History like a missed anomaly is put aside; what is like a false alarm, or frequent, stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.tuning.history_like_anomalies import Likeness, history_like_anomalies
from faultsight.detect.tuning.marked_rows import MarkedRows, rows_of_marks

N_HISTORY, N_ROWS = 80, 100
KPIS = ("load", "drops", "delay_ms")


def quiet(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(N_ROWS, 3)).astype(np.float32)


def marked(tables: dict[str, NDArray[np.float32]], *told: tuple[str, int, MarkKind]) -> MarkedRows:
    frames = [KpiFrame(entity, KPIS, 0, 60, table) for entity, table in tables.items()]
    marks = [Mark(e, TimeWindow(row * 60, row * 60 + 60), kind) for e, row, kind in told]
    return rows_of_marks(frames, marks)


def aside(tables: dict[str, NDArray[np.float32]], marks: MarkedRows, **settings: float) -> set[int]:
    history = dict.fromkeys(tables, N_HISTORY)
    found = history_like_anomalies(tables, history, marks, Likeness(**settings))
    return set(np.flatnonzero(found["a"]).tolist())


def test_the_same_direction_is_found_in_any_entity_and_the_opposite_is_not() -> None:
    tables = {"a": quiet(), "b": quiet(1)}
    tables["a"][10] = [0.0, 12.0, -6.0]
    tables["a"][20] = [0.0, -12.0, 6.0]
    tables["b"][90] = [0.0, 8.0, -4.0]
    found = aside(tables, marked(tables, ("b", 90, MarkKind.MISSED)), strength=10.0)
    assert found == {10}


def test_nothing_is_put_aside_without_an_anomaly() -> None:
    tables = {"a": quiet()}
    assert aside(tables, marked(tables)) == set()
    assert aside(tables, marked(tables, ("a", 90, MarkKind.FALSE_ALARM))) == set()


def test_what_is_more_like_a_false_alarm_stays() -> None:
    tables = {"a": quiet()}
    tables["a"][10] = [9.0, 1.0, 0.0]
    tables["a"][90] = [9.0, 3.0, 0.0]
    tables["a"][95] = [9.0, 0.5, 0.0]
    missed = ("a", 90, MarkKind.MISSED)
    assert aside(tables, marked(tables, missed), strength=10.0) == {10}
    both = marked(tables, missed, ("a", 95, MarkKind.FALSE_ALARM))
    assert aside(tables, both, strength=10.0) == set()


def test_what_is_frequent_is_usual() -> None:
    tables = {"a": quiet()}
    tables["a"][:20] = [9.0, 0.0, 0.0]
    tables["a"][90] = [9.0, 0.0, 0.0]
    marks = marked(tables, ("a", 90, MarkKind.MISSED))
    assert aside(tables, marks, strength=10.0) == set()
    assert aside(tables, marks, strength=10.0, most=0.3) == set(range(20))


def test_missing_values_take_no_part() -> None:
    tables = {"a": quiet()}
    tables["a"][10] = [np.nan, 9.0, 0.0]
    tables["a"][90] = [np.nan, 9.0, 0.0]
    tables["a"][30] = np.nan
    marks = marked(tables, ("a", 90, MarkKind.CONFIRMED))
    assert aside(tables, marks, strength=10.0) == {10}


@pytest.mark.parametrize("wrong", [{"cosine": 0.0}, {"strength": -1.0}, {"most": 1.5}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        Likeness(**wrong)
