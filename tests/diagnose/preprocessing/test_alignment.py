"""Algorithm 2 against brute force, and Theorem 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.diagnose.preprocessing.alignment import align
from faultsight.diagnose.preprocessing.missing_points import infer_missing

Array = NDArray[np.float64]
HOUR_S = 3600.0


def nearest(moment: float, others: Array) -> int:
    """Return the nearest of some moments; of equally near ones the earlier."""
    return int(np.argmin(np.abs(others - moment)))


def brute_force(a_s: Array, b_s: Array) -> list[list[int]]:
    return [
        [i, j]
        for i in range(len(a_s))
        for j in range(len(b_s))
        if nearest(a_s[i], b_s) == j and nearest(b_s[j], a_s) == i
    ]


def series(drawn: set[int]) -> Array:
    return np.array(sorted(drawn), np.float64)


moments = st.sets(st.integers(0, 60), min_size=1, max_size=14).map(series)


class TestAgainstBruteForce:
    def test_five_thousand_random_cases(self) -> None:
        stream = random_stream(0, "alignment")
        for case in range(5000):
            sizes = stream.integers(1, 10, 2)
            # Whole numbers, so that many are equally near, and real ones, so that few are.
            a_s, b_s = (
                series(set(stream.integers(0, 25, size).tolist())) if case % 2
                else np.sort(stream.random(size))
                for size in sizes
            )  # fmt: skip
            assert align(a_s, b_s).tolist() == brute_force(a_s, b_s)

    @settings(deadline=None, max_examples=300)
    @given(moments, moments)
    def test_with_ties(self, a_s: Array, b_s: Array) -> None:
        assert align(a_s, b_s).tolist() == brute_force(a_s, b_s)

    def test_nothing_to_pair(self) -> None:
        empty = np.zeros(0)
        for a_s, b_s in ((empty, empty), (empty, np.ones(1)), (np.ones(1), empty)):
            assert align(a_s, b_s).shape == (0, 2)

    @settings(deadline=None, max_examples=100)
    @given(moments, st.integers(-9, 9))
    def test_a_series_is_paired_with_itself_slot_by_slot(self, a_s: Array, late: int) -> None:
        pairs = align(a_s, a_s)
        assert pairs.tolist() == [[i, i] for i in range(len(a_s))]
        assert len(align(a_s, a_s + late / 100)) == len(a_s)


def breaches(a_s: Array, b_s: Array, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return which pairs that are not of an alignment break Theorem 1.

    That some pair of the alignment is nearer is little: the nearest one of all would do for
    everybody. The proof says which one is: the pair of the same moment, or if neither moment has
    one, that of a nearer pair which shares a moment with this one, and so on.
    """
    of_a, of_b = dict(pairs), {j: i for i, j in pairs}
    found = []
    for i, x in enumerate(a_s):
        for j, y in enumerate(b_s):
            if of_a.get(i) == j:
                continue
            skews = [abs(x - b_s[of_a[i]])] if i in of_a else []
            skews += [abs(a_s[of_b[j]] - y)] if j in of_b else []
            if skews:
                holds = max(skews) <= abs(x - y)
            else:
                holds = nearest(x, b_s) != j or nearest(y, a_s) != i
            if not holds:
                found.append((i, j))
    return found


class TestTheorem1:
    @settings(deadline=None, max_examples=300)
    @given(moments, moments)
    def test_as_it_is_worded(self, a_s: Array, b_s: Array) -> None:
        pairs = align(a_s, b_s)
        assert len(pairs) > 0
        assert (np.diff(pairs, axis=0) > 0).all()  # the order of both is preserved
        assert not breaches(a_s, b_s, list(map(tuple, pairs.tolist())))

    @settings(deadline=None, max_examples=200)
    @given(moments, moments, st.data())
    def test_an_alignment_that_drops_a_pair_breaks_it(
        self, a_s: Array, b_s: Array, data: st.DataObject
    ) -> None:
        pairs = list(map(tuple, align(a_s, b_s).tolist()))
        dropped = data.draw(st.integers(0, len(pairs) - 1))
        i, j = pairs.pop(dropped)
        assert (i, j) in breaches(a_s, b_s, pairs)

    @settings(deadline=None, max_examples=200)
    @given(moments, moments, st.data())
    def test_an_alignment_that_exchanges_a_pair_breaks_it(
        self, a_s: Array, b_s: Array, data: st.DataObject
    ) -> None:
        pairs = list(map(tuple, align(a_s, b_s).tolist()))
        exchanged = data.draw(st.integers(0, len(pairs) - 1))
        i, j = pairs[exchanged]
        other = data.draw(st.integers(0, len(b_s) - 1))
        # A moment as near as the partner would do as well.
        assume(abs(a_s[i] - b_s[other]) > abs(a_s[i] - b_s[j]))
        partners = {b: a for a, b in pairs}
        pairs[exchanged] = (i, other)
        if other in partners:
            pairs = [(a, j if a == partners[other] else b) for a, b in pairs]
        assert (i, j) in breaches(a_s, b_s, pairs)

    @settings(deadline=None, max_examples=200)
    @given(moments, moments)
    def test_the_pair_that_dominates_is_reached_step_by_step(self, a_s: Array, b_s: Array) -> None:
        inside = {(i, j) for i, j in align(a_s, b_s).tolist()}
        for i, x in enumerate(a_s):
            at, gap = i, np.inf
            for _ in range(len(a_s) + len(b_s)):
                j = nearest(a_s[at], b_s)
                back = nearest(b_s[j], a_s)
                gap = abs(a_s[back] - b_s[j])
                if back == at:
                    break
                at = back
            assert (at, j) in inside
            assert gap <= np.abs(b_s - x).min()


def test_figures_5_and_6_greedy_pairing_is_repaired_by_missing_points() -> None:
    # Rounds start at 0, 4, ... 16 h. Modem a misses the fourth, modem b the third, and a's third
    # and b's fourth answers happen to be near each other.
    a_h, b_h = [0.2, 4.5, 9.9, 17.9], [0.4, 4.2, 12.3, 16.8]
    greedy = align(np.array(a_h), np.array(b_h))
    assert greedy.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    rounds = {"a": [0, 1, 2, 4], "b": [0, 1, 3, 4]}
    assert rounds["a"][2] != rounds["b"][2]  # paired across rounds, 2.4 hours apart

    polls = NodePolls(
        "F", ("a", "b"), (), np.array([0, 4, 8]), np.array([*a_h, *b_h]) * HOUR_S
    )  # fmt: skip
    slots = infer_missing(
        polls, TimeWindow(0, int(20 * HOUR_S)), threshold_s=6.4 * HOUR_S, interval_s=4 * HOUR_S
    )
    assert (slots.n_slots.tolist(), (slots.poll < 0).sum()) == ([5, 5], 2)
    a_s, b_s = slots.time_s[:5], slots.time_s[5:]
    pairs = align(a_s, b_s)
    assert pairs.tolist() == [[k, k] for k in range(5)]  # every slot with its own round's
    is_both = (slots.poll[:5][pairs[:, 0]] >= 0) & (slots.poll[5:][pairs[:, 1]] >= 0)
    assert is_both.tolist() == [True, True, False, False, True]
    skew_h = np.abs(a_s - b_s)[is_both] / HOUR_S
    assert skew_h.max() < 1.2 < np.abs(np.array(a_h) - np.array(b_h)).max()
