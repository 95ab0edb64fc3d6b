"""Key metrics: the published vector to its last digit, and what they must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.diagnose.pre_equalization import decode, key_metrics

ENERGIES = {"mte": 4_157_570, "pre_mte": 3103, "post_mte": 29_455, "tte": 4_190_128}
METRICS_DB = {
    "mtc_db": 0.034,
    "mtr_db": 21.062,
    "nmter_db": -21.096,
    "pre_mtter_db": -31.304,
    "post_mtter_db": -21.531,
    "ppesr_db": -9.774,
    "pptsr_db": -10.388,
}
TAPS = np.array([10 + 5j, -40, 1900 + 100j, 90j, -30 + 10j])


def test_published_vector(vector: bytes) -> None:
    told = decode(vector)
    metrics = key_metrics(told.taps, told.main_tap)
    for name, energy in ENERGIES.items():
        assert getattr(metrics, name) == energy
    for name, level_db in METRICS_DB.items():
        assert round(float(getattr(metrics, name)), 3) == level_db
    assert metrics.mtna == 2047
    assert metrics.mtne == 4_190_209


def test_published_trap_ppesr_is_before_over_after(vector: bytes) -> None:
    """PyPNM 1.6.4 divides the other way round, and would say +9.774 dB of the vector."""
    told = decode(vector)
    metrics = key_metrics(told.taps, told.main_tap)
    assert metrics.ppesr_db == pytest.approx(10 * np.log10(metrics.pre_mte / metrics.post_mte))
    assert metrics.ppesr_db < 0 < key_metrics(told.taps[::-1], 16).ppesr_db


def test_published_trap_mtne_is_the_square_of_the_amplitude(vector: bytes) -> None:
    """PyPNM 1.6.4 doubles it, as if real and imaginary part could both be at full scale."""
    told = decode(vector)
    metrics = key_metrics(told.taps, told.main_tap)
    assert metrics.mtne == metrics.mtna**2 != 2 * metrics.mtna**2


@pytest.mark.parametrize("factor", [0.5, 16.0, 1j, np.exp(0.3j)])
def test_ratios_know_neither_scale_nor_phase(factor: complex) -> None:
    here, there = key_metrics(TAPS, 2), key_metrics(TAPS * factor, 2)
    for name in METRICS_DB:
        assert getattr(there, name) == pytest.approx(getattr(here, name))


def test_energies_by_hand() -> None:
    metrics = key_metrics([3, 4j, 10, 1 + 1j], 2)
    energies = (metrics.pre_mte, metrics.mte, metrics.post_mte, metrics.tte)
    assert [float(energy) for energy in energies] == [25, 100, 2, 127]
    assert [float(metrics.tap_before), float(metrics.tap_after)] == [16, 2]
    assert metrics.nmter_db == pytest.approx(10 * np.log10(27 / 127))
    assert metrics.mtc_db == pytest.approx(10 * np.log10(127 / 100))


def test_many_at_once_say_the_same_as_one() -> None:
    taps = np.stack([TAPS, TAPS[::-1], np.roll(TAPS, 1)]).reshape(3, 1, 5)
    metrics = key_metrics(taps, [[2], [2], [3]])
    assert metrics.nmter_db.shape == (3, 1)
    for i, main in enumerate((2, 2, 3)):
        one = key_metrics(taps[i, 0], main)
        for name in (*METRICS_DB, "mtna"):
            assert getattr(metrics, name)[i, 0] == getattr(one, name)


def test_edges_are_infinite_or_not_defined_but_never_warn() -> None:
    alone = key_metrics([0, 1000, 0], 1)
    assert alone.nmter_db == -np.inf
    assert alone.mtr_db == np.inf
    assert np.isnan(alone.ppesr_db)
    first, last = key_metrics([1000, 10], 0), key_metrics([10, 1000], 1)
    assert np.isnan(first.pptsr_db)
    assert np.isnan(last.pptsr_db)
    assert np.isnan(key_metrics(np.zeros(24), 7).nmter_db)


@pytest.mark.parametrize(
    ("main", "nominal"),
    [
        (300, 511), (511, 511), (512, 1023), (2047, 2047), (2047 + 60j, 2047),
        (1447 + 1447j, 2047), (0x7FE6, 32_767),
    ],
)  # fmt: skip
def test_nominal_amplitude_is_the_scale_of_the_modem(main: complex, nominal: int) -> None:
    assert key_metrics([0, main, 30], 1).mtna == nominal
