"""The TRR of all thresholds from histograms against each threshold evaluated by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.core.tickets import Tickets
from faultsight.diagnose.cablemon import CableMonConfig
from faultsight.diagnose.cablemon.bins import N_BINS, lower_edges
from faultsight.diagnose.cablemon.generated_features import feature_values, generated_features
from faultsight.diagnose.cablemon.rate_histograms import ABOVE, BELOW, measure
from faultsight.diagnose.cablemon.ticketing_rate import rate_curve
from faultsight.diagnose.preprocessing.collection_periods import (
    collection_periods_s,
    poll_of_ticket,
)

LONGEST_S = 21_600.0
CONFIG = CableMonConfig(windows_polls=(1, 3), weights=(0.4,))


@pytest.mark.parametrize("metric", ["snr_db", "codewords_corrected_ratio"])
def test_every_threshold_of_every_feature(
    metric: str, make_node: Callable[..., NodePolls], make_calls: Callable[..., Tickets]
) -> None:
    node = make_node(n_devices=6, n_rounds=50)
    tickets = make_calls(node)
    if metric != "snr_db":
        with np.errstate(invalid="ignore"):
            bad = np.round(10 ** (5 - (node.values["snr_db"] - 20) / 4))
        node.values.update({"codewords_unerrored": 1e6 - bad, "codewords_corrected": bad})  # type: ignore[attr-defined]
        node.values["codewords_uncorrectable"] = 0 * bad  # type: ignore[index]
    period_s = collection_periods_s(node, LONGEST_S)
    asked, _ = poll_of_ticket(node, tickets, LONGEST_S)
    period_ms = np.rint(period_s * 1000).astype(np.int64)
    histograms = measure(node, metric, period_ms, asked, CONFIG)
    assert histograms is not None
    n_thresholds = 0
    for position, feature in enumerate(generated_features(CONFIG)):
        (values,) = feature_values(node, metric, [feature], CONFIG)
        known = ~np.isnan(values).all(axis=1)
        edges = lower_edges(feature.counts_octaves(metric))[1:]
        for direction in (BELOW, ABOVE):
            is_below = direction == BELOW
            curve = rate_curve(
                histograms.exposure_ms[position, direction],
                histograms.tickets(position, direction),
                is_below=is_below,
            )
            # Beyond the lowest and the highest value all thresholds do the same.
            first, last = np.searchsorted(edges, [np.nanmin(values), np.nanmax(values)])
            for j in {0, *range(max(first - 2, 0), min(last + 2, N_BINS - 2)), N_BINS - 2}:
                with np.errstate(invalid="ignore"):
                    crossed = values < edges[j] if is_below else values >= edges[j]
                abnormal = crossed.any(axis=1)
                normal = known & ~abnormal
                n_abnormal, n_normal = abnormal[asked].sum(), normal[asked].sum()
                time, other = period_ms[abnormal].sum(), period_ms[normal].sum()
                told = (
                    curve.abnormal_ms[j], curve.normal_ms[j],
                    curve.abnormal_tickets[j], curve.normal_tickets[j],
                )  # fmt: skip
                assert told == (time, other, n_abnormal, n_normal), (str(feature), edges[j])
                if time and other:
                    trr = (n_abnormal + 0.5) / time / ((n_normal + 0.5) / other)
                    assert curve.trr[j] == pytest.approx(trr, rel=1e-12)
                    n_thresholds += 1
                else:
                    assert np.isnan(curve.trr[j])
    assert n_thresholds > 1500


def test_several_tickets_in_one_period_all_count(make_node: Callable[..., NodePolls]) -> None:
    node = make_node(n_devices=1, n_rounds=10, missing=0.0)
    period_ms = np.full(node.n_polls, 1000)
    told = measure(node, "snr_db", period_ms, np.array([4, 4, 7, 4]), CONFIG)
    assert told is not None
    assert told.tickets(0, BELOW).sum() == 4
    assert told.exposure_ms[0].sum(axis=1).tolist() == [10_000, 10_000]
    np.testing.assert_array_equal(told.ticket_bins[0], told.ticket_bins[3])


def test_periods_without_a_value_are_on_neither_side(make_node: Callable[..., NodePolls]) -> None:
    node = make_node(n_devices=1, n_rounds=10, missing=0.0)
    node.values["snr_db"][3] = np.nan
    node.values["snr_db"][4, 0] = np.nan
    told = measure(node, "snr_db", np.full(10, 1000), np.array([3, 4]), CONFIG)
    assert told is not None
    assert told.exposure_ms[0].sum(axis=1).tolist() == [9000, 9000]
    assert told.tickets(0, BELOW).sum() == 1
    assert measure(node, "rx_power_dbmv", np.full(10, 1000), np.array([3]), CONFIG) is None


def test_smoothing_by_hand() -> None:
    curve = rate_curve(np.array([100, 300]), np.array([3, 1]), is_below=True)
    assert curve.trr.tolist() == [pytest.approx(3.5 / 100 / (1.5 / 300))]
    other = rate_curve(np.array([100, 300]), np.array([3, 1]), is_below=False)
    assert other.trr.tolist() == [pytest.approx(1 / curve.trr[0])]
    np.testing.assert_allclose(curve.sure_trr, curve.trr)


def test_what_surely_remains_of_a_trr_by_hand() -> None:
    # 25 of 99 tickets: with smoothing 25.5 to 74.5, a share of .255, whose root has the arcsine
    # .5294; less 2 times half a root of 100 it is .4294: a share of .1733, odds of .2097.
    curve = rate_curve(np.array([100, 900]), np.array([25, 74]), is_below=True, sureness=2)
    assert curve.sure_trr.tolist() == [pytest.approx(0.2097 * 9, rel=1e-3)]
    nothing = rate_curve(np.array([100, 900]), np.array([0, 9]), is_below=True, sureness=2)
    assert nothing.sure_trr.tolist() == [0.0]


@pytest.mark.parametrize("share", [0.003, 0.02, 0.3])
def test_chance_rarely_exceeds_what_is_taken_off(share: float) -> None:
    """Without a difference, 2 standard deviations should leave more than 1 in 2.3 % of cases."""
    drawn = random_stream(1000, "chance").binomial(600, share, 4000)
    exposure = np.array([round(1e6 * share), round(1e6 * (1 - share))])
    left = [
        rate_curve(exposure, np.array([n, 600 - n]), is_below=True, sureness=2).sure_trr[0]
        for n in drawn
    ]
    assert 0.002 < np.mean(np.array(left) > 1) < 0.05


def test_sure_trr_nears_trr_with_more_tickets() -> None:
    left = [
        rate_curve(np.array([1, 99]), n * np.array([1, 9]), is_below=True, sureness=4).sure_trr[0]
        for n in (10, 100, 10_000)
    ]
    assert left[0] < left[1] < left[2] < 11
    assert left[2] > 10.5
