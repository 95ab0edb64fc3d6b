"""How alike two modems' distortions are: both measures against their own definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.diagnose.pre_equalization import (
    coherence,
    cosine_of_channels,
    echoes,
    quotient_mtr_db,
)

Taps = NDArray[np.complex128]
MAIN = 7


def random_taps(*shape: int, seed: int = 0) -> Taps:
    stream = np.random.default_rng(seed)
    taps = 60 * (stream.normal(size=(*shape, 24)) + 1j * stream.normal(size=(*shape, 24)))
    taps[..., MAIN] = 2000
    return taps


def unit_response(taps: Taps, main: int = MAIN) -> Taps:
    """Frequency response of the unit main tap, its delay taken out."""
    return np.fft.fft(np.roll(np.pad(taps / taps[main], (0, 40)), -main))


def test_coherence_is_that_of_responses_less_the_main_tap() -> None:
    taps = random_taps(4, 1)
    found = coherence(echoes(taps, MAIN), np.ones((4, 1)))
    for i in range(4):
        for j in range(4):
            a, b = (unit_response(taps[k, 0]) - 1.0 for k in (i, j))
            direct = abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b)
            assert found[i, j] == pytest.approx(direct)


def test_coherence_knows_neither_scale_nor_phase_nor_place() -> None:
    taps = random_taps(1)[0]
    taps[0] = 0
    moved = np.roll(taps, -1) * 16j
    found = coherence(
        echoes(np.stack([taps, moved])[:, None], [[MAIN], [MAIN - 1]]), np.ones((2, 1))
    )
    np.testing.assert_allclose(found, 1.0)


def test_one_echo_at_two_strengths_is_the_same_and_another_delay_is_not() -> None:
    taps = np.zeros((3, 1, 24), np.complex128)
    taps[..., MAIN] = 2000
    taps[0, 0, 10], taps[1, 0, 10], taps[2, 0, 13] = 300, 80j, 300
    found = coherence(echoes(taps, MAIN), np.ones((3, 1)))
    np.testing.assert_allclose(found, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)


def test_only_channels_that_both_have_count() -> None:
    taps = random_taps(3, 2)
    taps[1, 0] = taps[0, 0]
    known = np.array([[True, True], [True, False], [False, True]])
    found = coherence(echoes(taps, MAIN), known)
    assert found[0, 1] == pytest.approx(1.0)
    assert found[1, 2] == 0.0
    alone = coherence(echoes(taps[[0, 2], 1:], MAIN), np.ones((2, 1)))
    assert found[0, 2] == pytest.approx(alone[0, 1])
    np.testing.assert_allclose(found, found.T)


def test_no_echo_is_like_nothing_but_itself() -> None:
    taps = random_taps(3, 1)
    taps[:2, 0, :MAIN], taps[:2, 0, MAIN + 1 :] = 0, 0
    found = coherence(echoes(taps, MAIN), np.ones((3, 1)))
    np.testing.assert_array_equal(found, np.eye(3))


def test_real_vectors_keep_the_sign_and_nobody_is_fine() -> None:
    vectors = np.array([[[1.0, -1.0]], [[-2.0, 2.0]]])
    assert cosine_of_channels(vectors, np.ones((2, 1))).tolist() == [[1, -1], [-1, 1]]
    assert coherence(np.zeros((0, 3, 47)), np.zeros((0, 3))).shape == (0, 0)


def test_quotient_is_the_main_tap_ratio_of_its_inverse_transform() -> None:
    taps = random_taps(4)
    found = quotient_mtr_db(taps, MAIN)
    for i in range(4):
        for j in range(4):
            if i != j:
                impulse = np.fft.ifft(unit_response(taps[i]) / unit_response(taps[j]))
                energy = np.abs(impulse) ** 2
                direct_db = 10 * np.log10(energy[0] / energy[1:].sum())
                assert found[i, j] == pytest.approx(direct_db)
    assert (np.diag(found) == np.inf).all()


def test_quotient_ranks_pairs_as_coherence_does() -> None:
    taps = random_taps(1).repeat(40, axis=0)
    taps[:, 12] += 500 * (np.arange(40) < 20)
    noise = random_taps(40, seed=1)
    taps[:, : MAIN - 1] += 0.1 * noise[:, : MAIN - 1]
    alike = quotient_mtr_db(taps, MAIN)
    same = (np.arange(40)[:, None] < 20) == (np.arange(40) < 20)
    assert alike[same].min() > alike[~same].max() + 3
    close = coherence(echoes(taps[:, None], MAIN), np.ones((40, 1)))
    assert close[same].min() > close[~same].max()


def test_an_echo_as_strong_as_the_main_tap_does_not_crash() -> None:
    taps = np.zeros((2, 24))
    taps[:, MAIN] = 1000
    taps[0, MAIN + 1] = -1000
    found = quotient_mtr_db(taps, MAIN)
    assert not np.isnan(found).any()
    assert found[0, 1] < 1.0
    with pytest.raises(SettingError, match="47 delays"):
        quotient_mtr_db(taps, MAIN, n_bins=32)
