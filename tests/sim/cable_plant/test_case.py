"""Labelled cases."""

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.sim.cable_plant import CablePlantConfig, simulate_case


@pytest.mark.parametrize("metric", ["snr_db", "tx_power_dbmv"])
@pytest.mark.parametrize("history_days", [0, 3])
def test_a_case_has_exactly_its_faults_all_active_in_the_window(
    metric: str, history_days: int
) -> None:
    config = CablePlantConfig()
    for index in range(12):
        case = simulate_case(config, index, metric=metric, history_days=history_days)
        assert case.faults["kind"].to_list().count("maintenance") == 1
        assert case.faults["kind"].to_list().count("service") == 7
        assert case.label is not None
        sizes = np.bincount(case.label)
        for row, n_affected in enumerate(case.faults["n_affected"]):
            assert sizes[row + 1] == n_affected
        assert case.faults["metrics"].str.contains(metric).all()
        assert sizes[0] > 30
        end_s = config.start_s + (history_days + 1) * 86_400
        told = case.states([end_s - 86_400], [end_s])
        active_h = np.maximum(told.maintenance_active_h, told.service_active_h)[0]
        assert (active_h[case.label > 0] >= 4).all()
        assert not active_h[case.label == 0].any()
        np.testing.assert_allclose(
            np.maximum(told.maintenance_exists_h, told.service_exists_h)[0][case.label > 0], 24.0
        )
        assert case.polls.time_s.max() < end_s


def test_members_of_a_group_move_together() -> None:
    config = CablePlantConfig(with_round_ids=True, loss_share=0.0, duplicate_share=0.0)
    together, apart = [], []
    for index in range(8):
        case = simulate_case(
            config, index, metric="tx_power_dbmv", look_back_days=3,
            maintenance_types=["attenuation"],
        )  # fmt: skip
        assert case.label is not None
        polls = case.polls
        wide = np.full((polls.n_devices, 18), np.nan)
        wide[polls.device_of_poll, polls.round_id] = polls.values["tx_power_dbmv"][:, 1]
        wide -= np.nanmean(wide, axis=1, keepdims=True)
        wide = np.nan_to_num(wide) / (np.sqrt(np.nansum(wide**2, axis=1, keepdims=True)) + 1e-9)
        group = int(np.bincount(case.label)[1:].argmax()) + 1
        members, singles = (
            wide[case.label == group], wide[(case.label > 0) & (case.label != group)],
        )  # fmt: skip
        together.append(np.median(members @ members.T))
        apart.append(np.median(members @ singles.T))
    assert np.mean(together) > 0.6
    assert np.mean(apart) < 0.3


def test_cases_that_cannot_be_are_refused() -> None:
    config = CablePlantConfig()
    with pytest.raises(SettingError, match="not of 'missing'"):
        simulate_case(config, 0, metric="missing")
    with pytest.raises(SettingError, match="does not surely show"):
        simulate_case(config, 0, maintenance_types=["ingress"])
    with pytest.raises(SettingError, match="no room"):
        simulate_case(config, 0, n_maintenance=40)
