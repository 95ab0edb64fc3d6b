"""Rand indices: by hand, against scikit-learn, and at their ends."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, rand_score

from faultsight.core.errors import InputError
from faultsight.diagnose.metrics.rand_index import adjusted_rand_index, rand_index


def test_by_hand() -> None:
    truth = [0, 0, 0, 1, 1, 2]
    found = [0, 0, 1, 1, 1, 1]
    pairs = list(combinations(range(6), 2))
    both = [(truth[i] == truth[j], found[i] == found[j]) for i, j in pairs]
    tp, fp = both.count((True, True)), both.count((False, True))
    fn, tn = both.count((True, False)), both.count((False, False))
    assert (tp, fp, fn, tn) == (2, 5, 2, 6)
    assert rand_index(truth, found) == 8 / 15
    # Expected of chance: 7 pairs together here, 4 there, so 28 / 15 of 15 in both.
    expected_both = 7 * 4 / 15
    expected = (15 - 7 - 4 + 2 * expected_both) / 15
    assert adjusted_rand_index(truth, found) == pytest.approx((8 / 15 - expected) / (1 - expected))


@pytest.mark.parametrize("seed", range(30))
def test_equal_to_scikit_learn(seed: int) -> None:
    stream = np.random.default_rng(seed)
    n = int(stream.integers(2, 300))
    a, b = stream.integers(0, 1 + seed, n), stream.integers(0, 8, n) * 1000
    b = np.where(stream.random(n) < seed / 30, a, b)
    assert rand_index(a, b) == pytest.approx(rand_score(a, b), abs=1e-12)
    assert adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)
    assert rand_index(a, b) == rand_index(b, a)
    assert adjusted_rand_index(a, b) == adjusted_rand_index(b, a)


def test_names_and_order_do_not_matter() -> None:
    stream = np.random.default_rng(1)
    a, b = stream.integers(0, 5, 60), stream.integers(0, 5, 60)
    order = stream.permutation(60)
    names = np.array(["e", "c", "a", "d", "b"])
    assert adjusted_rand_index(names[a][order], b[order]) == adjusted_rand_index(a, b)
    assert rand_index(names[a][order], b[order]) == rand_index(a, b)


def test_ends() -> None:
    alone, one = np.arange(9), np.zeros(9)
    assert rand_index(alone, one) == 0.0
    assert adjusted_rand_index(alone, one) == 0.0
    for same in (alone, one, [], [4]):
        assert rand_index(same, same) == adjusted_rand_index(same, same) == 1.0
    assert adjusted_rand_index([0, 0, 1, 1], [0, 1, 0, 1]) < 0


def test_chance_is_zero_adjusted_and_high_as_it_is() -> None:
    stream = np.random.default_rng(0)
    a, b = stream.integers(0, 40, 20_000), stream.integers(0, 40, 20_000)
    assert abs(adjusted_rand_index(a, b)) < 0.001
    assert rand_index(a, b) > 0.9


def test_large_networks_stay_exact() -> None:
    n = 3_000_000
    a, b = np.arange(n) % 2, np.arange(n) % 4
    pairs = n * (n - 1) // 2
    together_a, together_b = 2 * (n // 2) * (n // 2 - 1) // 2, 4 * (n // 4) * (n // 4 - 1) // 2
    assert rand_index(a, b) == (pairs - together_a + together_b) / pairs


def test_other_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="same items"):
        rand_index([0, 1], [0])
    with pytest.raises(InputError, match="same items"):
        adjusted_rand_index([[0, 1]], [[0, 1]])
