import numpy as np
import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers._squeeze_steps import Search, Space, density_peaks, large_amounts
from faultsight.localize.peers.squeeze import Squeeze, SqueezeConfig, _score_weight


def faulty(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    stream = np.random.default_rng(seed)
    forecast = stream.uniform(90.0, 110.0, shape)
    return forecast * stream.uniform(0.99, 1.01, shape), forecast


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


def space_of(cube: KpiCube) -> Space:
    return Space.of(Leaves(cube, cube.kpis[0]), np.ones(cube.n_leaves, dtype=bool))


def test_amounts_beyond_the_knee() -> None:
    amounts = np.concatenate([np.linspace(0.0, 1.0, 90), np.linspace(49.0, 51.0, 10)])
    assert large_amounts(amounts).tolist() == list(range(90, 100))
    assert large_amounts(np.zeros(3)).tolist() == [0, 1, 2]


def test_peaks_reach_from_valley_to_valley() -> None:
    deviation = np.array([0.25] + [0.35] * 3 + [0.45] + [0.75] * 2)
    edges = np.linspace(0.2, 0.8, 7)
    peaks = list(density_peaks(deviation, np.ones(7), edges, with_plateaus=False))
    # Bins of 0.1 hold 1, 3, 1, 0, 0, 2: the valleys are the middles of the empty bins about.
    assert np.array(peaks) == pytest.approx(np.array([[0.15, 0.55], [0.65, 0.85]]))


def test_a_flat_top_is_a_peak_if_wanted() -> None:
    deviation, edges = np.array([0.25, 0.35]), np.linspace(0.2, 0.4, 3)
    assert list(density_peaks(deviation, np.ones(2), edges, with_plateaus=False)) == []
    peaks = list(density_peaks(deviation, np.ones(2), edges, with_plateaus=True))
    assert np.array(peaks) == pytest.approx(np.array([[0.15, 0.45]]))


def test_generalized_potential_score_by_hand() -> None:
    real = np.array([[50.0, 60.0], [100.0, 104.0], [100.0, 100.0]])
    cube = cube_of(real, np.full((3, 2), 100.0))
    is_normal = np.array([0, 0, 1, 1, 1, 1], dtype=bool)
    search = Search(space_of(cube), is_normal, 10.0, 1.0, 12, 0.9)
    best, *others = search.explain((~is_normal).astype(float))
    assert (best.attributes, best.cells) == ((0,), (0,))
    # Under a common change to 55 % each leaf of a0 is missed by 5; now they are missed by 45.
    assert best.score == pytest.approx(1 - (5 + 1) / (45 + 1))
    assert best.rank == pytest.approx(10 * best.score - 1)
    # The score of a0 is below 0.9, so the leaf layer is visited; two elements cost four there.
    deeper = next(e for e in others if e.attributes == (0, 1))
    assert deeper.cells == (0, 1)
    assert deeper.rank == pytest.approx(10 * deeper.score - 4)


def test_a_high_score_ends_the_search() -> None:
    real = np.full((3, 2), 100.0)
    real[0] = 50.0
    weights = np.array([1.0, 1, 0, 0, 0, 0])
    search = Search(space_of(cube_of(real, np.full((3, 2), 100.0))), weights == 0, 10, 1, 12, 0.9)
    found = search.explain(weights)
    assert found[0].score == 1.0
    assert {len(e.attributes) for e in found} == {1}


def test_never_all_elements_of_a_cuboid() -> None:
    real = np.full((2, 2), 50.0)
    search = Search(
        space_of(cube_of(real, np.full((2, 2), 100.0))), np.zeros(4, dtype=bool), 10, 1, 12, 2.0
    )
    assert all(len(e.cells) < 2 ** len(e.attributes) for e in search.explain(np.ones(4)))


def test_a_ratio_is_aggregated_before_it_is_derived() -> None:
    cube = KpiCube.from_frame(
        pl.DataFrame(
            {
                "cdn": ["x", "y"],
                "bad": [5.0, 10.0],
                "bad_forecast": [1.0, 3.0],
                "all": [10.0, 90.0],
                "all_forecast": [10.0, 30.0],
            }
        ),
        measures={m: (m, f"{m}_forecast") for m in ("bad", "all")},
        kpis=[Kpi.ratio("rate", "bad", "all")],
    )
    assert space_of(cube).ripple(np.array([0, 1])) == pytest.approx((0.15, 0.1))


def test_score_weight_by_hand() -> None:
    expected = np.log(3) / 2 * (20 / np.log(21)) * -np.log(0.25)
    assert _score_weight(2, 0.25, 20) == pytest.approx(expected)


def test_clusters_of_two_magnitudes_and_their_shares() -> None:
    real, forecast = faulty((12, 30))
    real[3] = 0.5 * forecast[3]
    real[7] = 0.5 * forecast[7]
    real[:, 4] = 0.1 * forecast[:, 4]
    answer = Squeeze().localize(cube_of(real, forecast))
    assert sorted(map(str, answer.combinations)) == ["a=a3", "a=a7", "b=b4"]
    amounts = np.abs(real - forecast)
    share = amounts[:, 4].sum() / amounts.sum()
    column = next(p for p in answer.patterns if str(p.combination) == "b=b4")
    assert column.score == pytest.approx(share)
    assert column.confidence > 0.9


def test_leaves_expected_to_be_zero_take_no_part() -> None:
    real, forecast = faulty((12, 30))
    real[3] = 0.5 * forecast[3]
    forecast[5], real[5] = 0.0, 500.0
    answer = Squeeze().localize(cube_of(real, forecast))
    assert list(map(str, answer.combinations)) == ["a=a3"]


def test_noise_alone_has_no_cluster() -> None:
    answer = Squeeze().localize(cube_of(*faulty((12, 30))))
    assert answer.abstained == "no cluster of leaves deviates enough"


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="min_deviation"):
        SqueezeConfig(min_deviation=1.0)
    with pytest.raises(SettingError, match="max_elements"):
        SqueezeConfig(max_elements=0)
