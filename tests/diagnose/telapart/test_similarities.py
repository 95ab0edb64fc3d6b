"""Similarity of two modems' vectors against numpy, and the cases that need a rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.seed import random_stream
from faultsight.diagnose.preprocessing.alignment import align
from faultsight.diagnose.preprocessing.missing_points import Slots
from faultsight.diagnose.telapart.similarities import (
    MovesLike,
    Similarities,
    is_regular,
    similarities,
    slot_values,
)

Array = NDArray[np.float64]


def drawn(
    seed: int, *, n: int = 6, n_slots: int = 6, n_channels: int = 2, scatter: float, holes: float
) -> tuple[Slots, Array]:
    """Return slots of rounds a unit apart, scattered by so much of one, and values of 0.1 dB."""
    stream = random_stream(seed, "similarities")
    counts = np.full(n, n_slots)
    if scatter > 0.3:
        counts = stream.integers(0, n_slots + 1, n)
    times = [np.sort(np.arange(c) + scatter * stream.random(c)) for c in counts]
    n_rows = int(counts.sum())
    levels = np.round(stream.normal(0, 3, (2, n_rows, n_channels)), 1)
    levels[stream.random(levels.shape) < holes] = np.nan
    poll = np.where(stream.random(n_rows) < holes, -1, np.arange(n_rows))
    levels[:, poll < 0] = np.nan
    start = np.concatenate([[0], np.cumsum(counts)])
    # Some modems do not move at all.
    for device in np.flatnonzero(stream.random(n) < 0.2):
        rows = slice(start[device], start[device + 1])
        levels[0, rows] = np.where(np.isnan(levels[0, rows]), np.nan, 1.5)
    return Slots(start, np.concatenate(times) if n_rows else np.zeros(0), poll), levels


def in_common(
    slots: Slots, values: Array, i: int, j: int
) -> tuple[NDArray[np.bool_], Array, Array]:
    """Return the pairs of slots, and the values both have, channel after channel."""
    rows = [slice(*slots.device_start[d : d + 2]) for d in (i, j)]
    pairs = align(*(slots.time_s[mine] for mine in rows))
    x, y = (values[mine][pairs[:, side]].T.ravel() for side, mine in enumerate(rows))
    both = ~np.isnan(x) & ~np.isnan(y)
    present = np.stack([slots.poll[mine][pairs[:, s]] >= 0 for s, mine in enumerate(rows)])
    return present, x[both], y[both]


def pearson(x: Array, y: Array) -> float:
    if len(x) < 3:
        return 0.0
    still = bool(np.ptp(x) == 0), bool(np.ptp(y) == 0)
    if any(still):
        return float(all(still))
    return float(np.corrcoef(x, y)[0, 1])


def cosine(x: Array, y: Array, noise_db: float) -> float:
    if len(x) < 3:
        return 0.0
    floor = len(x) * noise_db**2
    length = float(np.sqrt((x @ x + floor) * (y @ y + floor)))
    return float(x @ y) / length if length > 0 else 0.0


def assert_equal(found: Similarities, other: Similarities, tolerance: float) -> None:
    np.testing.assert_allclose(found.levels, other.levels, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(found.n_pairs, other.n_pairs)
    np.testing.assert_array_equal(found.missing, other.missing)


cases = st.builds(
    lambda seed, scatter, holes: drawn(seed, scatter=scatter, holes=holes),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.2, 0.9, 2.5]),
    st.sampled_from([0.0, 0.1, 0.5, 0.9]),
)
shrinks = st.sampled_from([0.0, 4.0])


class TestAgainstNumpy:
    @settings(deadline=None, max_examples=150)
    @given(cases, shrinks)
    def test_pearson(self, case: tuple[Slots, Array], shrunk_by: float) -> None:
        slots, levels = case
        found = similarities(slots, levels, shrunk_by=shrunk_by)
        for f in range(2):
            for i in range(6):
                for j in range(i + 1, 6):
                    _, x, y = in_common(slots, levels[f], i, j)
                    expected = pearson(x, y) * (len(x) / (len(x) + shrunk_by) if len(x) else 0.0)
                    assert found.levels[f, i, j] == pytest.approx(expected, abs=1e-9)
                    assert found.n_pairs[f, i, j] == len(x)

    @settings(deadline=None, max_examples=100)
    @given(cases, shrinks, st.sampled_from([0.0, 0.5]))
    def test_cosine(self, case: tuple[Slots, Array], shrunk_by: float, noise_db: float) -> None:
        slots, levels = case
        found = similarities(
            slots, levels, moves_like=MovesLike.COSINE, noise_db=noise_db, shrunk_by=shrunk_by
        )
        for f in range(2):
            for i in range(6):
                for j in range(i + 1, 6):
                    _, x, y = in_common(slots, levels[f], i, j)
                    expected = cosine(x, y, noise_db)
                    expected *= len(x) / (len(x) + shrunk_by) if len(x) else 0.0
                    assert found.levels[f, i, j] == pytest.approx(expected, abs=1e-9)

    @settings(deadline=None, max_examples=100)
    @given(cases)
    def test_hamming(self, case: tuple[Slots, Array]) -> None:
        slots, levels = case
        found = similarities(slots, levels).missing
        for i in range(6):
            for j in range(i + 1, 6):
                present, _, _ = in_common(slots, levels[0], i, j)
                n = present.shape[1]
                same = int(np.sum(present[0] == present[1]))
                assert found[i, j] == pytest.approx(same / n if n else 0.0, abs=1e-15)

    @settings(deadline=None, max_examples=60)
    @given(cases, st.sampled_from(MovesLike))
    def test_matrices_are_symmetric_and_within_bounds(
        self, case: tuple[Slots, Array], moves_like: MovesLike
    ) -> None:
        found = similarities(*case, moves_like=moves_like)
        for matrix in (*found.levels, found.missing, *found.n_pairs):
            np.testing.assert_array_equal(matrix, matrix.T)
        assert (np.abs(found.levels) <= 1).all()
        assert ((found.missing >= 0) & (found.missing <= 1)).all()
        for f in range(2):
            assert np.diag(found.levels[f]).tolist() == [1.0] * 6


class TestRegularModems:
    @settings(deadline=None, max_examples=200)
    @given(st.integers(0, 10**6), st.floats(0.0, 0.7), st.integers(1, 8))
    def test_algorithm_2_pairs_them_slot_by_slot(
        self, seed: int, scatter: float, n_slots: int
    ) -> None:
        slots, _ = drawn(seed, n=8, n_slots=n_slots, scatter=scatter, holes=0.1)
        regular = np.flatnonzero(is_regular(slots))
        for i in regular:
            for j in regular:
                a_s, b_s = (slots.time_s[slice(*slots.device_start[d : d + 2])] for d in (i, j))
                assert align(a_s, b_s).tolist() == [[k, k] for k in range(len(a_s))]
        if scatter <= 0.24:
            assert len(regular) == 8

    @settings(deadline=None, max_examples=200)
    @given(
        st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.45]), st.sampled_from([0.0, 0.1, 0.5]),
        st.sampled_from(MovesLike), shrinks, st.sampled_from([0.0, 0.5]),
    )  # fmt: skip
    def test_the_short_way_is_the_long_way(
        self,
        seed: int,
        scatter: float,
        holes: float,
        moves_like: MovesLike,
        shrunk_by: float,
        noise_db: float,
    ) -> None:
        slots, levels = drawn(seed, n=9, scatter=scatter, holes=holes)
        short, long = (
            similarities(
                slots, levels, moves_like=moves_like, noise_db=noise_db, shrunk_by=shrunk_by,
                always_align=always_align,
            )
            for always_align in (False, True)
        )  # fmt: skip
        assert_equal(short, long, 1e-12)

    def test_a_modem_that_lacks_a_slot_is_not(self) -> None:
        times = np.array([0, 1, 2, 0.1, 1.1, 2.1, 0.1, 2.2])
        slots = Slots(np.array([0, 3, 6, 8]), times, np.arange(8))
        assert is_regular(slots).tolist() == [True, True, False]

    def test_nobody_has_a_slot(self) -> None:
        empty = Slots(np.zeros(4, np.int64), np.zeros(0), np.zeros(0, np.int64))
        assert is_regular(empty).tolist() == [False] * 3
        found = similarities(empty, np.zeros((1, 0, 2)))
        np.testing.assert_array_equal(found.levels[0], np.eye(3))
        assert found.n_pairs.sum() == 0


class TestRules:
    """Of two modems, polled together, on one channel."""

    def alike(self, x: list[float], y: list[float], **settings: float) -> float:
        n = len(x)
        slots = Slots(np.array([0, n, 2 * n]), np.tile(np.arange(float(n)), 2), np.arange(2 * n))
        levels = np.array([[*x, *y]], np.float64)[:, :, None]
        found = similarities(slots, levels, **settings)  # type: ignore[arg-type]
        aligned = similarities(slots, levels, always_align=True, **settings)  # type: ignore[arg-type]
        assert found.levels[0, 0, 1] == pytest.approx(aligned.levels[0, 0, 1], abs=1e-12)
        return float(found.levels[0, 0, 1])

    def test_fewer_than_three_values_in_common_say_nothing(self) -> None:
        nan = float("nan")
        assert self.alike([1.0, 2.0], [1.0, 2.0]) == 0.0
        assert self.alike([1.0, 2.0, nan, 4.0], [1.0, nan, 3.0, 4.0]) == 0.0
        assert self.alike([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == pytest.approx(1.0)

    def test_two_that_never_move_are_alike(self) -> None:
        assert self.alike([4.0] * 5, [-7.5] * 5) == 1.0

    def test_one_that_never_moves_is_like_no_other(self) -> None:
        assert self.alike([4.0] * 5, [1.0, 2.0, 1.0, 2.0, 1.0]) == 0.0

    def test_what_moves_only_where_the_other_lacks_a_value_does_not_move(self) -> None:
        nan = float("nan")
        assert self.alike([4.0, 4.0, 4.0, 9.0], [1.0, 1.0, 1.0, nan]) == 1.0
        assert self.alike([4.0, 4.0, 4.0, 9.0], [1.0, 2.0, 1.0, nan]) == 0.0

    def test_opposite_and_scaled(self) -> None:
        x = [1.0, 5.0, 2.0, 4.0]
        assert self.alike(x, [-3 * v + 7 for v in x]) == -1.0
        assert self.alike(x, [100 * v for v in x]) == 1.0

    def test_few_values_prove_little(self) -> None:
        x = [1.0, 5.0, 2.0, 4.0]
        assert self.alike(x, x, shrunk_by=4.0) == pytest.approx(0.5)
        assert self.alike([1.0] * 4, [1.0] * 4, shrunk_by=4.0) == pytest.approx(0.5)

    def test_a_lasting_step_counts_by_cosine_alone(self) -> None:
        step = [5.0] * 6
        assert self.alike(step, step, moves_like=MovesLike.COSINE, noise_db=0.5) > 0.98
        small = [0.1] * 6
        assert self.alike(small, small, moves_like=MovesLike.COSINE, noise_db=0.5) < 0.05

    def test_deviations_of_nothing_are_like_nothing(self) -> None:
        assert self.alike([0.0] * 4, [0.0] * 4, moves_like=MovesLike.COSINE) == 0.0


class TestSlotValues:
    def test_by_default_each_modems_mean_is_taken_off(self) -> None:
        slots = Slots(np.array([0, 3, 3, 5]), np.arange(5.0), np.array([0, -1, 2, 3, 4]))
        snr_db = np.array([[30, 40], [1, 1], [32, np.nan], [10, 12], [14, 16]], np.float32)
        values = slot_values(slots, snr_db)
        mean = (30 + 40 + 32) / 3
        nan = float("nan")
        expected = [[30 - mean, 40 - mean], [nan, nan], [32 - mean, nan], [-3.0, -1.0], [1.0, 3.0]]
        np.testing.assert_allclose(values, expected, rtol=1e-6)

    def test_or_a_level_of_each_modem_and_channel(self) -> None:
        slots = Slots(np.array([0, 1, 2]), np.zeros(2), np.array([1, 0]))
        usual = np.array([[10.0, np.nan], [20.0, 30.0]])
        values = slot_values(slots, np.array([[21, 32], [13, 14]], np.float32), usual)
        np.testing.assert_array_equal(values, [[3, np.nan], [1, 2]])

    @settings(deadline=None, max_examples=60)
    @given(st.integers(0, 10**6), st.floats(-1000, 1000))
    def test_a_level_changes_no_correlation(self, seed: int, level_db: float) -> None:
        slots, levels = drawn(seed, scatter=0.2, holes=0.2)
        tables = [np.asarray(levels[0] + shift, np.float64) for shift in (0.0, level_db)]
        first, second = (
            similarities(slots, slot_values(slots, table)[None])  # type: ignore[arg-type]
            for table in tables
        )
        assert_equal(first, second, 1e-7)
