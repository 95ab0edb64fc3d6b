"""diagnose/rates on tiny plants."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.bench.engine import BenchResult, Context, run_scenario
from faultsight.bench.scenarios.diagnose_rates import DiagnoseRates
from faultsight.bench.ticket_counts import difference_of_rates, joined_counts
from faultsight.core.errors import UnknownMemberError
from faultsight.diagnose.contract import DAY_S, Verdict
from faultsight.diagnose.metrics.ticketing_rates import TicketCounts, ticketing_rates
from faultsight.sim.cable_plant import CablePlantConfig

# Customers who call at once and often, so that a tiny plant has tickets.
_TINY = CablePlantConfig.stress(
    n_fnodes=3, days=28, modems=(50, 60), with_counters=True, with_pre_equalization=True,
    maintenance_call_share=0.4, service_call_share=0.9, maintenance_call_delay_h=6.0,
    service_call_delay_h=12.0,
)  # fmt: skip


def _run(**settings: object) -> BenchResult:
    context = Context(**{"seed": 1000, "cases": 2, **settings})  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DiagnoseRates, "plants", {"tiny": _TINY})
        return run_scenario("diagnose/rates", context)


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return _run()


def test_every_feature_clustering_and_preprocessing_has_a_row(result: BenchResult) -> None:
    found = {(row["method"], row["features"]) for row in result.rows}
    features = ("combined", "snr", "tx_power", "missing")
    rivals = ("dbscan", "single_linkage", "complete_linkage", "resampling")
    alone = (
        "pre_equalization_grouping", "spectrum_dbscan", "cablemon_alone",
        "random_verdict", "majority",
    )  # fmt: skip
    assert found == {
        *((method, f) for method in ("telapart", "telapart-paper") for f in features),
        *((method, "snr") for method in rivals),
        *((method, "") for method in alone),
    }
    for row in result.rows:
        assert (row["seeds"], row["fiber_nodes"]) == (2, 6)
        assert set(DiagnoseRates.shown) <= set(row)
        assert all(not isinstance(value, list | dict) for value in row.values())
    assert len({row["maintenance_tickets"] for row in result.rows}) <= 2  # windows end early


def test_random_verdicts_are_near_one_and_the_majority_is_one(result: BenchResult) -> None:
    rows = {row["method"]: row for row in result.rows if row["features"] == ""}
    assert float(rows["random_verdict"]["R_sH"] or 0) == pytest.approx(1, abs=0.1)
    assert rows["majority"]["R_sH"] == rows["majority"]["R_mH"] == 1.0
    assert np.isnan(float(rows["majority"]["R_sS"] or 0))
    assert rows["majority"]["holding"] == 0


def test_service_tickets_gather_where_telapart_says_service(result: BenchResult) -> None:
    rows = {row["features"]: row for row in result.rows if row["method"] == "telapart"}
    assert float(rows["combined"]["R_sS"] or 0) > 2
    assert float(rows["combined"]["R_sH"] or 1) < 1


def test_differences_are_those_of_their_rates_and_lie_in_their_intervals(
    result: BenchResult,
) -> None:
    for row in result.rows:
        told = float(row["R_sS-R_mS"] or 0)
        if not np.isnan(told):
            assert told == pytest.approx(float(row["R_sS"] or 0) - float(row["R_mS"] or 0))
            assert float(row["R_sS-R_mS_low"] or 0) <= float(row["R_sS-R_mS_high"] or 0)
        assert int(row["certain"] or 0) <= int(row["holding"] or 0) <= 4


def test_rivals_are_compared_with_the_papers_choice(result: BenchResult) -> None:
    assert [(row["minus"], row["features"]) for row in result.summary] == [
        (rival, "snr") for rival in ("dbscan", "single_linkage", "complete_linkage", "resampling")
    ]
    rows = {(row["method"], row["features"]): row for row in result.rows}
    for row in result.summary:
        mine = float(rows["telapart-paper", row["features"]]["R_sS"] or 0)
        other = float(rows[row["minus"], row["features"]]["R_sS"] or 0)
        assert float(row["R_sS"] or 0) == pytest.approx(mine - other, nan_ok=True)


def test_the_same_seed_gives_the_same_figures(result: BenchResult) -> None:
    def untimed(told: BenchResult, methods: tuple[str, ...]) -> list[str]:
        return [
            str({k: v for k, v in row.items() if k != "seconds_per_plant"})
            for row in told.rows
            if row["method"] in methods
        ]

    methods = ("telapart", "random_verdict")
    assert untimed(_run(methods=methods), methods) == untimed(result, methods)


def test_no_further_plant_is_begun_when_the_seconds_are_spent() -> None:
    rows = _run(methods=("majority",), seconds=1e-9).rows
    assert (rows[0]["seeds"], rows[0]["seeds_asked"], rows[0]["fiber_nodes"]) == (1, 2, 3)


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownMemberError, match="nobody"):
        _run(methods=("nobody",))
    with pytest.raises(UnknownMemberError, match="nowhere"):
        _run(datasets=("nowhere",))


def _counts(*in_service: int) -> TicketCounts:
    tickets = np.zeros((len(in_service), 2, 4), np.int64)
    tickets[:, 1, Verdict.SERVICE] = in_service
    tickets[:, 1, Verdict.HEALTHY] = 2
    device_s = np.zeros((len(in_service), 4))
    device_s[:, [Verdict.HEALTHY, Verdict.SERVICE]] = 9.0 * DAY_S, 1.0 * DAY_S
    return TicketCounts(tuple(f"F{i}" for i in range(len(in_service))), tickets, device_s)


def test_fiber_nodes_of_several_plants_stay_apart() -> None:
    both = joined_counts([_counts(1, 2), _counts(3)], ["0", "1"])
    assert both.fnodes == ("0/F0", "0/F1", "1/F0")
    assert int(both.tickets.sum()) == 12


def test_a_difference_of_rates_is_that_of_the_metric() -> None:
    more, less = _counts(4, 6, 5), _counts(1, 0, 2)
    told = difference_of_rates(more, less, "service", Verdict.SERVICE)
    rates = [ticketing_rates(c).rates["service", Verdict.SERVICE].value for c in (more, less)]
    assert told.value == pytest.approx(rates[0] - rates[1])
    assert 0 < told.low <= told.value <= told.high
    other = TicketCounts(("X", "Y", "Z"), less.tickets, less.device_s)
    with pytest.raises(ValueError, match="different fiber nodes"):
        difference_of_rates(more, other, "service", Verdict.SERVICE)
