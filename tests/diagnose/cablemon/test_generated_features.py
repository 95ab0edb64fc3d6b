"""Generated features against the formulas written down one value at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.polls import NodePolls
from faultsight.diagnose.cablemon import CableMonConfig
from faultsight.diagnose.cablemon.generated_features import (
    GeneratedFeature,
    generated_features,
)
from faultsight.diagnose.cablemon.generated_features import feature_values as values_of_features

CONFIG = CableMonConfig(windows_polls=(1, 2, 5), weights=(0.3, 1.0), least_present=0.4)
NAN = float("nan")


def one_modem(values: Sequence[float]) -> NodePolls:
    cells = np.array(values, np.float32)[:, None]
    n = len(cells)
    return NodePolls(
        "F",
        ("a",),
        ("1",),
        np.array([0, n]),
        np.arange(n, dtype=np.float64) * 14400,
        {"snr_db": cells},
    )


def feature_values(
    polls: NodePolls, metric: str, feature: GeneratedFeature, config: CableMonConfig
) -> NDArray[np.float32]:
    return np.asarray(values_of_features(polls, metric, [feature], config)[0], np.float32)


def plainly(values: Sequence[float], i: int, feature: GeneratedFeature) -> float:
    """Return a feature of the i-th value as the paper's table has it, over what is present."""
    values = [float(np.float32(v)) for v in values]
    if np.isnan(values[i]):
        return NAN
    if feature.weight is not None:
        average = NAN
        for value in values[: i + 1]:
            if np.isnan(average):
                average = value
            elif not np.isnan(value):
                average = feature.weight * value + (1 - feature.weight) * average
        return average
    win = feature.window_polls or 0
    # (weight, value): the newest value weighs win, the one before win - 1, ...
    pairs = [(win - age, values[i - age]) for age in range(win) if i - age >= 0]
    pairs = [(weight, value) for weight, value in pairs if not np.isnan(value)]
    if len(pairs) < max(np.ceil(win * CONFIG.least_present), 1):
        return NAN
    present = [value for _, value in pairs]
    avg = sum(present) / len(present)
    wma = sum(weight * value for weight, value in pairs) / sum(weight for weight, _ in pairs)
    return {
        "AVG": avg,
        "WMA": wma,
        "WMA_DIFF": values[i] - wma,
        "VAR": sum((value - avg) ** 2 for value in present) / len(present),
    }[feature.generated]


lists = st.lists(st.one_of(st.just(NAN), st.floats(-60, 60, width=32)), min_size=1, max_size=14)


@settings(max_examples=60, deadline=None)  # the first call compiles
@given(values=lists)
def test_features_are_what_the_formulas_say(values: list[float]) -> None:
    for feature in generated_features(CONFIG):
        told = feature_values(one_modem(values), "snr_db", feature, CONFIG).ravel()
        plain = [plainly(values, i, feature) for i in range(len(values))]
        np.testing.assert_allclose(told, plain, rtol=1e-5, atol=1e-5, err_msg=str(feature))


def test_worked_by_hand() -> None:
    polls = one_modem([10, 20, 40])
    config = CableMonConfig(windows_polls=(3,), weights=(0.5,))

    def last(name: str) -> float:
        return float(feature_values(polls, "snr_db", GeneratedFeature(name, 3), config)[-1, 0])

    assert last("AVG") == pytest.approx(70 / 3)
    # norm = 3 * 4 / 2 = 6; with the printed 3 * 2 / 2 = 3 the average would exceed every value.
    assert last("WMA") == pytest.approx((3 * 40 + 2 * 20 + 1 * 10) / 6)
    assert last("WMA_DIFF") == pytest.approx(40 - 170 / 6)
    assert last("VAR") == pytest.approx((10**2 + 20**2 + 40**2) / 3 - (70 / 3) ** 2)
    ewma = feature_values(polls, "snr_db", GeneratedFeature("EWMA", weight=0.5), config)
    assert ewma.ravel().tolist() == [10.0, 15.0, 27.5]


@pytest.mark.parametrize("missing", [False, True])
def test_a_constant_is_its_own_average_to_the_bit(missing: bool) -> None:
    values = np.full(20, 36.1, np.float32)
    if missing:
        values[[3, 4, 9, 15]] = np.nan
    known = ~np.isnan(values)
    for feature in generated_features(CableMonConfig()):
        told = feature_values(one_modem(values.tolist()), "snr_db", feature, CableMonConfig())
        told = told.ravel()[known]
        constant = 0.0 if feature.generated in {"VAR", "WMA_DIFF"} else np.float32(36.1)
        assert np.all((told == constant) | np.isnan(told)), str(feature)
        assert not np.isnan(told[-1]), str(feature)


def test_variance_of_large_counts_loses_no_digits() -> None:
    values = 1e8 + np.tile([0.0, 8.0], 6)
    told = feature_values(
        one_modem(values.tolist()), "snr_db", GeneratedFeature("VAR", 12), CableMonConfig()
    )
    assert told[-1, 0] == 16.0


def test_a_feature_of_a_window_does_not_know_what_came_before_it(
    make_node: Callable[..., NodePolls],
) -> None:
    node = make_node(n_devices=1)
    later = node.take(np.arange(node.n_polls) >= 30)
    for feature in generated_features(CableMonConfig()):
        if feature.window_polls is not None:
            whole = feature_values(node, "snr_db", feature, CableMonConfig())[30 + 12 :]
            cut = feature_values(later, "snr_db", feature, CableMonConfig())[12:]
            np.testing.assert_array_equal(whole, cut, err_msg=str(feature))


def test_no_feature_depends_on_later_polls_other_modems_or_other_channels(
    make_node: Callable[..., NodePolls],
) -> None:
    node = make_node(n_devices=3, n_rounds=40)
    start, end = node.device_start[1:3]
    cells = node.values["snr_db"].copy()
    at = start + 20
    is_mine = np.zeros(cells.shape, np.bool_)
    is_mine[start:at, 0] = True
    cells[~is_mine] = -999
    other = replace(node, values={"snr_db": cells})
    for feature in generated_features(CableMonConfig()):
        told = feature_values(node, "snr_db", feature, CableMonConfig())
        again = feature_values(other, "snr_db", feature, CableMonConfig())
        np.testing.assert_array_equal(told[start:at, 0], again[start:at, 0], err_msg=str(feature))
        # Without this the test could pass on features that see nothing at all.
        assert not np.array_equal(told[at:end, 0], again[at:end, 0], equal_nan=True)


def test_infinities_are_missing() -> None:
    feature = GeneratedFeature("AVG", 2)
    told = feature_values(one_modem([1, np.inf, 3, -np.inf]), "snr_db", feature, CONFIG)
    np.testing.assert_array_equal(told.ravel(), [1, np.nan, 3, np.nan])


def test_few_values_in_a_window_are_no_feature() -> None:
    config = CableMonConfig(windows_polls=(4,), least_present=0.5)
    values = [1, NAN, NAN, NAN, 5, 6]
    told = feature_values(one_modem(values), "snr_db", GeneratedFeature("AVG", 4), config)
    np.testing.assert_array_equal(told.ravel(), [NAN, NAN, NAN, NAN, NAN, 5.5])


def test_what_is_tried_and_what_is_refused() -> None:
    tried = [str(feature) for feature in generated_features(CableMonConfig())]
    assert len(tried) == len(set(tried)) == 15
    for settings_, problem in (
        ({"windows_polls": (3, 1)}, "ascend"),
        ({"windows_polls": ()}, "at least"),
        ({"weights": (0.0,)}, "weights"),
        ({"metrics": ("snr",)}, "no metric"),
        ({"decision_abnormal": 13}, "13 of 12"),
        ({"least_time_share": 0.6}, "shares"),
        ({"smoothing": 0.0}, "smoothing"),
    ):
        with pytest.raises(SettingError, match=problem):
            CableMonConfig(**settings_)


def test_many_features_at_once_are_those_one_by_one(make_node: Callable[..., NodePolls]) -> None:
    node, config = make_node(n_devices=2, n_rounds=20), CableMonConfig()
    features = generated_features(config)
    told = values_of_features(node, "snr_db", features, config)
    assert told.shape == (15, node.n_polls, 2)
    for feature, values in zip(features, told, strict=True):
        np.testing.assert_array_equal(values, feature_values(node, "snr_db", feature, config))
    assert np.isnan(values_of_features(node, "t3_timeouts", features, config)).all()
