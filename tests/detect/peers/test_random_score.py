"""The random score: uniform, repeatable, and blind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers.random_score import RandomScore, RandomScoreConfig

N_ROWS = 20_000


def frame(
    values: NDArray[np.float64], entity: str = "a", start_s: int = 0, interval_s: int = 60
) -> KpiFrame:
    return KpiFrame(entity, ("x",), start_s, interval_s, values[:, None])


def totals(
    values: NDArray[np.float64], entity: str = "a", *, seed: int = 0, start_s: int = 0,
    interval_s: int = 60, history: float = 0.0,
) -> NDArray[np.float64]:  # fmt: skip
    told = frame(np.full(4, history), entity, interval_s=interval_s)
    detector = RandomScore(RandomScoreConfig(seed)).fit([told])
    return detector.score([frame(values, entity, start_s, interval_s)])[0].total


def test_scores_are_uniform_for_any_entity_seed_and_interval() -> None:
    nothing = np.zeros(N_ROWS)
    for entity, seed, interval_s in (("a", 0, 60), ("b", 0, 60), ("a", 7, 60), ("a", 0, 3600)):
        found = totals(nothing, entity, seed=seed, interval_s=interval_s)
        assert found.min() >= 0.0
        assert found.max() < 1.0
        assert len(np.unique(found)) == N_ROWS
        assert kstest(found, "uniform").pvalue > 0.01


def test_a_score_says_nothing_of_the_next_of_another_entity_or_of_another_seed() -> None:
    nothing = np.zeros(N_ROWS)
    found = totals(nothing)
    pairs = {
        "the next row": (found[:-1], found[1:]),
        "a day later": (found[:-1440], found[1440:]),
        "another entity": (found, totals(nothing, "b")),
        "another seed": (found, totals(nothing, seed=1)),
    }
    for name, (one, other) in pairs.items():
        # Four deviations of a correlation where there is none.
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(N_ROWS - 1440), name


def test_the_same_seed_gives_the_same_scores_of_a_moment_whatever_is_asked_before() -> None:
    nothing = np.zeros(100)
    assert totals(nothing, seed=3).tobytes() == totals(nothing, seed=3).tobytes()
    assert (totals(nothing, seed=3) != totals(nothing, seed=4)).all()
    assert (totals(nothing, "a") != totals(nothing, "b")).all()
    late = totals(nothing[40:], start_s=40 * 60)
    assert late.tobytes() == totals(nothing)[40:].tobytes()
    detector = RandomScore().fit([frame(nothing)])
    whole, again = (detector.score([frame(nothing)])[0].total for _ in range(2))
    assert whole.tobytes() == again.tobytes()


def test_values_have_no_part_in_it_but_for_where_there_are_none() -> None:
    stream = np.random.default_rng(0)
    plain = totals(np.zeros(200))
    assert totals(stream.normal(size=200)).tobytes() == plain.tobytes()
    assert totals(np.zeros(200), history=9.0).tobytes() == plain.tobytes()
    holed = np.zeros(200)
    holed[50:60] = np.nan
    found = totals(holed)
    assert np.isnan(found[50:60]).all()
    assert np.delete(found, np.s_[50:60]).tobytes() == np.delete(plain, np.s_[50:60]).tobytes()
