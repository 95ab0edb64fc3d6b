"""What polls may bring beside levels: equalizer coefficients, counters, round numbers."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faultsight.core.polls import COUNTERS, LEVELS, PreEqualization
from faultsight.sim.cable_plant import CablePlantConfig, simulate_node


def energies(told: PreEqualization) -> NDArray[np.float64]:
    taps = np.frombuffer(b"".join(told.data), np.uint8).reshape(-1, 100)[:, 4:]
    parts = taps.copy().view(">i2").astype(float).reshape(-1, 24, 2)
    return np.asarray((parts**2).sum(axis=2))


def test_pre_equalization_has_the_format_and_comes_once_a_day() -> None:
    node = simulate_node(CablePlantConfig(days=5, with_pre_equalization=True), 0)
    told = node.polls.pre_equalization
    assert told is not None
    assert {(len(data), data[:4].hex()) for data in told.data} == {(100, "08011800")}
    energy = energies(told)
    assert (energy.argmax(axis=1) == 7).all()
    scale = np.sqrt(energy.sum(axis=1))
    assert set(np.rint(scale / 10).astype(int).tolist()) == {205, 3277}
    main_tap_ratio_db = 10 * np.log10(energy[:, 7] / (energy.sum(axis=1) - energy[:, 7]))
    assert 15 < np.median(main_tap_ratio_db) < 30
    day = node.polls.time_s[told.poll] // 86_400
    device = node.polls.device_of_poll[told.poll]
    assert len({*zip(device, day, told.channel, strict=True)}) == len(told.data)
    assert len(told.data) > 0.9 * node.polls.n_devices * 5 * 3


def test_micro_reflections_are_shared_last_and_do_not_matter() -> None:
    config = CablePlantConfig(days=3, with_pre_equalization=True, reflection_db=(-6.0, -6.0))
    shares = []
    for index in range(30):
        node = simulate_node(config, index)
        told = node.polls.pre_equalization
        assert told is not None
        energy = energies(told)
        echoes = energy[:, 7] / (energy.sum(axis=1) - energy[:, 7]) < 10
        device = node.polls.device_of_poll[told.poll]
        has = np.zeros(node.polls.n_devices, np.int64)
        np.add.at(has, device, echoes)
        is_behind = has > 0
        shares.append(is_behind.mean())
        taps = node.topology["tap"].to_numpy()
        if is_behind.any() and not is_behind.all():
            # Whole taps or none: nobody has an echo alone.
            of_tap = [is_behind[taps == tap].mean() for tap in set(taps[is_behind].tolist())]
            assert np.mean(of_tap) > 0.95
    assert abs(np.mean(shares) - 0.15) < 0.03
    plain = simulate_node(replace(config, with_pre_equalization=False), 29)
    np.testing.assert_array_equal(plain.polls.time_s, node.polls.time_s)
    for metric in LEVELS:
        np.testing.assert_array_equal(plain.polls.values[metric], node.polls.values[metric])
    assert plain.tickets.equals(node.tickets)
    assert plain.faults.equals(node.faults)


def test_counters_are_counts_since_the_poll_before() -> None:
    config = CablePlantConfig(days=30, with_counters=True, service_rate=5.0)
    polls = simulate_node(config, 1).polls
    first = polls.device_start[:-1]
    since_s = np.diff(polls.time_s, prepend=0.0)
    later = np.ones(polls.n_polls, np.bool_)
    later[first] = False
    for name in COUNTERS:
        counted = polls.values[name]
        assert np.isnan(counted[first]).all()
        assert (counted[later] >= 0).all()
        assert (counted[later] == np.rint(counted[later])).all()
    sent = polls.values["codewords_unerrored"][later].sum(axis=1)
    is_double = since_s[later] < 700
    assert np.median(sent[is_double]) < 0.2 * np.median(sent[~is_double])
    share = polls.values["codewords_uncorrectable"][later].sum(axis=1) / sent
    snr = polls.values["snr_db"][later].min(axis=1)
    assert share[snr < 29].mean() > 10 * share[snr > 34].mean()
    timeouts = polls.values["t3_timeouts"][later].sum(axis=1)
    assert timeouts[snr < 29].mean() > 5 * timeouts[snr > 34].mean()


def test_channels_and_rounds_are_named() -> None:
    config = CablePlantConfig(days=1, n_channels=11, with_round_ids=True)
    polls = simulate_node(config, 0).polls
    assert polls.channels == tuple(sorted(polls.channels))
    assert polls.values["snr_db"].shape == (polls.n_polls, 11)
    assert polls.round_id is not None
    assert set(polls.round_id.tolist()) == set(range(6))
    assert simulate_node(replace(config, with_round_ids=False), 0).polls.round_id is None
