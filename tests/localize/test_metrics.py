"""Metrics against numbers worked out by hand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.localize.metrics import (
    Counts,
    bootstrap_interval,
    count,
    f1_interval,
    leaf_jaccard,
    partial_credit,
    rc_at_k,
    recall_at_k,
)

parse = AttributeCombination.parse
A, B, AB, ABC = parse("a=1"), parse("b=2"), parse("a=1&b=2"), parse("a=1&b=2&c=3")


def test_counts_of_one_case() -> None:
    assert count([A, AB], {A, B}) == Counts(tp=1, fp=1, fn=1)
    assert count([], {A, B}) == Counts(0, 0, 2)
    assert count([A, A], {A}) == Counts(1, 0, 0)


def test_f1_is_summed_over_cases_before_it_is_a_ratio() -> None:
    # Case 1: 1 of 1 found. Case 2: 0 of 3 found, 1 reported in vain. 2*1 / (2*1 + 1 + 3) = 1/3,
    # while the mean of the two F1 would be 1/2.
    total = count([A], {A}) + count([ABC], {A, B, AB})
    assert total == Counts(1, 1, 3)
    assert total.f1 == pytest.approx(1 / 3)
    assert (total.precision, total.recall) == (0.5, 0.25)


def test_nothing_to_find() -> None:
    assert Counts().f1 == Counts().precision == Counts().recall == 1.0
    assert count([], {A}).precision == 0.0
    assert count([A], set()).precision == 0.0
    assert recall_at_k([], set(), 1) == 1.0
    assert partial_credit([], set()) == 1.0
    assert partial_credit([A], set()) == partial_credit([], {A}) == 0.0


def test_recall_at_k_divides_by_the_number_of_roots() -> None:
    ranking = [AB, A, B]
    assert [recall_at_k(ranking, {A, B}, k) for k in (1, 2, 3)] == [0.0, 0.5, 1.0]
    assert rc_at_k([(ranking, {A, B}), ([A], {A})], 2) == 0.75


def test_partial_credit_of_ancestors_and_descendants() -> None:
    assert partial_credit([AB], {ABC}) == pytest.approx(2 / 3)
    assert partial_credit([ABC], {A}) == pytest.approx(1 / 3)
    assert partial_credit([parse("a=2")], {ABC}) == 0.0
    # One to one: A may stand for AB (1/2) or for itself (1); 2 * (1 + 0) / (1 + 2).
    assert partial_credit([A], {A, AB}) == pytest.approx(2 / 3)
    # Two reported, one root: the child earns 1/2 only if the root itself was not reported.
    assert partial_credit([A, AB], {A}) == pytest.approx(2 / 3)


def test_leaf_jaccard_on_a_two_by_two_cube() -> None:
    cube = KpiCube.from_frame(
        pl.DataFrame(
            {
                "a": ["1", "1", "2", "2"],
                "b": ["2", "3", "2", "3"],
                "real": [1.0] * 4,
                "predict": [1.0] * 4,
            }
        )
    )
    assert leaf_jaccard(cube, [A], {AB}) == 0.5
    assert leaf_jaccard(cube, [A, B], {A}) == pytest.approx(2 / 3)
    assert leaf_jaccard(cube, [], {A}) == 0.0
    assert leaf_jaccard(cube, [], set()) == 1.0


def test_bootstrap_covers_what_it_should() -> None:
    # The mean of 100 zeros and ones has standard deviation .05: 95 % lies within .098.
    hits = np.repeat([[0.0], [1.0]], 50, axis=0)
    low, high = bootstrap_interval(hits, lambda means: means[:, 0])
    assert low == pytest.approx(0.402, abs=0.015)
    assert high == pytest.approx(0.598, abs=0.015)


def test_bootstrap_follows_its_seed() -> None:
    values = np.sqrt(np.arange(20.0))[:, None]
    first, again, other = (
        bootstrap_interval(values, lambda means: means[:, 0], seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_f1_interval_holds_the_f1() -> None:
    counts = [Counts(1, 0, 0)] * 30 + [Counts(0, 1, 1)] * 10
    low, high = f1_interval(counts)
    assert low < sum(counts, Counts()).f1 < high
    assert f1_interval([Counts()] * 3) == (1.0, 1.0)


_combinations = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), min_size=1).map(
        AttributeCombination
    ),
    max_size=4,
)


@given(_combinations, _combinations)
def test_partial_credit_is_symmetric_and_never_below_f1(
    found: list[AttributeCombination], truth: list[AttributeCombination]
) -> None:
    credit = partial_credit(found, set(truth))
    assert credit == pytest.approx(partial_credit(truth, set(found)))
    assert count(found, set(truth)).f1 - 1e-12 <= credit <= 1 + 1e-12
