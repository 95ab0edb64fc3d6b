"""Which polls are abnormal: any channel, any feature, never later polls, never missing values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.polls import NodePolls
from faultsight.diagnose.cablemon import (
    CableMonConfig,
    CableMonThresholds,
    SelectedFeature,
    TrrCurve,
)
from faultsight.diagnose.cablemon.generated_features import feature_values

CONFIG = CableMonConfig(windows_polls=(1, 4), weights=(0.3,))


def chosen(
    metric: str, generated: str, window: int | None, below: bool, at: float
) -> SelectedFeature:
    weight = 0.3 if window is None else None
    return SelectedFeature(metric, generated, window, weight, below, at, 5.0, 0.1, 0.2)


def thresholds(*selected: SelectedFeature) -> CableMonThresholds:
    return CableMonThresholds(CONFIG, selected, (TrrCurve((), ()),) * len(selected))


MIXED = thresholds(
    chosen("snr_db", "AVG", 4, True, 33.0),
    chosen("snr_db", "VAR", 4, False, 9.0),
    chosen("snr_db", "EWMA", None, True, 30.0),
    chosen("tx_power_dbmv", "AVG", 1, False, 46.0),
)


def test_a_poll_is_abnormal_if_any_feature_crosses_on_any_channel(
    make_node: Callable[..., NodePolls],
) -> None:
    node = make_node()
    by_hand = np.zeros((node.n_polls, 2), np.bool_)
    for feature in MIXED.selected[:3]:
        (values,) = feature_values(node, "snr_db", [feature.feature], CONFIG)
        with np.errstate(invalid="ignore"):
            by_hand |= (
                values < feature.threshold if feature.is_below else values >= feature.threshold
            )
    np.testing.assert_array_equal(MIXED.abnormal_channels(node, "snr_db"), by_hand)
    np.testing.assert_array_equal(MIXED.abnormal(node, "snr_db"), by_hand.any(axis=1))
    high = (np.nan_to_num(node.values["tx_power_dbmv"]) >= 46).any(axis=1)
    np.testing.assert_array_equal(MIXED.abnormal(node, "tx_power_dbmv"), high)
    both = by_hand.any(axis=1) | high
    np.testing.assert_array_equal(MIXED.abnormal_in_any(node), both)
    # Neither of the two does it all.
    assert 0 < by_hand.any(axis=1).sum() < both.sum() > high.sum() > 0


def test_no_poll_depends_on_later_ones(make_node: Callable[..., NodePolls]) -> None:
    node = make_node()
    whole = MIXED.abnormal_in_any(node)
    moment = float(np.median(node.time_s))
    is_early = node.time_s < moment
    cut = MIXED.abnormal_in_any(node.take(is_early))
    np.testing.assert_array_equal(cut, whole[is_early])
    assert 0 < cut.sum() < len(cut)


def test_the_edge_itself_is_normal_from_below_and_abnormal_from_above() -> None:
    cells = np.array([[30], [29.9375], [np.nan]], np.float32)
    node = NodePolls("F", ("a",), ("1",), np.array([0, 3]), np.arange(3.0), {"snr_db": cells})
    below = thresholds(chosen("snr_db", "AVG", 1, True, 30.0))
    above = thresholds(chosen("snr_db", "AVG", 1, False, 30.0))
    assert below.abnormal(node, "snr_db").tolist() == [False, True, False]
    assert above.abnormal(node, "snr_db").tolist() == [True, False, False]


def test_missing_values_and_metrics_are_never_abnormal(make_node: Callable[..., NodePolls]) -> None:
    node = make_node()
    silent = replace(node, values={"snr_db": np.full_like(node.values["snr_db"], np.nan)})
    everything = thresholds(
        chosen("snr_db", "AVG", 1, True, 99.0), chosen("rx_power_dbmv", "AVG", 1, True, 99.0)
    )
    assert not everything.abnormal(silent, "snr_db").any()
    np.testing.assert_array_equal(
        everything.abnormal_channels(node, "snr_db"), ~np.isnan(node.values["snr_db"])
    )
    for metric in ("rx_power_dbmv", "t3_timeouts"):
        assert not everything.abnormal(node, metric).any()
    with pytest.raises(SettingError, match="no metric"):
        everything.abnormal(node, "missing")


def test_only_metrics_with_a_high_trr_decide() -> None:
    strong = chosen("snr_db", "AVG", 1, True, 30.0)
    also = replace(strong, metric="tx_power_dbmv", trr=2.6)
    weak = replace(strong, metric="rx_power_dbmv", trr=2.4)
    found = thresholds(weak, strong, also)
    assert found.metrics == ("rx_power_dbmv", "snr_db", "tx_power_dbmv")
    assert found.deciding_metrics == ("snr_db", "tx_power_dbmv")
    assert found.collected == ("snr_db", "tx_power_dbmv", "rx_power_dbmv")
    assert thresholds().deciding_metrics == ()


def test_a_weak_metric_is_abnormal_by_itself_and_has_no_voice(
    make_node: Callable[..., NodePolls],
) -> None:
    node = make_node()
    strong = chosen("snr_db", "AVG", 1, True, 30.0)
    weak = replace(strong, metric="tx_power_dbmv", threshold=45.0, trr=2.4)
    found = thresholds(strong, weak)
    alone = found.abnormal(node, "tx_power_dbmv")
    assert alone.any()
    assert (alone & ~found.abnormal_in_any(node)).any()
    np.testing.assert_array_equal(found.abnormal_in_any(node), found.abnormal(node, "snr_db"))


def test_a_feature_tells_itself() -> None:
    assert str(MIXED.selected[0]) == "snr_db AVG(4) < 33: TRR 5.0"
    assert str(MIXED.selected[2].feature) == "EWMA(0.3)"
