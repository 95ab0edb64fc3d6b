"""Polls told twice, against plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.polls import NodePolls
from faultsight.diagnose.preprocessing.duplicates import (
    DUPLICATE_GAP_S,
    is_told_again,
    without_duplicates,
)

series = st.lists(st.sets(st.integers(0, 60), max_size=15).map(sorted), min_size=1, max_size=4)


def node(times: list[list[int]], round_id: list[int] | None = None) -> NodePolls:
    time_s = np.array([moment for mine in times for moment in mine], np.float64)
    return NodePolls(
        "F",
        tuple("abcd"[: len(times)]),
        ("1",),
        np.cumsum([0, *(len(mine) for mine in times)]),
        time_s,
        {"snr_db": np.arange(len(time_s), dtype=np.float32)[:, None]},
        None if round_id is None else np.array(round_id, np.int64),
    )


class TestByGap:
    @settings(deadline=None, max_examples=200)
    @given(series, st.integers(0, 20))
    def test_against_a_plain_loop(self, times: list[list[int]], gap_s: int) -> None:
        kept = without_duplicates(node(times), float(gap_s))
        for device, mine in enumerate(times):
            expected = [
                moment
                for i, moment in enumerate(mine)
                if i + 1 == len(mine) or mine[i + 1] - moment >= gap_s
            ]
            found = kept.time_s[slice(*kept.device_start[device : device + 2])]
            assert found.tolist() == expected
        assert (np.diff(kept.time_s)[np.diff(kept.device_of_poll) == 0] >= gap_s).all()

    @settings(deadline=None, max_examples=100)
    @given(series, st.integers(0, 20))
    def test_done_twice_is_done_once(self, times: list[list[int]], gap_s: int) -> None:
        once = without_duplicates(node(times), float(gap_s))
        assert without_duplicates(once, float(gap_s)) is once

    def test_of_a_run_the_last_is_kept_with_its_values(self) -> None:
        kept = without_duplicates(node([[0, 5, 10, 50]]), 6.0)
        assert kept.time_s.tolist() == [10.0, 50.0]
        assert kept.values["snr_db"].ravel().tolist() == [2.0, 3.0]

    def test_two_modems_are_never_duplicates(self) -> None:
        polls = node([[10], [11]])
        assert without_duplicates(polls) is polls

    def test_the_usual_gap_is_half_open(self) -> None:
        gap = int(DUPLICATE_GAP_S)
        assert is_told_again(node([[0, gap]])).tolist() == [False, False]
        assert is_told_again(node([[0, gap - 1]])).tolist() == [True, False]


class TestByRound:
    @settings(deadline=None, max_examples=200)
    @given(series, st.data())
    def test_the_last_answer_of_a_round(self, times: list[list[int]], data: st.DataObject) -> None:
        rounds = [sorted(data.draw(st.lists(st.integers(-1, 6), min_size=len(mine),
                                            max_size=len(mine)))) for mine in times]  # fmt: skip
        kept = without_duplicates(node(times, [r for mine in rounds for r in mine]))
        for device, (mine, told) in enumerate(zip(times, rounds, strict=True)):
            expected = [
                moment
                for i, moment in enumerate(mine)
                if told[i] < 0 or i + 1 == len(mine) or told[i + 1] != told[i]
            ]
            found = kept.time_s[slice(*kept.device_start[device : device + 2])]
            assert found.tolist() == expected

    def test_gaps_are_not_looked_at(self) -> None:
        assert without_duplicates(node([[0, 1, 2]], [4, 5, 6])).n_polls == 3
        assert without_duplicates(node([[0, 5000]], [4, 4])).time_s.tolist() == [5000.0]


def test_no_poll() -> None:
    assert is_told_again(node([[], []])).tolist() == []
