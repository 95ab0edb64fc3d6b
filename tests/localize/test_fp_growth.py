"""Association rules by cuboid sums, against mlxtend's FP-growth and a case worked by hand."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.localize.peers.fp_growth import FpGrowth, FpGrowthConfig

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mlxtend.frequent_patterns import association_rules, fpgrowth


def leaf_frame(seed: int, *, sizes: tuple[int, ...], noise: float) -> pl.DataFrame:
    """Return a sparse leaf table with one faulty combination and random anomalous leaves."""
    stream = random_stream(seed, "rules")
    grid = np.array(list(product(*map(range, sizes))))
    grid = grid[stream.random(len(grid)) < 0.8]
    faulty = (grid[:, 0] == 0) & (grid[:, -1] == 1) | (stream.random(len(grid)) < noise)
    columns = {f"a{i}": [f"e{c}" for c in grid[:, i]] for i in range(len(sizes))}
    return pl.DataFrame({**columns, "real": np.where(faulty, 40.0, 100.0),
                         "predict": np.full(len(grid), 100.0)})  # fmt: skip


def rules_by_mlxtend(
    frame: pl.DataFrame, config: FpGrowthConfig
) -> dict[AttributeCombination, tuple[float, float]]:
    """Return {combination: (share of the anomalous leaves, confidence)} of the smallest size."""
    real, predict = frame["real"].to_numpy(), frame["predict"].to_numpy()
    faulty = np.abs(predict - real) >= config.leaf_deviation_threshold * real
    items = {
        (name, element): (frame[name] == element).to_numpy()
        for name in frame.columns[:-2]
        for element in frame[name].unique().sort()
    }
    names = list(items)
    table = pd.DataFrame({i: items[name] for i, name in enumerate(names)} | {len(names): faulty})
    # The whole table is mined at the support that the rarest rule could have; the least support
    # among the anomalous leaves is looked at afterwards.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frequent = fpgrowth(table, min_support=0.5 / len(table))
        rules = association_rules(frequent, metric="confidence", min_threshold=1e-9)
    found = {}
    for rule in rules.itertuples():
        if rule.consequents != frozenset({len(names)}):
            continue
        share = rule.support * len(table) / faulty.sum()
        if rule.confidence >= config.min_confidence and share >= config.min_support - 1e-12:
            found[AttributeCombination(names[i] for i in rule.antecedents)] = (
                share,
                rule.confidence,
            )
    smallest = min((c.layer for c in found), default=0)
    return {c: figures for c, figures in found.items() if c.layer == smallest}


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from([(3, 4), (3, 2, 4), (4, 4, 3)]),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.sampled_from([(0.001, 0.8), (0.1, 0.6), (0.3, 0.9)]),
)
def test_rules_are_those_of_mlxtend(
    seed: int, sizes: tuple[int, ...], noise: float, thresholds: tuple[float, float]
) -> None:
    frame = leaf_frame(seed, sizes=sizes, noise=noise)
    config = FpGrowthConfig(min_support=thresholds[0], min_confidence=thresholds[1])
    answer = FpGrowth(config=config).localize(KpiCube.from_frame(frame))
    expected = rules_by_mlxtend(frame, config) if (frame["real"] < 100).any() else {}
    got = {p.combination: (p.score, p.confidence) for p in answer.patterns}
    assert got.keys() == expected.keys()
    for combination, figures in got.items():
        assert figures == pytest.approx(expected[combination])


def test_smallest_itemsets_that_yield_a_rule_ranked_by_leaves_held() -> None:
    """5 sites x 4 cdns; s0 fails whole, s1 in 3 of 4 (confidence .75, not a rule of size 1)."""
    rows = list(product([f"s{i}" for i in range(5)], [f"c{i}" for i in range(4)]))
    bad = [s == "s0" or (s == "s1" and c != "c0") for s, c in rows]
    frame = pl.DataFrame(rows, schema=["site", "cdn"], orient="row").with_columns(
        predict=pl.lit(100.0), real=pl.Series(np.where(bad, 10.0, 95.0))
    )
    cube = KpiCube.from_frame(frame)
    answer = FpGrowth().localize(cube)
    assert [p.combination.display(cube.attributes) for p in answer.patterns] == ["(s0, *)"]
    assert answer.patterns[0].score == pytest.approx(4 / 7)
    assert answer.patterns[0].confidence == 1.0
    assert answer.patterns[0].reason == "4 of its 4 leaves are anomalous"
    assert str(answer.dropped[0].combination) == "site=s1"
    assert [(t.cuboids, t.accepted) for t in answer.trace] == [(2, ("(s0, *)",))]
    lower = FpGrowth(config=FpGrowthConfig(min_confidence=0.75)).localize(cube)
    assert [p.combination["site"] for p in lower.patterns] == ["s0", "s1"]


def test_deviation_is_relative_to_the_actual_value_and_the_threshold_counts() -> None:
    """|120 - 100| / 100 = 0.2 is anomalous; |119 - 100| / 100 is not, nor is 0 against 0."""
    frame = pl.DataFrame({"a": ["w", "x", "y", "z"], "real": [100.0, 100.0, 0.0, 0.0],
                          "predict": [120.0, 119.0, 0.0, 5.0]})  # fmt: skip
    answer = FpGrowth().localize(KpiCube.from_frame(frame))
    assert [p.combination["a"] for p in answer.patterns] == ["w", "z"]


def test_abstains_with_the_reason() -> None:
    frame = pl.DataFrame({"a": ["x", "y"], "real": [100.0, 90.0], "predict": [100.0, 100.0]})
    answer = FpGrowth().localize(KpiCube.from_frame(frame))
    assert answer.abstained == "no leaf deviates by 0.2 of its actual value"
    many = pl.DataFrame({"a": [f"e{i}" for i in range(20)], "real": [50.0] * 20,
                         "predict": [100.0] * 20})  # fmt: skip
    answer = FpGrowth(config=FpGrowthConfig(min_support=0.1)).localize(KpiCube.from_frame(many))
    assert answer.abstained == "no frequent combination has a confidence of 0.8"
    assert [t.combinations for t in answer.trace] == [0]


@pytest.mark.parametrize(
    "bad",
    [{"leaf_deviation_threshold": 0.0}, {"min_support": 0.0}, {"min_confidence": 1.5}],
    ids=str,
)
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(bad))):
        FpGrowthConfig(**bad)
