"""Raw metrics: what must be read, and ratios of codewords."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.polls import NodePolls
from faultsight.diagnose.cablemon.raw_metrics import METRICS, collected_for, is_level, raw_values


def codewords(unerrored: list[float], corrected: list[float], lost: list[float]) -> NodePolls:
    counts = {
        "codewords_unerrored": unerrored,
        "codewords_corrected": corrected,
        "codewords_uncorrectable": lost,
    }
    n = len(unerrored)
    return NodePolls(
        "F", ("a",), ("1",), np.array([0, n]), np.arange(n, dtype=np.float64),
        {name: np.array(c, np.float32)[:, None] for name, c in counts.items()},
    )  # fmt: skip


def test_ratios_are_of_all_codewords_and_unknown_without_any() -> None:
    polls = codewords([90, 0, np.nan, 0], [8, 0, 3, 5], [2, 0, 1, 0])
    corrected = raw_values(polls, "codewords_corrected_ratio")
    lost = raw_values(polls, "codewords_uncorrectable_ratio")
    assert corrected is not None
    assert lost is not None
    np.testing.assert_allclose(corrected.ravel(), [0.08, np.nan, np.nan, 1.0], rtol=1e-6)
    np.testing.assert_allclose(lost.ravel(), [0.02, np.nan, np.nan, 0.0], rtol=1e-6)


def test_what_was_not_collected_is_none() -> None:
    polls = codewords([1], [1], [1])
    assert raw_values(polls, "snr_db") is None
    del polls.values["codewords_corrected"]  # type: ignore[attr-defined]
    assert raw_values(polls, "codewords_corrected_ratio") is None


def test_only_what_is_needed_is_read_in_one_order() -> None:
    assert collected_for(("t4_timeouts", "snr_db", "t4_timeouts")) == ("snr_db", "t4_timeouts")
    everything = collected_for(METRICS)
    assert len(everything) == len(set(everything)) == 8
    places = [METRICS.index(metric) for metric in everything]
    assert all(a < b for a, b in pairwise(places))


def test_refuses_a_metric_that_it_does_not_know() -> None:
    with pytest.raises(SettingError, match="no metric is called 'snr'"):
        is_level("snr")
