"""States of modems in windows, against a count by hand."""

from itertools import pairwise

import numpy as np

from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode, simulate_node

Span = tuple[float, float]


def union_h(spans: list[Span], start_s: float, end_s: float) -> float:
    total_s, reached_s = 0.0, start_s
    for begin_s, stop_s in sorted(spans):
        a, b = max(begin_s, reached_s), min(stop_s, end_s)
        total_s += max(b - a, 0.0)
        reached_s = max(reached_s, b)
    return total_s / 3600


def spans_of(node: SimulatedNode) -> tuple[list[Span], list[list[Span]]]:
    lives, active = [], []
    for fault_id, start, end in node.faults.select("fault_id", "start", "end").iter_rows():
        lives.append((start.timestamp(), end.timestamp()))
        active.append([
            (a.timestamp(), b.timestamp())
            for a, b in node.activity.filter(fault_id=fault_id).select("start", "end").iter_rows()
        ])  # fmt: skip
    return lives, active


def test_states_are_what_a_count_by_hand_gives() -> None:
    config = CablePlantConfig(days=40, maintenance_rate=4.0, service_rate=30.0)
    node = simulate_node(config, 0, seed=3)
    stream = np.random.default_rng(0)
    # Windows of any length, in no order, one over the other, some beyond the last day.
    starts_s = config.start_s + stream.uniform(-1, 41, 60) * 86_400
    ends_s = starts_s + stream.exponential(20, 60) * 3600
    told = node.states(starts_s, ends_s)
    lives, active = spans_of(node)
    hit: dict[str, list[int]] = {device: [] for device in node.polls.device_ids}
    row = {fault_id: i for i, fault_id in enumerate(node.faults["fault_id"])}
    for fault_id, device in node.affected.iter_rows():
        hit[device].append(row[fault_id])
    kinds = node.faults["kind"].to_list()
    overlaps = 0
    for place in stream.choice(node.polls.n_devices, 40, replace=False).tolist():
        for window, (start_s, end_s) in enumerate(zip(starts_s, ends_s, strict=True)):
            for kind, active_h, exists_h, longest in (
                ("maintenance", told.maintenance_active_h, told.maintenance_exists_h,
                 told.maintenance_fault),
                ("service", told.service_active_h, told.service_exists_h, told.service_fault),
            ):  # fmt: skip
                mine = [f for f in hit[node.polls.device_ids[place]] if kinds[f] == kind]
                by_hand = union_h([s for f in mine for s in active[f]], start_s, end_s)
                assert abs(active_h[window, place] - by_hand) < 1e-3
                by_hand = union_h([lives[f] for f in mine], start_s, end_s)
                assert abs(exists_h[window, place] - by_hand) < 1e-3
                own_h = {f: union_h(active[f], start_s, end_s) for f in mine}
                overlaps += sum(own_h.values()) > active_h[window, place] + 1e-3
                best = max(own_h.values(), default=0.0)
                fault = int(longest[window, place])
                assert (fault == -1) == (best == 0.0)
                assert fault == -1 or abs(own_h[fault] - best) < 1e-6
    assert overlaps > 10  # faults that act at the same time are counted once


def test_no_window_and_no_fault() -> None:
    node = simulate_node(CablePlantConfig.quiet(days=2), 0)
    assert node.states([], []).service_active_h.shape == (0, node.polls.n_devices)
    told = node.states([0.0, 5.0], [9.0, 5.0])
    assert not told.maintenance_exists_h.any()
    assert (told.maintenance_fault == -1).all()


def test_polls_show_the_activity_that_is_told() -> None:
    config = CablePlantConfig.quiet(
        days=120, maintenance_rate=2.0, maintenance_mix={"ingress": 1.0}, televisions_per_day=0.0,
        loss_share=0.0,
    )  # fmt: skip
    node = simulate_node(config, 2)
    polls = node.polls
    _, active = spans_of(node)
    is_on = np.zeros(polls.n_polls, np.bool_)
    for start_s, end_s in (span for spans in active for span in spans):
        is_on |= (polls.time_s >= start_s) & (polls.time_s < end_s)
    snr = polls.values["snr_db"][:, 0]
    usual = np.array([np.median(snr[a:b]) for a, b in pairwise(polls.device_start)])
    drop = usual[polls.device_of_poll] - snr
    # A mean drop of 8 dB times 0.8, and never less than 4 times 0.6.
    assert np.median(drop[is_on]) > 4
    assert np.quantile(drop[is_on], 0.01) > 0.5
    assert np.abs(np.median(drop[~is_on])) < 0.1
    assert 0.01 < is_on.mean() < 0.3
