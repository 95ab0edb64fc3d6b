"""What is bad input to a localizer, and what becomes of it: see docs/how-to/your-own-data.md."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.localize import LOCALIZERS, Localization, RAPMiner, Scan
from faultsight.localize.checks import fault_frame

OURS = (RAPMiner, Scan)


def localized(table: pl.DataFrame) -> list[Localization]:
    cube = KpiCube.from_frame(table)
    return [make().localize(cube) for make in OURS]


def test_no_deviation_and_all_alike_give_no_patterns_and_the_reason() -> None:
    table = fault_frame()
    for real in (pl.col("predict"), pl.lit(0.0), pl.col("predict") * 0.2, pl.col("predict") * 5):
        for answer in localized(table.with_columns(real=real)):
            assert answer.patterns == ()
            assert answer.abstained


def test_a_leaf_that_is_new_is_a_full_rise() -> None:
    table = fault_frame(drop=0.0).with_columns(
        predict=pl.when(pl.col("A") == "a0").then(0.0).otherwise("predict")
    )
    (miner, _) = localized(table)
    assert miner.combinations == (AttributeCombination({"A": "a0"}),)
    assert miner.patterns[0].direction == "rise"
    assert miner.patterns[0].forecast == 0.0


def test_leaves_at_zero_say_nothing() -> None:
    table = fault_frame()
    quiet = table.with_columns(real=pl.lit(0.0), predict=pl.lit(0.0), A=pl.col("A") + "quiet")
    for before, after in zip(localized(table), localized(pl.concat([table, quiet])), strict=True):
        assert after.combinations == before.combinations
        assert [p.leaves for p in after.patterns] == [p.leaves for p in before.patterns]


@pytest.mark.parametrize("factor", [1e-90, 1e90])
def test_values_of_any_size_are_localized_alike(factor: float) -> None:
    table = fault_frame()
    scaled = table.with_columns(pl.col("real", "predict") * factor)
    for before, after in zip(localized(table), localized(scaled), strict=True):
        assert after.combinations == before.combinations


@pytest.mark.parametrize("name", ["a\x00b", "x" * 20_000, "a\nb", "%3D=&;", "\u202e(*, *)"])
def test_any_text_is_a_name(name: str) -> None:
    table = fault_frame().with_columns(A=pl.col("A").replace("a0", name))
    for answer in localized(table):
        assert answer.combinations[0] == AttributeCombination({"A": name})
        assert AttributeCombination.parse(str(answer.combinations[0])) == answer.combinations[0]


@pytest.mark.parametrize("method", LOCALIZERS.names())
def test_an_attribute_with_a_value_for_every_leaf_is_survived(method: str) -> None:
    stream = np.random.default_rng(0)
    n = 20_000
    site = stream.integers(0, 10, n)
    forecast = stream.gamma(2.0, 50.0, n) + 1.0
    table = pl.DataFrame(
        {
            "user": np.arange(n).astype(str),
            "site": site.astype(str),
            "real": np.where(site == 3, 0.3, 1.0) * forecast,
            "predict": forecast,
        }
    )
    answer = LOCALIZERS.load(method)().localize(KpiCube.from_frame(table))
    assert bool(answer.patterns) != bool(answer.abstained)


def test_as_many_patterns_as_leaves_are_each_described_by_their_own_leaves() -> None:
    # Every second user fails, whatever else: nothing but the user tells.
    n = 400
    actual = np.where(np.arange(n) % 2 == 0, 10.0, 100.0) + np.arange(n) / 1000
    table = pl.DataFrame(
        {
            "kind": [f"k{i % 3}" for i in range(n)],
            "user": [f"u{i:03d}" for i in range(n)],
            "real": actual,
            "predict": 100.0 + np.arange(n) / 1000,
        }
    )
    answer = RAPMiner().localize(KpiCube.from_frame(table))
    assert len(answer.patterns) == n // 2
    for pattern in answer.patterns:
        assert pattern.leaves == 1
        assert pattern.actual == pytest.approx(actual[int(pattern.combination["user"][1:])])
