import numpy as np
import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers.riskloc import (
    RiskLoc,
    RiskLocConfig,
    _cutoff,
    _explanatory_power,
    _Partition,
)


def cube_of(real: np.ndarray, forecast: np.ndarray, shape: tuple[int, ...]) -> KpiCube:
    codes = np.indices(shape).reshape(len(shape), -1)
    columns = {name: [f"{name}{c}" for c in codes[i]] for i, name in enumerate("abc"[: len(shape)])}
    return KpiCube.from_frame(pl.DataFrame({**columns, "real": real, "predict": forecast}))


def noisy(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    stream = np.random.default_rng(1)
    forecast = stream.uniform(90.0, 110.0, int(np.prod(shape)))
    return forecast * stream.uniform(0.98, 1.02, forecast.size), forecast


def test_the_cutoff_mirrors_the_quiet_side() -> None:
    deviation = np.array([-0.5, -0.2, -0.1, -0.1, 0.0, 0.3, 0.9])
    # One outlier a side leaves -0.2 and 0.3; the smaller in size is -0.2.
    assert _cutoff(deviation, 1) == 0.2
    assert _cutoff(-deviation, 1) == -0.2


def test_the_cutoff_of_few_distinct_deviations() -> None:
    assert _cutoff(np.array([0.0, 0.0, 0.5]), 5) == 0.0


def test_weights_of_both_sides() -> None:
    cube = cube_of(np.array([100.0, 95.0, 20.0, 0.0]), np.array([100.0, 100.0, 100.0, 0.0]), (4,))
    partition = _Partition.of(Leaves(cube, cube.kpis[0]), 0)
    # D = 0, 10/195, 160/120, 0; the extremes are 0 and 4/3, so the cutoff is 0, and D is mostly
    # above it. A leaf at 0 that was expected to be 0 weighs nothing.
    abnormal, power, abnormal_weight, normal_weight = partition.columns
    assert abnormal.tolist() == [0, 1, 1, 0]
    assert abnormal_weight == pytest.approx([0, 10 / 97.5 * 0.5, 1, 0])
    assert normal_weight.tolist() == [0, 0, 0, 0]
    assert power == pytest.approx([0, 5 / 85, 80 / 85, 0])


def test_ripple_error_by_hand() -> None:
    cube = cube_of(np.array([50.0, 100.0, 50.0]), np.full(3, 100.0), (3,))
    partition = _Partition.of(Leaves(cube, cube.kpis[0]), 0)
    assert partition.ripple_error(np.array([0, 2])) == 0.0
    # Together 150 of 200: 75 each is expected, and 2 * 25 / 125 and 2 * 25 / 175 are missed, where
    # the deviations are 2/3 and 0.
    expected = (0.4 + 2 / 7) / 2 / (1 / 3)
    assert partition.ripple_error(np.array([0, 1])) == pytest.approx(expected)
    assert partition.ripple_error(np.array([], dtype=np.intp)) == 0.0


def test_explanatory_power_of_a_ratio_by_hand() -> None:
    cube = KpiCube.from_frame(
        pl.DataFrame(
            {
                "cdn": ["x", "y"],
                "bad": [5.0, 3.0],
                "bad_forecast": [1.0, 3.0],
                "all": [10.0, 40.0],
                "all_forecast": [10.0, 30.0],
            }
        ),
        measures={m: (m, f"{m}_forecast") for m in ("bad", "all")},
        kpis=[Kpi.ratio("rate", "bad", "all")],
    )
    power = _explanatory_power(Leaves(cube, cube.kpis[0]))
    # F_a = 4, F_b = 40: x adds 4 failures; y adds 10 viewers without a failure.
    assert power == pytest.approx([4 * 40 / (40 * 40), -10 * 4 / (40 * 50)])


def test_two_roots_by_explanatory_power() -> None:
    real, forecast = noisy((6, 5, 4))
    a, b, c = np.indices((6, 5, 4)).reshape(3, -1)
    first, second = a == 2, (b == 1) & (c == 3)
    real = np.where(first, 0.3 * forecast, np.where(second, 0.6 * forecast, real))
    answer = RiskLoc().localize(cube_of(real, forecast, (6, 5, 4)))
    assert list(map(str, answer.combinations)) == ["a=a2", "b=b1&c=c3"]
    lost = forecast - real
    whole = lost[first].sum() + lost[second & ~first].sum()
    assert answer.patterns[0].score == pytest.approx(lost[first].sum() / whole, rel=0.02)
    assert answer.patterns[1].score == pytest.approx(lost[second & ~first].sum() / whole, rel=0.02)
    assert answer.patterns[0].confidence > 0.8


def test_leaves_that_do_not_change_alike_are_no_root() -> None:
    real, forecast = noisy((6, 5))
    a, b = np.indices((6, 5)).reshape(2, -1)
    real = np.where(a == 2, forecast * np.array([0.1, 0.2, 0.3, 0.5, 0.7])[b], real)
    cube = cube_of(real, forecast, (6, 5))
    answer = RiskLoc().localize(cube)
    assert "a=a2" not in list(map(str, answer.combinations))
    assert any(str(d.combination) == "a=a2" and "alike" in d.reason for d in answer.dropped)
    lenient = RiskLoc(config=RiskLocConfig(risk_threshold=0.2)).localize(cube)
    assert str(lenient.combinations[0]) == "a=a2"


def test_rises_are_found_as_drops_are() -> None:
    real, forecast = noisy((6, 5))
    a, _ = np.indices((6, 5)).reshape(2, -1)
    real = np.where(a == 4, 2.5 * forecast, real)
    answer = RiskLoc().localize(cube_of(real, forecast, (6, 5)))
    assert list(map(str, answer.combinations)) == ["a=a4"]
    assert answer.patterns[0].direction == "rise"


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="risk_threshold"):
        RiskLocConfig(risk_threshold=1.5)
    with pytest.raises(SettingError, match="n_outliers"):
        RiskLocConfig(n_outliers=-1)


def test_a_single_leaf_changes_like_itself_whatever_the_rounding() -> None:
    stream = np.random.default_rng(5)
    cube = cube_of(stream.uniform(1, 99, 500), stream.uniform(1, 99, 500), (500,))
    partition = _Partition.of(Leaves(cube, cube.kpis[0]), 5)
    assert {partition.ripple_error(np.array([i])) for i in range(500)} == {0.0}


def test_a_single_leaf_sits_on_the_threshold_and_is_a_root() -> None:
    # All the weight it can have is 1, of 1 + 1: a risk of one half.
    real, forecast = noisy((8, 6))
    real[19], forecast[19] = 190.0, 25.0
    answer = RiskLoc().localize(cube_of(real, forecast, (8, 6)))
    assert list(map(str, answer.combinations)) == ["a=a3&b=b1"]
    assert answer.patterns[0].confidence == 0.5
