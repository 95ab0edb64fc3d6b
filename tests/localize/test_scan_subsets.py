"""Sets of elements that fail together: against all subsets, and on a fault too weak in each."""

from __future__ import annotations

from itertools import combinations, product
from math import log

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.cube import KpiCube
from faultsight.core.kpi import Kpi
from faultsight.localize.checks import CHECKS, Check, run_check
from faultsight.localize.contract import Localization
from faultsight.localize.scan import Scan, ScanConfig
from faultsight.localize.scan.gain import DeviationGain, ExcessGain, Gain
from faultsight.localize.scan.significance import p_value
from faultsight.localize.scan.subsets import best_subset, lines

DEVIATION = DeviationGain(
    np.array([9.0, 10.0]), np.array([10.0, 9.0]), cap=7.0, shift_within=0.5, least_effect=0.3
)
EXCESS = ExcessGain(np.array([9.0, 10.0]), np.array([10.0, 9.0]), least_share=0.1)
SITES, CDNS, ISPS = 10, 5, 6
WEAK = ("s2", "s5", "s7")


def by_brute_force(
    gain: Gain, first: np.ndarray, second: np.ndarray, price: float
) -> tuple[list[int], float]:
    best: list[int] = []
    best_score = 0.0
    for size in range(1, len(first) + 1):
        for members in combinations(range(len(first)), size):
            chosen = list(members)
            joint = gain.signed_gains(first[chosen].sum(keepdims=True),
                                      second[chosen].sum(keepdims=True))[0]  # fmt: skip
            if joint - price * size > best_score + 1e-12:
                best, best_score = chosen, float(joint - price * size)
    return best, best_score


weights = st.floats(0.01, 500.0)
elements = st.lists(st.tuples(weights, st.floats(-0.9, 0.9)), min_size=1, max_size=8)
counts = st.lists(st.tuples(st.floats(0.1, 50.0), st.floats(0.0, 6.0)), min_size=1, max_size=8)
prices = st.sampled_from([0.0, 0.5, 2.3, 6.0])


@given(elements=elements, price=prices)
def test_deviations_no_other_subset_is_better(
    elements: list[tuple[float, float]], price: float
) -> None:
    first, mean = np.array(elements).T
    _, score = by_brute_force(DEVIATION, first, first * mean, price)
    sides = [
        best_subset(DEVIATION, first, first * mean, price=price, is_drop=is_drop)
        for is_drop in (True, False)
    ]
    assert max(s for _, s in sides) == pytest.approx(score, rel=1e-9, abs=1e-9)
    for (members, told), sign in zip(sides, (1, -1), strict=True):
        assert (sign * mean[members] > 0).all()
        joint = (first * mean)[members].sum() ** 2 / (2 * max(first[members].sum(), 1e-300))
        assert told == pytest.approx(joint - price * len(members), rel=1e-9, abs=1e-9)


@given(counts=counts, price=prices)
def test_excess_no_other_subset_is_better(counts: list[tuple[float, float]], price: float) -> None:
    expected, ratio = np.array(counts).T
    _, score = by_brute_force(EXCESS, expected, expected * ratio, price)
    members, told = best_subset(EXCESS, expected, expected * ratio, price=price, is_drop=False)
    assert told == pytest.approx(score, rel=1e-9, abs=1e-9)
    assert (ratio[members] > 1).all()


def test_without_a_price_the_best_set_is_a_prefix_by_mean() -> None:
    stream = np.random.default_rng(3)
    for _ in range(50):
        first, mean = stream.gamma(1.0, 50.0, 9), stream.normal(0.0, 0.3, 9)
        members, _ = best_subset(DEVIATION, first, first * mean, price=0.0, is_drop=True)
        assert set(members.tolist()) == set(np.argsort(-mean)[: len(members)].tolist())


def test_a_far_element_of_few_leaves_is_no_member_and_no_prefix_would_do() -> None:
    # Means 10 and 1; weights .062 and 100: joint gain 50.64 - 2 * 3 against 50 - 3 without it.
    first, second = np.array([0.062, 100.0]), np.array([0.62, 100.0])
    members, score = best_subset(DEVIATION, first, second, price=3.0, is_drop=True)
    assert members.tolist() == [1]
    assert score == pytest.approx(47.0)


def test_lines_differ_in_one_attribute() -> None:
    table = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [2, 0, 1]])
    found = {column: rows.tolist() for column, rows in lines(table, 1)}
    assert found == {0: [1, 3, 4], 1: [1, 2], 2: [0, 1]}


def weak_fault(seed: int, *, factor: float = 0.985, where: tuple[str, ...] = WEAK) -> pl.DataFrame:
    stream = np.random.default_rng(seed)
    rows = list(product(range(SITES), range(CDNS), range(ISPS)))
    frame = pl.DataFrame(rows, schema=["site", "cdn", "isp"], orient="row").with_columns(
        pl.format("{}{}", pl.lit(name[0]), name).alias(name) for name in ("site", "cdn", "isp")
    )
    normal = 100 * (1 + 0.02 * stream.standard_normal(len(rows)))
    loss = pl.when(pl.col("site").is_in(where)).then(factor).otherwise(1.0)
    return frame.with_columns(predict=pl.lit(100.0), real=pl.Series(normal) * loss)


def localized(frame: pl.DataFrame, **settings: float) -> Localization:
    config = ScanConfig(**settings)  # type: ignore[arg-type]
    return Scan(config=config).localize(KpiCube.from_frame(frame))


def texts(answer: Localization) -> list[str]:
    return sorted(str(c) for c in answer.combinations)


SET = sorted(f"site={name}" for name in WEAK)


def test_a_fault_weak_in_each_of_three_sites_is_found_whole() -> None:
    without = [texts(localized(weak_fault(seed, factor=0.98))) for seed in range(20)]
    together = [
        texts(localized(weak_fault(seed, factor=0.98), value_subsets=True)) for seed in range(20)
    ]
    assert sum(found == SET for found in without) <= 10
    assert sum(found == SET for found in together) >= 16


def test_a_set_is_one_root_and_says_so() -> None:
    answer = localized(weak_fault(1, factor=0.98), value_subsets=True)
    assert texts(answer) == SET
    assert {(p.p_value, p.score, p.confidence) for p in answer.patterns} == {
        (answer.patterns[0].p_value, answer.patterns[0].score, answer.patterns[0].confidence)
    }
    # Each member but the first takes ln 10 from the gain, and the p-value knows.
    best = answer.patterns[0]
    expected = p_value(best.score + log(SITES), combinations=SITES, cuboids=7, leaves=300)
    assert best.p_value == pytest.approx(expected, rel=1e-6)
    assert f"gain {best.score + 3 * log(SITES):.1f}," in best.reason
    reasons = {str(p.combination): p.reason for p in answer.patterns}
    assert reasons["site=s2"].endswith("; together with s5, s7 of site")
    assert reasons["site=s7"].endswith("; together with s2, s5 of site")
    assert len(answer.trace[0].accepted) == 3
    assert not set(answer.trace[0].accepted) & set(answer.trace[0].dropped)
    assert not set(answer.combinations) & {d.combination for d in answer.dropped}
    assert texts(localized(weak_fault(1, factor=0.98), value_subsets=True, max_roots=1)) == SET


def test_members_of_a_large_set_are_counted_and_not_all_named() -> None:
    rows = list(product(range(60), range(20)))
    stream = np.random.default_rng(0)
    frame = pl.DataFrame(rows, schema=["site", "isp"], orient="row").with_columns(
        predict=pl.lit(100.0),
        real=pl.Series(100 + 2 * stream.standard_normal(len(rows)))
        * pl.when(pl.col("site") < 15).then(0.96).otherwise(1.0),
    ).with_columns(pl.col("site", "isp").cast(pl.String))  # fmt: skip
    answer = localized(frame, value_subsets=True)
    assert texts(answer) == sorted(f"site={n}" for n in range(15))
    assert all(p.reason.endswith(", 4 more of site") for p in answer.patterns)


def test_sets_lie_on_a_line_of_a_wider_cuboid_and_rise_too() -> None:
    frame = weak_fault(2, factor=1.0)
    hit = pl.col("site").is_in(WEAK) & (pl.col("cdn") == "c1")
    frame = frame.with_columns(real=pl.when(hit).then(1.05 * pl.col("real")).otherwise("real"))
    answer = localized(frame, value_subsets=True)
    assert texts(answer) == [f"cdn=c1&site={name}" for name in WEAK]
    assert {p.direction for p in answer.patterns} == {"rise"}
    assert answer.patterns[0].reason.endswith(" of site")


def test_failures_of_several_sites_are_taken_together() -> None:
    frame = weak_fault(0, factor=1.0)
    stream = np.random.default_rng(0)
    rate = np.where(frame["site"].is_in(WEAK).to_numpy(), 0.0265, 0.02)
    frame = frame.select("site", "cdn", "isp", bad=stream.poisson(1000 * rate).astype(float),
                         bad_f=pl.lit(20.0), all=pl.lit(1000.0), all_f=pl.lit(1000.0))  # fmt: skip
    cube = KpiCube.from_frame(
        frame,
        measures={"bad": ("bad", "bad_f"), "all": ("all", "all_f")},
        kpis=[Kpi.ratio("share", "bad", "all")],
    )
    answer = Scan(config=ScanConfig(value_subsets=True)).localize(cube)
    assert texts(answer) == SET
    assert all("together with" in p.reason for p in answer.patterns)


def test_no_fault_no_set() -> None:
    found = [localized(weak_fault(s, factor=1.0), value_subsets=True).patterns for s in range(40)]
    assert sum(map(len, found)) <= 1


def test_a_lone_root_stays_alone() -> None:
    frame = weak_fault(4, factor=0.9, where=("s5",))
    answer = localized(frame, value_subsets=True)
    assert answer == localized(frame)
    assert texts(answer) == ["site=s5"]


def drifting(seed: int, *, factor: float, spread: float) -> pl.DataFrame:
    frame = weak_fault(seed, factor=factor, where=("s2",))
    drift = np.random.default_rng(seed).normal(1.0, spread, SITES * CDNS).repeat(ISPS)
    return frame.with_columns(real=pl.col("real") * pl.Series(drift))


def test_where_a_set_fails_its_best_member_is_tested_alone() -> None:
    # The first step's set of three has p > .001 here, its best member alone p = 5e-5.
    assert "site=s2" in texts(localized(drifting(47, factor=0.9, spread=0.06), value_subsets=True))


def test_a_set_is_judged_by_how_much_its_members_drift() -> None:
    stream = np.random.default_rng(5)
    frame = pl.DataFrame(
        list(product(range(30), range(30), range(8))), schema=["site", "cdn", "isp"], orient="row"
    ).cast(pl.String)
    drift = stream.normal(1.0, 0.03, 900).repeat(8)
    real = 100 * drift * (1 + 0.02 * stream.standard_normal(frame.height))
    frame = frame.with_columns(predict=pl.lit(100.0), real=pl.Series(real))
    assert not localized(frame, value_subsets=True).patterns


def test_stability_of_a_set_is_that_of_all_its_members() -> None:
    answer = localized(weak_fault(1, factor=0.95), value_subsets=True, bootstrap=8)
    assert [p.stability for p in answer.patterns] == [1.0] * 3


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_contract_with_sets(check: Check) -> None:
    run_check(check, lambda: Scan(config=ScanConfig(value_subsets=True)))
