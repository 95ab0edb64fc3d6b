import numpy as np
import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers._squeeze_steps import Space
from faultsight.localize.peers.psqueeze import (
    PSqueeze,
    PSqueezeConfig,
    _variants,
    external_root_cause_threshold,
)


def cube_of(real: np.ndarray, forecast: np.ndarray) -> KpiCube:
    a, b = np.indices(real.shape).reshape(2, -1)
    return KpiCube.from_frame(
        pl.DataFrame(
            {
                "a": [f"a{c}" for c in a],
                "b": [f"b{c}" for c in b],
                "real": real.ravel(),
                "predict": forecast.ravel(),
            }
        )
    )


def test_variants_of_a_count_by_hand() -> None:
    cube = cube_of(np.array([[2.0, 0.0]]), np.array([[4.0, 4.0]]))
    space = Space.of(Leaves(cube, cube.kpis[0]), np.ones(2, dtype=bool))
    deviation, weights = _variants(space)
    assert deviation[0] == pytest.approx([3 / 5, 2 / 6, 1 / 7])
    assert deviation[1] == pytest.approx([1, 1, 3 / 5])
    # Poisson about 2: P(1) = P(2) = 2 e^-2, P(3) = 4/3 e^-2. A count of 0 is weighed as 1 is.
    assert weights[0] == pytest.approx([3 / 8, 3 / 8, 2 / 8])
    assert weights[1] == pytest.approx([0.4, 0.4, 0.2])


def test_a_rate_has_no_other_counts() -> None:
    cube = KpiCube.from_frame(
        pl.DataFrame(
            {
                "cdn": ["x"],
                "bad": [5.0],
                "bad_forecast": [1.0],
                "all": [10.0],
                "all_forecast": [10.0],
            }
        ),
        measures={m: (m, f"{m}_forecast") for m in ("bad", "all")},
        kpis=[Kpi.ratio("rate", "bad", "all")],
    )
    deviation, weights = _variants(Space.of(Leaves(cube, cube.kpis[0]), np.ones(1, dtype=bool)))
    assert deviation[0] == pytest.approx([-0.4 / 0.6] * 3)
    assert weights[0] == pytest.approx([1 / 3] * 3)


def test_small_counts_that_halve_together() -> None:
    stream = np.random.default_rng(2)
    forecast = stream.integers(20, 60, (12, 30)).astype(float)
    real = forecast + stream.integers(-1, 2, forecast.shape)
    real[3] = np.round(0.3 * forecast[3])
    answer = PSqueeze().localize(cube_of(real, forecast))
    assert list(map(str, answer.combinations)) == ["a=a3"]
    amounts = np.abs(real - forecast)
    share = amounts[3].sum() / amounts.sum()
    # Leaves at the rim of the cluster are left out of the score.
    assert 0.8 * share < answer.patterns[0].score <= share


def test_noise_alone_has_no_cluster() -> None:
    stream = np.random.default_rng(2)
    forecast = stream.integers(200, 600, (12, 30)).astype(float)
    real = forecast + stream.integers(-5, 6, forecast.shape)
    answer = PSqueeze().localize(cube_of(real, forecast))
    assert answer.abstained == "no cluster of values deviates enough"


def test_external_threshold_lies_in_the_last_valley() -> None:
    high = [0.85, 0.9, 0.9, 0.95, 0.9, 0.95, 0.85] * 10
    threshold = external_root_cause_threshold([0.1, 0.15, 0.2] * 10 + high)
    assert 0.2 < threshold < 0.85


def test_external_threshold_needs_cases() -> None:
    with pytest.raises(InputError, match="at least one case"):
        external_root_cause_threshold([])


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="min_share_as_seen"):
        PSqueezeConfig(min_share_as_seen=-0.1)
    with pytest.raises(SettingError, match="max_elements"):
        PSqueezeConfig(max_elements=0)
