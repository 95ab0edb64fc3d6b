"""What faults must do to signals, and what they must leave alone."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from faultsight.sim.cable_plant import CablePlantConfig, simulate_node
from faultsight.sim.cable_plant.signals import ranged
from faultsight.sim.cable_plant.topology import node_topology

Pairs = Callable[..., Any]

STILL: dict[str, float] = {
    "tx_power_noise_db": 0.0, "rx_power_noise_db": 0.0, "season_c": 0.0, "day_c": 0.0,
    "weather_c": 0.0,
}  # fmt: skip


def test_ingress_lowers_the_snr_of_all_modems_and_leaves_power_alone(pair: Pairs) -> None:
    made = pair("ingress")
    is_member, is_on = made.hit()
    assert is_member.all()
    for metric in ("tx_power_dbmv", "rx_power_dbmv"):
        assert not made.change(metric).any()
    drop = -made.change("snr_db")
    assert not drop[~is_on].any()
    np.testing.assert_allclose(
        drop[is_on], np.tile(made.fault.effect.snr_loss_db, (is_on.sum(), 1)), atol=0.11
    )
    # The first channel feels all of it, the others part.
    assert made.fault.effect.snr_loss_db[0] == made.fault.effect.snr_loss_db.max() >= 4


def test_modems_raise_tx_against_noise_only_if_asked_to(pair: Pairs) -> None:
    made = pair("ingress", ingress_tx_rise_share=0.5, tx_power_dbmv=(41.0, 1.0))
    _, is_on = made.hit()
    rise = np.median(made.change("tx_power_dbmv")[is_on], axis=0)
    np.testing.assert_allclose(rise, made.fault.effect.snr_loss_db / 2, atol=0.6)


def test_attenuation_raises_tx_of_exactly_the_modems_downstream(pair: Pairs) -> None:
    made = pair("attenuation", tx_power_dbmv=(41.0, 1.0))
    is_member, is_on = made.hit()
    below = made.tree.below[int(made.fault.element[1:]) - 1]
    assert set(np.flatnonzero(below)) == set(made.fault.members.tolist())
    assert 8 <= below.sum() <= 120
    rise = made.change("tx_power_dbmv")
    assert not rise[~is_member].any()
    assert not rise[is_member & (made.faulty.polls.time_s < made.fault.start_s)].any()
    # Ranging makes the loss good but for what the dead band leaves before and after.
    loss_db = made.fault.effect.loss_db[0]
    assert np.abs(rise[is_member & is_on] - loss_db).max() <= 1.0 + 2 * 0.25
    assert np.abs(made.change("rx_power_dbmv")).max() <= 2 * 1.0 + 0.1
    assert np.median(made.change("snr_db")[is_member & is_on]) < -0.4


def test_a_suck_out_is_on_one_channel(pair: Pairs) -> None:
    made = pair("suck_out")
    is_member, is_on = made.hit()
    for metric, sign in (("tx_power_dbmv", 1), ("snr_db", -1)):
        moved = sign * made.change(metric)[is_member & is_on]
        assert sorted((np.median(moved, axis=0) > 0.4).tolist()) == [False, False, True]


def test_rx_stays_near_0_until_tx_is_at_its_most(pair: Pairs) -> None:
    made = pair(
        "amplifier_gain_loss", gain_loss_db=(14.0, 14.0), snr_noise_db=0.0, duplicate_share=0.0,
        **STILL,
    )  # fmt: skip
    polls = made.faulty.polls
    tx, rx = polls.values["tx_power_dbmv"], polls.values["rx_power_dbmv"]
    assert tx.max() == 51.0
    lacking = rx < -1.1
    assert (tx[lacking] == 51.0).all()
    assert lacking.any()
    assert np.abs(rx[~lacking]).max() <= 1.0 + 0.06
    # What is missing in received power is missing in SNR, and polls are lost the more of it is.
    without = {key: row for row, key in enumerate(_keys(made.without.polls))}
    rows = [without[key] for key in _keys(polls)]
    drop = made.without.polls.values["snr_db"][rows] - polls.values["snr_db"]
    np.testing.assert_allclose(drop[lacking], -rx[lacking], atol=0.16)
    is_member, is_on = made.hit()
    expected = made.config.n_rounds * 3 / 8 * len(made.fault.members)
    assert (is_member & is_on).sum() < 0.85 * expected


def _keys(polls: Any) -> list[tuple[int, float]]:
    return list(zip(polls.device_of_poll.tolist(), polls.time_s.tolist(), strict=True))


def test_losses_within_the_dead_band_leave_tx_alone() -> None:
    config = CablePlantConfig()
    loss_db = np.array([0, 0.9, 0.9, -0.9, 0, 1.2, 0.3, 0, -0.1], np.float32)
    needed = (40 + loss_db)[:, None, None]
    told = ranged(config, needed, np.zeros((1, 1), np.float32)).ravel()
    # 1.2 is made good; on the way back the level stays until it is more than 1 dB too high.
    assert told.tolist() == [40, 40, 40, 40, 40, 41.25, 41.25, 40, 40]
    node = simulate_node(CablePlantConfig.quiet(days=60, tx_power_noise_db=0.0), 0)
    tx = node.polls.values["tx_power_dbmv"]
    same_device = np.diff(node.polls.device_of_poll) == 0
    steps = np.abs(np.diff(tx, axis=0)[same_device])
    assert 0 < np.mean(steps > 0) < 0.05
    assert steps[steps > 0].min() >= 1.0 - 0.25


def test_healthy_tx_follows_the_temperature_with_the_length_of_the_cable() -> None:
    config = CablePlantConfig.quiet(days=20, dead_band_db=0.0, tx_power_noise_db=0.0)
    node, tree = simulate_node(config, 1), node_topology(config, 1)
    tx, start = node.polls.values["tx_power_dbmv"][:, 0], node.polls.device_start
    spread = np.array([np.ptp(tx[a:b]) for a, b in pairwise(start)])
    depth = tree.depths[tree.amplifier_of_device]
    by_depth = [spread[depth == d].mean() for d in (1, 3, 5) if (depth == d).any()]
    assert by_depth == sorted(by_depth)
    assert 0.3 < by_depth[0] < by_depth[-1] < 2.5


def test_levels_are_those_of_the_specification() -> None:
    mild = CablePlantConfig.quiet(days=2, season_c=0.0, day_c=0.0, weather_c=0.0)
    polls = [simulate_node(mild, index).polls for index in range(12)]
    snr, tx, rx = (
        np.concatenate([node.values[metric] for node in polls])
        for metric in ("snr_db", "tx_power_dbmv", "rx_power_dbmv")
    )
    np.testing.assert_allclose(snr.mean(axis=0), [35.0, 36.5, 36.9], atol=0.4)
    np.testing.assert_allclose(tx.mean(axis=0), [43.0, 43.5, 44.0], atol=0.3)
    assert np.abs(rx.mean()) < 0.1
    assert tx.max() <= 51
    assert not (tx * 4 % 1).any()
    np.testing.assert_array_equal(np.rint(snr * 10).astype(np.float32) / np.float32(10), snr)
