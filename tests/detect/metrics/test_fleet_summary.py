"""All metrics of a fleet at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.metrics import (
    affiliation,
    average_precision,
    best_fleet_f1,
    f1_pa_k_area,
    summary,
    vus_pr,
)

Fleet = dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]

KEYS = [
    "f1_deployed",
    "precision_deployed",
    "recall_deployed",
    "f1_point_adjusted",
    "f1_pointwise_deployed",
    "f1_pa_k",
    "average_precision",
    "vus_pr",
    "affiliation_precision",
    "affiliation_recall",
    "event_precision",
    "event_recall",
    "delay_rows",
    "false_alarms_per_entity_day",
]


def fleet() -> Fleet:
    """Two faulty entities, one found late and one missed, and a healthy one with a false alarm."""
    found, missed, healthy = (np.linspace(0.0, 0.5, 48) for _ in range(3))
    truth = np.zeros((3, 48), dtype=np.int64)
    truth[0, 10:14], truth[1, 20:22] = 1, 1
    found[12] = 9.0
    missed[20] = 0.9
    healthy[5:7] = 4.0
    return {"a": (found, truth[0]), "b": (missed, truth[1]), "c": (healthy, truth[2])}


def test_every_number_of_a_small_fleet() -> None:
    pairs = fleet()
    found = summary(pairs, dict.fromkeys(pairs, 1.0), interval_s=3600)
    assert list(found) == KEYS
    # Precision is 1, 0 (silent, though faulty) and 0 (false alarm); recall 1 and 0.
    assert found["precision_deployed"] == pytest.approx(1 / 3)
    assert found["recall_deployed"] == 0.5
    assert found["f1_deployed"] == pytest.approx(0.4)
    assert found["f1_point_adjusted"] == best_fleet_f1(pairs).f1 == 1.0
    assert found["f1_pointwise_deployed"] == pytest.approx(2 / 3 * 0.125 / (1 / 3 + 0.125))
    assert found["event_precision"] == 0.5
    assert found["event_recall"] == 0.5
    assert found["delay_rows"] == 2.0
    assert found["false_alarms_per_entity_day"] == pytest.approx(1 / 6)
    faulty = [pairs["a"], pairs["b"]]
    assert found["f1_pa_k"] == np.mean([f1_pa_k_area(*pair, 1.0) for pair in faulty])
    assert found["average_precision"] == np.mean([average_precision(*pair) for pair in faulty])
    # The slope is a day, 24 of these rows, and 100 rows where a day has more.
    assert found["vus_pr"] == np.mean([vus_pr(*pair, window=24) for pair in faulty])
    often = summary(pairs, dict.fromkeys(pairs, 1.0), interval_s=60)
    assert often["vus_pr"] == np.mean([vus_pr(*pair, window=100) for pair in faulty])
    near = affiliation(pairs["a"][0] > 1.0, pairs["a"][1])
    assert found["affiliation_precision"] == near.precision
    assert found["affiliation_recall"] == near.recall / 2


def test_levels_are_each_entitys_own() -> None:
    pairs = fleet()
    found = summary(pairs, {"a": 1.0, "b": 0.8, "c": 5.0}, interval_s=3600)
    assert found["f1_deployed"] == 1.0
    assert found["false_alarms_per_entity_day"] == 0.0
    # Levels change nothing about metrics that have none.
    other = summary(pairs, dict.fromkeys(pairs, 1.0), interval_s=3600)
    for key in ("f1_point_adjusted", "average_precision", "vus_pr"):
        assert found[key] == other[key]


def test_a_fleet_without_anomalies_has_false_alarms_alone() -> None:
    pairs = {"c": fleet()["c"]}
    found = summary(pairs, {"c": 1.0}, interval_s=3600)
    defined = {key for key, value in found.items() if not math.isnan(value)}
    assert defined == {"precision_deployed", "event_precision", "false_alarms_per_entity_day"}
    assert found["false_alarms_per_entity_day"] == 0.5


def test_names_the_entity_that_cannot_be_judged() -> None:
    pairs = fleet()
    with pytest.raises(InputError, match="b: has no level"):
        summary(pairs, {"a": 1.0}, interval_s=60)
    with pytest.raises(InputError, match="a: 2 scores, but 1"):
        summary({"a": ([1.0, 2.0], [1])}, {"a": 1.0}, interval_s=60)
    with pytest.raises(InputError, match="no entity"):
        summary({}, {}, interval_s=60)
    with pytest.raises(SettingError, match="interval_s"):
        summary(pairs, dict.fromkeys(pairs, 1.0), interval_s=0)
