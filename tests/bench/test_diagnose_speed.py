"""diagnose/speed, on two fiber nodes."""

from __future__ import annotations

import pytest

from faultsight.bench.engine import Context, run_scenario
from faultsight.core.errors import UnknownMemberError


def test_every_work_is_timed_and_the_plain_way_says_the_same() -> None:
    result = run_scenario("diagnose/speed", Context(cases=2, seconds=0.5))
    ours = ("telapart", "telapart-paper")
    assert {(row["work"], row["method"], row["fnodes"]) for row in result.rows} == {
        *(("node-day", method, 1) for method in (*ours, "plain")),
        *(("isp-day", method, 2) for method in (*ours, "plain")),
        *(("tuning", method, 1) for method in (*ours, "plain")),
    }
    for row in result.rows:
        seconds = float(str(row["seconds"]))
        assert seconds > 0
        if row["method"] == "plain" and row["work"] != "tuning":
            assert row["agreement_with_telapart_paper"] == 1.0
        if row["work"] == "tuning":
            assert float(str(row["seconds_all"])) == pytest.approx(10 * seconds)
            assert row["days"] == 28
    (plain,) = (row for row in result.rows if row["work"] == "tuning" and row["method"] == "plain")
    assert plain["measured"] == "1 node, 4 days, scaled"


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UnknownMemberError):
        run_scenario("diagnose/speed", Context(methods=("fast",)))
