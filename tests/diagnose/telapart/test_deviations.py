"""Deviations from a modem's own usual level, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.diagnose.telapart.deviations import Deviations, level_deviations

METRIC = "tx_power_dbmv"


def node(seed: int, n_devices: int = 3, n_channels: int = 2) -> NodePolls:
    """Return modems whose polls lie in 0 to 100 s, in steps of a quarter of a dB."""
    stream = random_stream(seed, "deviations")
    times = [np.sort(stream.choice(100, stream.integers(0, 30), False)) for _ in range(n_devices)]
    n = sum(len(mine) for mine in times)
    values = (np.round(4 * stream.normal(43, 3, (n, n_channels))) / 4).astype(np.float32)
    values[stream.random(values.shape) < 0.25] = np.nan
    return NodePolls(
        "F",
        tuple("abc"[:n_devices]),
        tuple("12"[:n_channels]),
        np.cumsum([0, *(len(mine) for mine in times)]),
        np.concatenate(times).astype(np.float64),
        {METRIC: values},
    )


def plain_loop(
    polls: NodePolls,
    edges: NDArray[np.float64],
    history_s: float,
    is_harm_upward: bool,
    quantile: float,
    least_history: int,
) -> Deviations:
    shape = len(edges), polls.n_devices
    score, worst = np.full(shape, np.nan), np.full(shape, -1)
    usual = np.full((*shape, len(polls.channels)), np.nan)
    sign = 1.0 if is_harm_upward else -1.0
    for w, (start, end) in enumerate(edges):
        for device in range(polls.n_devices):
            mine = slice(*polls.device_start[device : device + 2])
            times = polls.time_s[mine]
            for c in range(len(polls.channels)):
                values = sign * polls.values[METRIC][mine, c].astype(np.float64)
                past = values[(times >= start - history_s) & (times < start)]
                past = np.sort(past[~np.isnan(past)])
                inside = values[(times >= start) & (times < end)]
                inside = inside[~np.isnan(inside)]
                if len(past) < least_history:
                    continue
                level = past[int(quantile * (len(past) - 1) + 0.5)]
                usual[w, device, c] = sign * level
                if not len(inside):
                    continue
                found = float(np.sqrt(np.mean(np.maximum(inside - level, 0.0) ** 2)))
                if worst[w, device] < 0 or found > score[w, device]:
                    score[w, device], worst[w, device] = found, c
    return Deviations(score, worst, usual)


edges = st.lists(
    st.tuples(st.integers(0, 90), st.integers(1, 40)).map(lambda t: (t[0], t[0] + t[1])),
    min_size=1,
    max_size=6,
)


class TestAgainstAPlainLoop:
    @settings(deadline=None, max_examples=250)
    @given(
        st.integers(0, 10**6), edges, st.booleans(), st.integers(1, 60), st.booleans(),
        st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(1, 8),
    )  # fmt: skip
    def test_all(
        self,
        seed: int,
        told: list[tuple[int, int]],
        is_sorted: bool,
        history: int,
        is_harm_upward: bool,
        quantile: float,
        least_history: int,
    ) -> None:
        polls = node(seed)
        windows = np.array(sorted(told) if is_sorted else told, np.float64)
        found = level_deviations(
            polls, METRIC, windows, history_s=float(history), is_harm_upward=is_harm_upward,
            quantile=quantile, least_history=least_history,
        )  # fmt: skip
        expected = plain_loop(
            polls, windows, history, is_harm_upward, quantile, least_history
        )  # fmt: skip
        np.testing.assert_array_equal(found.usual, expected.usual)
        np.testing.assert_array_equal(found.channel, expected.channel)
        np.testing.assert_allclose(found.score_db, expected.score_db, rtol=1e-6)

    @settings(deadline=None, max_examples=80)
    @given(st.integers(0, 10**6), edges, st.floats(-60, 60))
    def test_later_polls_and_other_levels_change_nothing(
        self, seed: int, told: list[tuple[int, int]], shift_db: float
    ) -> None:
        polls = node(seed)
        start, end = told[0]
        settings_ = {
            "history_s": 30.0, "is_harm_upward": True, "quantile": 0.25, "least_history": 2,
        }  # fmt: skip
        window = np.array([[start, end]], np.float64)
        before = level_deviations(polls, METRIC, window, **settings_)  # type: ignore[arg-type]
        changed = polls.values[METRIC].copy()
        changed[polls.time_s >= end] += np.float32(shift_db)
        changed[polls.time_s < start - 30] -= np.float32(shift_db)
        polls = NodePolls(
            "F", polls.device_ids, polls.channels, polls.device_start, polls.time_s,
            {METRIC: changed},
        )  # fmt: skip
        after = level_deviations(polls, METRIC, window, **settings_)  # type: ignore[arg-type]
        np.testing.assert_array_equal(before.score_db, after.score_db)
        np.testing.assert_array_equal(before.usual, after.usual)


class TestByHand:
    def deviations(self, values: list[float], *, is_harm_upward: bool) -> Deviations:
        """Return those of the last four of some polls, ten seconds apart, after all others."""
        n = len(values)
        polls = NodePolls(
            "F", ("a",), ("1",), np.array([0, n]), np.arange(0.0, 10.0 * n, 10.0),
            {METRIC: np.array(values, np.float32)[:, None]},
        )  # fmt: skip
        window = np.array([[(n - 4) * 10.0, n * 10.0]])
        return level_deviations(
            polls, METRIC, window, history_s=1000.0, is_harm_upward=is_harm_upward, quantile=0.25,
            least_history=4,
        )  # fmt: skip

    def test_only_what_hurts_counts(self) -> None:
        past = [40.0] * 8
        assert self.deviations([*past, 43, 43, 43, 43], is_harm_upward=True).score_db == 3.0
        assert self.deviations([*past, 43, 43, 43, 43], is_harm_upward=False).score_db == 0.0
        mixed = self.deviations([*past, 46, 38, 38, 38], is_harm_upward=True)
        assert mixed.score_db[0, 0] == pytest.approx(np.sqrt(36 / 4))

    def test_a_fault_of_some_days_does_not_become_usual_while_it_lasts(self) -> None:
        past = [40.0] * 5 + [46.0] * 10
        found = self.deviations([*past, 46, 46, 46, 46], is_harm_upward=True)
        assert (found.usual[0, 0, 0], found.score_db[0, 0]) == (40.0, 6.0)

    def test_too_short_a_past_tells_nothing(self) -> None:
        found = self.deviations([40.0] * 3 + [60.0] * 4, is_harm_upward=True)
        assert np.isnan(found.score_db[0, 0])
        assert found.channel[0, 0] == -1
        assert np.isnan(found.usual).all()
