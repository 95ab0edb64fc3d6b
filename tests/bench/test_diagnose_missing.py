"""diagnose/missing on one fiber node, and its counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.bench.engine import Context, Row, run_scenario
from faultsight.bench.scenarios.diagnose_missing import _judged
from faultsight.core.errors import UnknownMemberError


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(run_scenario("diagnose/missing", Context(cases=1)).rows)


def accuracy(rows: list[Row], method: str, round_h: float, loss: float) -> float:
    (found,) = (
        row["accuracy"]
        for row in rows
        if (row["method"], row["round_h"], row["loss_share"]) == (method, round_h, loss)
    )
    return float(found)  # type: ignore[arg-type]


def test_a_row_for_each_length_of_round_loss_and_method(rows: list[Row]) -> None:
    assert len(rows) == 6 * 3 * 4
    texts = [tuple(v for v in row.values() if isinstance(v, str)) for row in rows]
    assert len(set(texts)) == len(texts)
    assert {row["seeds"] for row in rows} == {1}


def test_short_rounds_are_inferred_without_error_and_long_ones_need_tuning(
    rows: list[Row],
) -> None:
    for loss in (0.05, 0.1, 0.2):
        assert accuracy(rows, "tuned", 0.5, loss) > 0.9999
        assert accuracy(rows, "fixed", 0.5, loss) > 0.9999
        assert accuracy(rows, "tuned", 3.6, loss) > accuracy(rows, "fixed", 3.6, loss) + 0.03
    for row in rows:
        assert 0.9 < float(row["truth_accuracy"]) <= 1  # type: ignore[arg-type]
        assert float(row["rounds_found_share"]) > 0.95  # type: ignore[arg-type]
        if row["method"] in ("none", "random"):
            assert float(row["accuracy"]) < 0.95  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_rows(rows: list[Row]) -> None:
    few = {"cases": 1, "methods": ("tuned",), "datasets": ("3.6h-5%", "3h-20%")}
    again, other = (
        list(run_scenario("diagnose/missing", Context(seed=seed, **few)).rows)  # type: ignore[arg-type]
        for seed in (0, 1)
    )
    names = ("3h-20%", "3.6h-5%")
    assert again == [r for r in rows if r["method"] == "tuned" and r["regime"] in names]
    assert other != again


def test_judgements_worked_by_hand() -> None:
    # Appendix B: 2 of 3 found, 1 of 1, none of none, and one too many.
    truth, inferred = np.array([3, 1, 0, 0]), np.array([2, 1, 0, 1])
    accuracy, precision, recall = _judged(truth, inferred)
    assert (accuracy, precision, recall) == (4 / 6, 3 / 4, 3 / 4)


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownMemberError, match="nobody"):
        run_scenario("diagnose/missing", Context(methods=("nobody",)))
    with pytest.raises(UnknownMemberError, match="4h-5%"):
        run_scenario("diagnose/missing", Context(datasets=("4h-5%",)))
