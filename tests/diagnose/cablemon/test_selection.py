"""Guards, the middle of equal thresholds, and which features are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faultsight.diagnose.cablemon import CableMonConfig, SelectedFeature, TrrCurve
from faultsight.diagnose.cablemon.bins import N_BINS
from faultsight.diagnose.cablemon.rate_histograms import RateHistograms
from faultsight.diagnose.cablemon.selection import Candidate, candidates, keep

# One feature and two directions; all that is high is normal.
RAW = CableMonConfig(windows_polls=(1,), weights=(), sureness=0.0)
LOW_BIN, HIGH_BIN = 1400, 1600  # 23.5 and 36 dB


def histograms(
    low_ms: int, high_ms: int, low_tickets: int, high_tickets: int
) -> tuple[RateHistograms, int, int]:
    exposure = np.zeros((1, 2, N_BINS), np.int64)
    exposure[:, :, LOW_BIN], exposure[:, :, HIGH_BIN] = low_ms, high_ms
    bins = np.repeat(np.array([LOW_BIN, HIGH_BIN], np.int16), [low_tickets, high_tickets])
    told = RateHistograms(exposure, np.tile(bins[:, None, None], (1, 1, 2)))
    return told, low_ms + high_ms, low_tickets + high_tickets


def found(
    low_ms: int, high_ms: int, low_tickets: int, high_tickets: int, config: CableMonConfig = RAW
) -> list[Candidate]:
    return list(
        candidates("snr_db", *histograms(low_ms, high_ms, low_tickets, high_tickets), config)
    )


def test_the_middle_between_two_modes_is_taken() -> None:
    (low,) = found(100, 9900, 50, 100)
    assert low.selected.is_below
    # Bin 1400 begins at 23.5 dB and 1600 at 36 dB: all edges from 23.5625 to 36 do the same.
    assert low.selected.threshold == pytest.approx((23.5625 + 36) / 2, abs=1 / 16)
    assert low.selected.trr == pytest.approx(50.5 / 100 / (100.5 / 9900))
    assert low.selected.share_of_time == 0.01
    assert low.selected.share_of_tickets == pytest.approx(1 / 3)
    assert low.is_mine.tolist() == [True] * 50 + [False] * 100
    assert len(low.curve.thresholds) == len(low.curve.trr) == HIGH_BIN - LOW_BIN
    assert set(low.curve.trr) == {low.selected.trr}


def test_neighbouring_bins_are_told_apart_at_the_edge_between_them() -> None:
    exposure = np.zeros((1, 2, N_BINS), np.int64)
    exposure[:, :, [HIGH_BIN - 1, HIGH_BIN]] = [100, 9900]
    bins = np.repeat(np.array([HIGH_BIN - 1, HIGH_BIN], np.int16), [50, 100])
    told = RateHistograms(exposure, np.tile(bins[:, None, None], (1, 1, 2)))
    (low,) = candidates("snr_db", told, 10_000, 150, RAW)
    assert low.selected.threshold == 36.0
    assert low.is_mine.tolist() == [True] * 50 + [False] * 100


def test_what_is_high_is_found_from_above() -> None:
    (high,) = found(9900, 100, 100, 50)
    assert not high.selected.is_below
    assert high.is_mine.tolist() == [False] * 100 + [True] * 50


@pytest.mark.parametrize(
    ("counts", "guard"),
    [
        ((40, 9960, 50, 100), {"least_time_share": 0.0}),  # 0.4 % of the time
        ((6000, 4000, 140, 10), {"most_time_share": 0.7}),
        ((100, 9900, 5, 100), {"least_ticket_share": 0.0}),  # 4.8 % of the tickets
        ((100, 9900, 1, 8), {"sureness": 0.0}),  # one ticket
    ],
)
def test_each_guard_stops_what_passes_without_it(
    counts: tuple[int, int, int, int], guard: dict[str, float]
) -> None:
    strict = replace(RAW, sureness=2.0)
    assert found(*counts, config=strict) == []
    assert len(found(*counts, config=replace(strict, **guard))) == 1  # type: ignore[arg-type]


def test_equal_rates_are_never_a_threshold() -> None:
    strict = replace(RAW, sureness=1.0)
    assert found(1000, 9000, 100, 900, strict) == []
    assert found(1000, 9000, 0, 0, strict) == []


def test_more_tickets_beat_a_lucky_few() -> None:
    """Deep down 11 tickets in 60 ms (a TRR of 17), in all 54 in 500 ms (15)."""
    exposure = np.zeros((1, 2, N_BINS), np.int64)
    exposure[:, :, [1300, 1400, 1600]] = [60, 440, 9500]
    bins = np.repeat(np.array([1300, 1400, 1600], np.int16), [11, 43, 70])
    told = RateHistograms(exposure, np.tile(bins[:, None, None], (1, 1, 2)))
    (lucky,) = candidates("snr_db", told, 10_000, 124, RAW)
    (sure,) = candidates("snr_db", told, 10_000, 124, replace(RAW, sureness=2.0))
    assert lucky.selected.share_of_tickets == pytest.approx(11 / 124)
    assert sure.selected.share_of_tickets == pytest.approx(54 / 124)
    assert lucky.selected.trr > sure.selected.trr


def candidate(trr: float, mine: str, *, abnormal_ms: int = 100, window: int = 1) -> Candidate:
    """Return a candidate whose normal rate is such that its tickets make its TRR."""
    is_mine = np.array([letter == "x" for letter in mine])
    rate = (is_mine.sum() + 0.5) / abnormal_ms
    selected = SelectedFeature("snr_db", "AVG", window, None, True, 30.0, trr, 0.01, 0.1)
    return Candidate(selected, TrrCurve((), ()), trr, is_mine, abnormal_ms, rate / trr)


def kept_windows(*given: Candidate, config: CableMonConfig = RAW) -> list[int | None]:
    return [each.selected.window_polls for each in keep(given, config)]


def test_a_feature_that_repeats_another_falls_and_one_with_new_tickets_stays() -> None:
    best = candidate(10, "xxxxxx......", window=1)
    again = candidate(9, "xxxxx.......", window=3)
    new = candidate(8, "......xxxxxx", window=6)
    assert kept_windows(again, new, best) == [1, 6]
    # Nearly all of its tickets are known; the one that is new makes 1.5 / 6.5 of a TRR of 9.
    assert kept_windows(best, candidate(9, "xxxxx.x.....", window=3)) == [1]


def test_new_tickets_must_reach_a_share_of_the_best_trr() -> None:
    best, new = candidate(10, "xxxxxx......", window=1), candidate(4, "......xxxxxx", window=6)
    assert kept_windows(best, new) == [1]
    assert kept_windows(best, new, config=replace(RAW, keep_within=0.3)) == [1, 6]


def test_low_ratios_are_not_kept_and_never_too_many_are() -> None:
    assert kept_windows(candidate(1.9, "xx..")) == []
    assert kept_windows(candidate(2.0, "xx..")) == [1]
    many = [candidate(10 - 0.1 * i, "." * i + "x" + "." * (9 - i), window=i) for i in range(10)]
    assert kept_windows(*many) == [0, 1, 2]
    assert kept_windows(*many, config=replace(RAW, most_per_metric=1)) == [0]
