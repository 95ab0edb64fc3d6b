"""Where windows may end: in the silence between two rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.diagnose.preprocessing.silence import (
    moved_to_silence,
    poll_interval_s,
    silent_phase_s,
)

T = 14_400
DAY_S = 86_400


class TestInterval:
    @pytest.mark.parametrize("interval_s", [900, 3600, 14_400, 21_600])
    @pytest.mark.parametrize("share", [0.1, 0.6, 0.9])
    def test_lost_polls_and_duplicates_do_not_matter(
        self, polled_node: Callable[..., Any], interval_s: int, share: float
    ) -> None:
        node = polled_node(
            share * interval_s / 3600, days=20, n_devices=150, interval_s=interval_s,
            loss_share=0.2, duplicate_share=0.02 if interval_s > 900 else 0.0,
        )  # fmt: skip
        assert poll_interval_s(node.polls) == interval_s

    def test_modems_that_are_each_asked_at_a_moment_of_their_own(self) -> None:
        # All together have no rhythm; each modem's gaps tell.
        stream = random_stream(0, "no rhythm")
        times = stream.random((200, 1)) * T + np.arange(20) * T + stream.normal(0, 60, (200, 20))
        polls = NodePolls(
            "F", tuple(f"m{i:03d}" for i in range(200)), (), np.arange(201) * 20, times.ravel()
        )
        assert poll_interval_s(polls) == T

    def test_one_poll_of_each_modem_tells_nothing(self) -> None:
        polls = NodePolls("F", ("a", "b"), (), np.array([0, 1, 2]), np.array([0.0, 9.0]))
        with pytest.raises(InputError, match="F: no modem has two polls"):
            poll_interval_s(polls)


class TestSilence:
    @pytest.mark.parametrize("round_h", [0.3, 0.5, 1.0, 2.0, 3.0, 3.6])
    @pytest.mark.parametrize("hour", [0, 1, 2, 3])
    def test_a_window_ends_between_two_rounds(
        self, polled_node: Callable[..., Any], round_h: float, hour: int
    ) -> None:
        node = polled_node(round_h, days=30, duplicate_share=0.02)
        phase_s = silent_phase_s(node.polls.time_s, float(T))
        first_s = int(node.polls.time_s.min()) // DAY_S * DAY_S
        n_cut = 0
        for day in range(2, 30):
            end_s = first_s + day * DAY_S + hour * 3600
            window = moved_to_silence(TimeWindow(end_s - DAY_S, end_s), phase_s, float(T))
            is_before = node.polls.time_s < window.end_s
            last = int(node.round_of_poll[is_before].max())
            mine = node.round_of_poll == last
            # Duplicates come up to ten minutes after; so few are late that they hardly count.
            n_cut += min(int(np.sum(mine & ~is_before)), int(np.sum(mine & is_before)))
        n_polls = 28 * 250
        assert n_cut <= (0.02 if round_h > 3.5 else 0.001) * n_polls

    def test_no_poll(self) -> None:
        assert silent_phase_s(np.zeros(0), 100.0) == 0.0

    def test_silence_that_goes_over_the_intervals_end(self) -> None:
        times = np.arange(0.0, 1e5)
        inside = (times % 1000 >= 300) & (times % 1000 < 700)
        assert silent_phase_s(times[inside], 1000.0) == pytest.approx(0.0, abs=5.0)

    def test_a_few_late_answers_are_no_round(self) -> None:
        times = np.arange(0.0, 1e5)
        inside = times % 1000 < 500
        late = np.arange(750.0, 1e5, 25_000)
        phase_s = silent_phase_s(np.concatenate([times[inside], late]), 1000.0)
        assert phase_s == pytest.approx(750.0, abs=5.0)


class TestMovedWindow:
    @settings(deadline=None, max_examples=300)
    @given(
        st.integers(-(10**9), 2 * 10**9),
        st.integers(1, 10**6),
        st.integers(60, 90_000),
        st.floats(0, 1, exclude_max=True),
    )
    def test_back_by_less_than_an_interval(
        self, start_s: int, length_s: int, interval_s: int, share: float
    ) -> None:
        asked = TimeWindow(start_s, start_s + length_s)
        moved = moved_to_silence(asked, share * interval_s, float(interval_s))
        assert moved.end_s - moved.start_s == length_s
        assert 0 <= asked.end_s - moved.end_s < interval_s
        # A second at most from the phase, for windows are whole seconds.
        beyond_s = (moved.end_s - share * interval_s) % interval_s
        assert min(beyond_s, interval_s - beyond_s) < 1.0 + 1e-6
