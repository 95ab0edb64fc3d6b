"""Thresholds on scores, against plain loops over modem windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.diagnose.telapart.score_threshold import ScoreGuards, ScoreThreshold, ScoreTotals

Array = NDArray[np.float64]
EDGES = np.array([1.0, 1.5, 2.0, 4.0])
LAX = ScoreGuards(least_time_share=0.0, least_ticket_share=0.0)


def drawn(seed: int, n: int) -> tuple[Array, Array, Array]:
    """Return scores, some of them on an edge or not known, whole seconds, and tickets."""
    stream = random_stream(seed, "scores")
    scores = stream.choice([0.0, 0.5, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 9.0, np.nan], n)
    tickets = stream.poisson(np.where(scores >= 2, 1.0, 0.2)).astype(np.float64)
    return scores, stream.integers(1, 90_000, n).astype(np.float64), tickets


def total_of(scores: Array, covered_s: Array, tickets: Array) -> ScoreTotals:
    totals = ScoreTotals(EDGES)
    totals.add(scores, covered_s, tickets)
    return totals


def split(
    scores: Array, covered_s: Array, tickets: Array, edge: float
) -> tuple[float, float, float, float]:
    """Return seconds and tickets at or above a threshold, and below."""
    above = scores >= edge
    below = scores < edge
    return (
        float(covered_s[above].sum()), float(tickets[above].sum()),
        float(covered_s[below].sum()), float(tickets[below].sum()),
    )  # fmt: skip


cases = st.builds(drawn, st.integers(0, 10**6), st.integers(1, 40))


class TestTheRate:
    @settings(deadline=None, max_examples=200)
    @given(cases, st.sampled_from([0.0, 0.1, 0.4]), st.sampled_from([0.0, 0.1, 0.6]))
    def test_trr_against_a_plain_loop(
        self, case: tuple[Array, Array, Array], time_share: float, ticket_share: float
    ) -> None:
        guards = ScoreGuards(least_time_share=time_share, least_ticket_share=ticket_share)
        chosen = total_of(*case).choose("trr", guards, default=-1.0)
        known = ~np.isnan(case[0])
        all_s, all_tickets = float(case[1][known].sum()), float(case[2][known].sum())
        best: tuple[float, float] | None = None
        for edge in EDGES.tolist():
            above_s, above, below_s, below = split(*case, edge)
            if above_s <= 0 or below_s <= 0 or not all_tickets:
                continue
            trr = ((above + 0.5) / above_s) / ((below + 0.5) / below_s)
            is_allowed = above_s >= time_share * all_s and above >= ticket_share * all_tickets
            # The strictest of equals.
            if is_allowed and trr > 1 and (best is None or trr >= best[0]):
                best = (trr, edge)
        if best is None:
            assert (chosen.value, chosen.criterion) == (-1.0, "default")
            assert np.isnan(chosen.trr)
            return
        above_s, above, _, _ = split(*case, best[1])
        assert (chosen.value, chosen.criterion) == (best[1], "trr")
        assert chosen.trr == pytest.approx(best[0])
        assert chosen.time_share == pytest.approx(above_s / all_s)
        assert chosen.ticket_share == pytest.approx(above / all_tickets)

    def test_by_hand(self) -> None:
        # Four days, two tickets above 2 dB in one of them, one below in three.
        totals = total_of(
            np.array([0.5, 1.2, 1.2, 2.5]), np.full(4, 86_400.0), np.array([0.0, 1, 0, 2])
        )
        chosen = totals.choose("trr", LAX, default=9.0)
        assert chosen == ScoreThreshold(2.0, "trr", chosen.trr, 0.25, 2 / 3)
        assert chosen.trr == pytest.approx((2.5 / 1) / (1.5 / 3))


class TestTheLikelihood:
    @settings(deadline=None, max_examples=200)
    @given(cases, st.sampled_from([0.0, 0.1, 0.4]), st.sampled_from([0.0, 0.1, 0.6]))
    def test_what_is_chosen_passes_the_guards(
        self, case: tuple[Array, Array, Array], time_share: float, ticket_share: float
    ) -> None:
        guards = ScoreGuards(least_time_share=time_share, least_ticket_share=ticket_share)
        chosen = total_of(*case).choose("likelihood", guards, default=-1.0)
        if chosen.criterion == "default":
            assert chosen.value == -1.0
            return
        known = ~np.isnan(case[0])
        above_s, above, below_s, below = split(*case, chosen.value)
        assert above_s >= time_share * case[1][known].sum()
        assert above >= ticket_share * case[2][known].sum()
        assert chosen.trr == pytest.approx(((above + 0.5) / above_s) / ((below + 0.5) / below_s))
        assert chosen.trr > 1

    def test_many_tickets_decide_where_few_leave_the_lowest(self) -> None:
        scores = np.array([0.5, 1.2, 2.5])
        seconds = np.array([900.0, 50.0, 50.0]) * 86_400
        for n_tickets, expected in ((2, 1.0), (2000, 2.0)):
            # Between 1 and 2 dB modems call as rarely as below.
            calls = np.array([90.0, 5.0, 50.0]) * n_tickets / 100
            totals = ScoreTotals(np.array([1.0, 2.0]))
            totals.add(scores, seconds, calls)
            assert totals.choose("likelihood", LAX, default=9.0).value == expected

    def test_a_stricter_threshold_must_be_asked_for(self) -> None:
        totals = ScoreTotals(np.array([1.0, 2.0]))
        totals.add(
            np.array([0.5, 1.2, 2.5]),
            np.array([900.0, 50.0, 50.0]) * 86_400,
            np.array([9.0, 1.0, 10.0]),
        )
        values = [
            totals.choose("likelihood", ScoreGuards(reluctance=reluctance), default=9.0).value
            for reluctance in (0.0, 9.0)
        ]
        assert values == [2.0, 1.0]

    @pytest.mark.parametrize(("n_tickets", "expected"), [(16.0, 3.0), (22.0, 1.0)])
    def test_a_mean_that_may_not_be_gives_way_to_the_nearest_that_may(
        self, n_tickets: float, expected: float
    ) -> None:
        # Modems call much between 1 and 2 dB, and above 3 dB, but never in the long time between:
        # above 2 dB they call less than below.
        totals = ScoreTotals(np.array([1.0, 2.0, 3.0]))
        totals.add(
            np.array([0.5, 1.5, 2.5, 3.5]),
            np.array([900.0, 100.0, 1000.0, 10.0]) * 86_400,
            np.array([9.0, n_tickets, 0.0, 1.0]),
        )
        chosen = totals.choose("likelihood", ScoreGuards(reluctance=0.0), default=9.0)
        assert chosen.value == expected
        assert chosen.trr > 1


class TestTotals:
    @settings(deadline=None, max_examples=60)
    @given(cases, cases, st.sampled_from(["trr", "likelihood"]))
    def test_merged_is_added(
        self,
        first: tuple[Array, Array, Array],
        second: tuple[Array, Array, Array],
        criterion: str,
    ) -> None:
        one = total_of(*first)
        one.merge(total_of(*second))
        both = ScoreTotals(EDGES)
        for part in (second, first):
            both.add(*part)
        assert repr(one.choose(criterion, LAX, default=9.0)) == repr(
            both.choose(criterion, LAX, default=9.0)
        )

    @pytest.mark.parametrize("criterion", ["trr", "likelihood"])
    @pytest.mark.parametrize(
        ("scores", "tickets"),
        [
            ([], []),
            ([0.5, 3.0], [0.0, 0.0]),  # no ticket
            ([0.5, 0.6], [1.0, 1.0]),  # nothing above
            ([9.0, 9.0], [1.0, 1.0]),  # nothing below
            ([0.5, 9.0], [5.0, 0.0]),  # modems above call less
            ([np.nan, np.nan], [1.0, 1.0]),
        ],
    )
    def test_where_tickets_do_not_tell_the_default_is_taken(
        self, criterion: str, scores: list[float], tickets: list[float]
    ) -> None:
        totals = total_of(np.array(scores), np.full(len(scores), 86_400.0), np.array(tickets))
        chosen = totals.choose(criterion, LAX, default=3.25)
        assert (chosen.value, chosen.criterion) == (3.25, "default")

    @pytest.mark.parametrize("smoothing", [0.0, -0.5])
    def test_rates_of_no_ticket_need_smoothing(self, smoothing: float) -> None:
        with pytest.raises(SettingError, match="smoothing"):
            ScoreGuards(smoothing=smoothing)

    @pytest.mark.parametrize("reluctance", [-0.5, float("nan")])
    def test_reluctance_is_a_number_of_at_least_0(self, reluctance: float) -> None:
        with pytest.raises(SettingError, match="reluctance"):
            ScoreGuards(reluctance=reluctance)

    @pytest.mark.parametrize("trr", [3.5, float("nan")])
    def test_it_is_written_down_and_read_back(self, trr: float) -> None:
        told = ScoreThreshold(2.5, "trr", trr, 0.1, 0.25).to_dict()
        assert told["trr"] == (None if np.isnan(trr) else trr)
        assert repr(ScoreThreshold.from_dict(told)) == repr(
            ScoreThreshold(2.5, "trr", trr, 0.1, 0.25)
        )
