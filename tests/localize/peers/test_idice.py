import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.localize.peers.idice import IDice, IDiceConfig, change_statistic, isolation_power


def cube(rows: list[tuple[str, str, float, float]]) -> KpiCube:
    """Return a cube of counts, after and before."""
    schema = ["country", "os", "real", "predict"]
    return KpiCube.from_frame(pl.DataFrame(rows, schema=schema, orient="row"))


ISSUE = [("x", "a", 90.0, 10.0), ("x", "b", 10.0, 10.0), ("y", "a", 10.0, 10.0),
         ("y", "b", 10.0, 10.0)]  # fmt: skip


def test_the_cut_that_isolates_best_is_the_root() -> None:
    (pattern,) = IDice().localize(cube(ISSUE)).patterns
    assert str(pattern.combination) == "country=x&os=a"
    # Shares 90/120 and 10/40: 0.75 ln 3. Of 90 reports 80 are new.
    assert pattern.score == pytest.approx(0.75 * np.log(3))
    assert pattern.confidence == pytest.approx(80 / 90)


def test_isolation_power_by_hand() -> None:
    # Inside 8 after and 0 before say all; outside 4 and 4 say nothing: -8 ln 2 of 16.
    sums = np.array([[8.0, 6.0], [0.0, 2.0]])
    power = isolation_power(sums, np.array([12.0, 4.0]))
    # The second cuts both sides 3 to 1, as the whole is: -(3/4 ln 4/3 + 1/4 ln 4).
    expected = [-np.log(2) / 2, -(0.75 * np.log(4 / 3) + 0.25 * np.log(4))]
    assert power == pytest.approx(expected)


def test_a_drop_is_read_backwards() -> None:
    rows = [(c, o, before, after) for c, o, after, before in ISSUE]
    rise, drop = IDice().localize(cube(ISSUE)), IDice().localize(cube(rows))
    assert drop.combinations == rise.combinations
    assert [p.score for p in drop.patterns] == [p.score for p in rise.patterns]
    assert drop.patterns[0].direction == "drop"


def test_a_change_that_counts_so_small_show_by_chance_is_none() -> None:
    # Twice the gain of (5, 2) over one rate is 1.33; of (500, 200) it is 132.8.
    few = [("x", "a", 5.0, 2.0), ("y", "b", 2.0, 2.0)]
    assert IDice().localize(cube(few)).abstained
    many = [(c, o, 100 * after, 100 * before) for c, o, after, before in few]
    assert len(IDice().localize(cube(many)).patterns) == 2


def test_too_little_impact_is_pruned() -> None:
    rows = [("x", "a", 60.0, 0.0), *[(f"y{i}", "a", 1000.0, 1000.0) for i in range(10)]]
    assert not IDice().localize(cube(rows)).patterns
    config = IDiceConfig(min_share=0.005)
    patterns = IDice(config=config).localize(cube(rows)).patterns
    assert [str(p.combination) for p in patterns] == ["country=x"]


def test_of_cuts_of_the_same_leaves_the_shorter_stands() -> None:
    rows = [("x", "a", 90.0, 10.0), ("y", "b", 10.0, 10.0), ("z", "b", 10.0, 10.0)]
    answer = IDice().localize(cube(rows))
    assert {str(c) for c in answer.combinations} == {"country=x", "os=a"}


def test_at_most_k_are_reported_and_the_rest_named() -> None:
    rows = [*((f"x{i}", "a", 100.0 + i, 10.0) for i in range(5)), ("y", "a", 900.0, 900.0)]
    answer = IDice(config=IDiceConfig(k=2)).localize(cube(rows))
    assert [str(c) for c in answer.combinations] == ["country=x4", "country=x3"]
    assert [str(d.combination) for d in answer.dropped] == [
        "country=x2",
        "country=x1",
        "country=x0",
    ]


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_statistic_is_twice_the_gain_in_log_likelihood(after: int, before: int) -> None:
    mean = (after + before) / 2
    gain = (
        poisson.logpmf(after, after) + poisson.logpmf(before, before)
        - poisson.logpmf(after, mean) - poisson.logpmf(before, mean)
    )  # fmt: skip
    statistic = change_statistic(np.array([float(after)]), np.array([float(before)]))
    assert statistic == pytest.approx(2 * gain, abs=1e-8)


@pytest.mark.parametrize("wrong", [{"min_share": 0.0}, {"significance": 1.0}, {"k": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        IDiceConfig(**wrong)  # type: ignore[arg-type]
