"""diagnose/features on a tiny plant."""

from __future__ import annotations

import pytest

from faultsight.bench.engine import Context, Row, run_scenario
from faultsight.core.errors import UnknownMemberError

_FEW = ("snr_db", "missing", "log t3_timeouts", "random")


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    result = run_scenario("diagnose/features", Context(cases=1, methods=_FEW))
    return {str(row["feature"]): row for row in result.rows}


def test_a_row_for_each_feature_with_its_figures(rows: dict[str, Row]) -> None:
    assert tuple(rows) == _FEW
    for row in rows.values():
        assert (row["seeds"], row["seeds_asked"]) == (1, 1)
        for figure in ("detection_trr", "clustering_trr", "clustering_trr_same_alarms"):
            assert {figure, f"{figure}_low", f"{figure}_high"} <= set(row)
        assert 0 <= float(row["share_of_time"]) < 0.5  # type: ignore[arg-type]


def test_noise_groups_nothing(rows: dict[str, Row]) -> None:
    assert abs(float(rows["random"]["ari"])) < 0.1  # type: ignore[arg-type]
    assert float(rows["missing"]["ari"]) > 0.1  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_rows(rows: dict[str, Row]) -> None:
    again = run_scenario("diagnose/features", Context(cases=1, methods=("snr_db", "missing")))
    assert str(again.rows[0]) == str(rows["snr_db"])  # as text, for NaN equals nothing


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownMemberError, match="nobody"):
        run_scenario("diagnose/features", Context(methods=("nobody",)))
