"""Precision, recall and F1 of entities and fleets, where they are defined and where not."""

from __future__ import annotations

import math

import pytest

from faultsight.core.errors import InputError
from faultsight.detect.metrics import Counts, count_rows, f1_of, fleet_f1


def test_counts_rows() -> None:
    counts = count_rows([1, 1, 0, 0, 1], [1, 0, 1, 0, 1])
    assert counts == Counts(tp=2, fp=1, fn=1)
    assert counts.precision == counts.recall == counts.f1 == pytest.approx(2 / 3)


def test_silence_about_an_anomaly_has_no_precision() -> None:
    assert Counts(0, 0, 5).precision == 0.0
    assert Counts(0, 0, 5).f1 == 0.0


def test_a_healthy_entity_has_no_recall() -> None:
    assert math.isnan(Counts(0, 3, 0).recall)
    assert Counts(0, 3, 0).precision == 0.0
    assert math.isnan(Counts(0, 0, 0).precision)


def test_fleet_averages_before_it_takes_the_f1() -> None:
    found = fleet_f1({"a": Counts(1, 0, 3), "b": Counts(2, 2, 0)})
    assert found.precision == 0.75
    assert found.recall == 0.625
    assert found.f1 == pytest.approx(2 * 0.75 * 0.625 / 1.375)
    pooled = Counts(3, 2, 3).f1
    assert found.f1 != pytest.approx(pooled)


def test_a_quiet_healthy_entity_changes_nothing_and_a_false_alarm_there_costs_precision() -> None:
    faulty = Counts(4, 0, 0)
    assert fleet_f1([faulty, Counts(0, 0, 0)]) == (1.0, 1.0, 1.0)
    assert fleet_f1([faulty, Counts(0, 1, 0)])[:2] == (0.5, 1.0)


def test_without_any_anomaly_there_is_no_f1() -> None:
    found = fleet_f1([Counts(0, 0, 0), Counts(0, 2, 0)])
    assert found.precision == 0.0
    assert math.isnan(found.recall)
    assert math.isnan(found.f1)


def test_f1_of_nothing_found_is_zero() -> None:
    assert f1_of(0.0, 0.0) == 0.0


def test_refuses_no_entity_unequal_lengths_and_negative_counts() -> None:
    with pytest.raises(InputError, match="no entity"):
        fleet_f1([])
    with pytest.raises(InputError, match="2 rows of alarm, but 3"):
        count_rows([1, 0], [1, 0, 1])
    with pytest.raises(InputError, match="at least 0"):
        Counts(-1, 0, 0)
