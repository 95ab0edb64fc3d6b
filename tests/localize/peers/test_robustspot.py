import numpy as np
import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.leaves import Leaves
from faultsight.localize.peers.robustspot import (
    RobustSpot,
    RobustSpotConfig,
    _are_siblings,
    _Counts,
    _influence_knee,
    _siblings,
)


def streams(stalls: np.ndarray, expected: float = 2.0, viewers: float = 100.0) -> KpiCube:
    cdn, bitrate = np.indices(stalls.shape).reshape(2, -1)
    n = stalls.size
    return KpiCube.from_frame(
        pl.DataFrame(
            {
                "cdn": cdn,
                "bitrate": bitrate,
                "stalls": stalls.ravel(),
                "stalls_forecast": np.full(n, expected),
                "viewers": np.full(n, viewers),
                "viewers_forecast": np.full(n, viewers),
            }
        ),
        measures={m: (m, f"{m}_forecast") for m in ("stalls", "viewers")},
        kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")],
    )


def counts_of(stalls: np.ndarray, expected: float = 2.0) -> _Counts:
    cube = streams(stalls, expected)
    return _Counts.of(Leaves(cube, cube.kpis[0]))


def test_influence_and_contribution_by_hand() -> None:
    counts = counts_of(np.array([[42.0, 12.0, 2.0]]))
    every = np.arange(3)
    # Rates deviate by 0.4, 0.1 and 0; the others of the first by 0.05 in the mean.
    assert counts.influence(every) == pytest.approx([0.4 / 0.45, 0.1 / 0.3, 0])
    # 6 failures of 300 are expected; the first leaf alone would make 46.
    assert counts.contribution(every) == pytest.approx([46 / 6 - 1, 16 / 6 - 1, 0])


def test_where_no_failure_was_expected_failing_leaves_contribute() -> None:
    counts = counts_of(np.array([[5.0, 0.0]]), expected=0.0)
    assert counts.contribution(np.arange(2)).tolist() == [1, 0]


def test_support_counts_leaves_not_traffic() -> None:
    counts = counts_of(np.zeros((2, 3)))
    assert counts.support([((0, 1),)], np.arange(6)) == 0.5
    assert counts.support([((0, 1), (1, 2)), ((0, 0), (1, 2))], np.arange(6)) == pytest.approx(
        1 / 3
    )


def test_knee_of_the_influence() -> None:
    influence = np.sort(np.concatenate([np.linspace(0.01, 0.1, 40), np.linspace(0.85, 0.95, 8)]))
    found = _influence_knee(influence)
    assert found is not None
    assert 0.05 < found < 0.85
    assert _influence_knee(np.array([0.5])) is None


def test_siblings_differ_in_elements_only() -> None:
    assert _are_siblings(((0, 1),), ((0, 2),))
    assert not _are_siblings(((0, 1),), ((1, 1),))
    assert not _are_siblings(((0, 1),), ((0, 1),))
    assert not _are_siblings(((0, 1),), ((0, 2),), ((0, 1),))
    one, two, three = ((0, 1),), ((0, 2),), ((0, 3),)
    assert _siblings([one], [two], [three]) == [
        (one, two),
        (one, three),
        (two, three),
        (one, two, three),
    ]


def test_one_cause() -> None:
    stalls = np.full((4, 5), 2.0)
    stalls[2] = 40.0
    answer = RobustSpot(config=RobustSpotConfig(n_causes=1)).localize(streams(stalls))
    assert list(map(str, answer.combinations)) == ["cdn=2"]
    # All of the influential leaves, a quarter of all.
    assert answer.patterns[0].score == 0.75
    assert answer.patterns[0].confidence == 1.0


def test_a_pair_is_found_by_its_rule() -> None:
    stalls = np.full((4, 5), 2.0)
    stalls[2, 3] = 40.0
    answer = RobustSpot(config=RobustSpotConfig(n_causes=1)).localize(streams(stalls))
    assert list(map(str, answer.combinations)) == ["bitrate=3&cdn=2"]
    assert answer.patterns[0].score == 0.95


def test_siblings_are_one_cause() -> None:
    stalls = np.full((6, 5), 2.0)
    stalls[2] = stalls[4] = 40.0
    answer = RobustSpot(config=RobustSpotConfig(n_causes=1)).localize(streams(stalls))
    assert sorted(map(str, answer.combinations)) == ["cdn=2", "cdn=4"]
    assert [p.score for p in answer.patterns] == pytest.approx([2 / 3] * 2)


def test_siblings_that_fill_their_parent_are_the_parent() -> None:
    stalls = np.full((6, 2), 2.0)
    stalls[2] = 40.0
    every = np.arange(12)
    counts = counts_of(stalls)
    pair = (((0, 2), (1, 0)), ((0, 2), (1, 1)))
    assert RobustSpot._common_part(counts, every, pair) == (((0, 2),),)
    wider = counts_of(np.full((6, 3), 2.0))
    assert RobustSpot._common_part(wider, np.arange(18), pair) == pair


def test_a_fall_of_failures_is_no_fault() -> None:
    stalls = np.full((4, 5), 20.0)
    stalls[2] = 1.0
    answer = RobustSpot().localize(streams(stalls, expected=20.0))
    assert answer.abstained == "no leaf both deviates and worsens the whole"


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="n_causes"):
        RobustSpotConfig(n_causes=0)
    with pytest.raises(SettingError, match="amplification"):
        RobustSpotConfig(amplification=0)
    with pytest.raises(SettingError, match="min_confidence"):
        RobustSpotConfig(min_confidence=2)
