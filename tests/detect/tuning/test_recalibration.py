"""Levels set anew: false alarms raise them, missed anomalies may lower them."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.alarms import raise_alarms
from faultsight.detect.contract import Score
from faultsight.detect.thresholds import THRESHOLDS
from faultsight.detect.thresholds.alarm_budget import AlarmBudget, AlarmBudgetConfig
from faultsight.detect.thresholds.quantile import Quantile, QuantileConfig
from faultsight.detect.tuning.marked_rows import MarkedRows, rows_of_marks
from faultsight.detect.tuning.recalibration import recalibrate

HOUR_S = 3600


def scores() -> list[Score]:
    values = np.append(np.arange(200.0), [500.0, 900.0])
    return [Score(e, 0, HOUR_S, ("x",), values, np.zeros((202, 1), np.float32)) for e in "ab"]


def marked(*spans: tuple[int, int, MarkKind], entity: str = "a") -> MarkedRows:
    marks = [Mark(entity, TimeWindow(a * HOUR_S, b * HOUR_S), kind) for a, b, kind in spans]
    return rows_of_marks(scores(), marks)


HISTORY = {"a": 200, "b": 200}
RULE = Quantile(QuantileConfig(0.99))


def test_without_false_alarms_it_is_the_rule_on_history() -> None:
    plain = RULE.levels([score[:200] for score in scores()])
    assert plain == pytest.approx({"a": 197.01, "b": 197.01})
    assert recalibrate(RULE, scores(), HISTORY, marked()) == plain
    others = marked(
        (200, 201, MarkKind.MISSED), (201, 202, MarkKind.CONFIRMED), (202, 203, MarkKind.IGNORE)
    )
    assert recalibrate(RULE, scores(), HISTORY, others) == plain
    assert (
        recalibrate(RULE, scores(), HISTORY, marked((200, 202, MarkKind.FALSE_ALARM)), weight=0)
        == plain
    )


@pytest.mark.parametrize("weight", [1, 2, 5])
def test_a_false_alarm_counts_as_often_as_its_weight_and_only_for_its_entity(weight: int) -> None:
    levels = recalibrate(
        RULE, scores(), HISTORY, marked((200, 201, MarkKind.FALSE_ALARM)), weight=weight
    )
    assert levels["a"] == np.quantile([*range(200), *[500.0] * weight], 0.99)
    assert levels["b"] == pytest.approx(197.01)


def test_levels_rise_with_the_weight_until_the_false_alarm_is_quiet() -> None:
    told = marked((200, 202, MarkKind.FALSE_ALARM))
    levels = [recalibrate(RULE, scores(), HISTORY, told, weight=w)["a"] for w in range(6)]
    assert levels == sorted(levels)
    assert levels[0] < levels[-1] == 900.0


def test_each_copy_of_a_false_alarm_is_one_alarm_of_the_budget() -> None:
    # 202 hours at two a week: two alarms are allowed, and history alone has three.
    total = np.zeros(202)
    total[[20, 60, 100]] = [5.0, 4.0, 3.0]
    total[200:] = 4.5
    score = Score("a", 0, HOUR_S, (), total)
    told = rows_of_marks(
        [score], [Mark("a", TimeWindow(200 * HOUR_S, 202 * HOUR_S), MarkKind.FALSE_ALARM)]
    )
    rule = AlarmBudget(AlarmBudgetConfig(2))
    levels = [recalibrate(rule, [score], {"a": 200}, told, weight=w)["a"] for w in (0, 1, 3)]
    assert levels == [3.0, 4.0, 4.5]
    assert not raise_alarms(score[200:], levels[2])


def test_a_weight_below_zero_is_refused() -> None:
    with pytest.raises(SettingError, match="weight must be at least 0, not -1"):
        recalibrate(RULE, scores(), HISTORY, marked(), weight=-1)


def test_a_missed_anomaly_brings_the_level_down_but_not_into_history() -> None:
    total = np.append(np.arange(200.0), [150.0, 197.5])
    score = Score("a", 0, 60, (), total)
    rule = THRESHOLDS.load("quantile")()

    def level(row: int, least_quantile: float) -> float:
        mark = Mark("a", TimeWindow(row * 60, row * 60 + 60), MarkKind.MISSED)
        marked = rows_of_marks([score], [mark])
        return recalibrate(rule, [score], {"a": 200}, marked, least_quantile=least_quantile)["a"]

    assert level(201, 0.9) == pytest.approx(0.98 * 197.5)
    assert level(200, 0.9) == pytest.approx(np.quantile(np.arange(200.0), 0.9))
    assert level(201, 1.0) == pytest.approx(np.quantile(np.arange(200.0), 0.995))


def test_history_that_is_marked_otherwise_does_not_count() -> None:
    plain = recalibrate(RULE, scores(), HISTORY, marked())
    for kind in (MarkKind.IGNORE, MarkKind.CONFIRMED):
        levels = recalibrate(RULE, scores(), HISTORY, marked((190, 200, kind)))
        assert levels["a"] < plain["a"]
        assert levels["b"] == plain["b"]


def test_rows_put_aside_do_not_count() -> None:
    aside = {"a": np.arange(200) >= 190, "elsewhere": np.ones(3, dtype=bool)}
    levels = recalibrate(RULE, scores(), HISTORY, marked(), aside=aside)
    assert levels == pytest.approx({"a": np.quantile(np.arange(190.0), 0.99), "b": 197.01})
