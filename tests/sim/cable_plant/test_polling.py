"""Rounds, losses and polls told twice."""

from collections.abc import Callable
from typing import Any

import numpy as np

from faultsight.sim.cable_plant import CablePlantConfig, simulate_node


def test_losses_duplicates_and_rounds_have_their_shares() -> None:
    config = CablePlantConfig.quiet(days=200, with_round_ids=True)
    polls = simulate_node(config, 0).polls
    assert polls.round_id is not None
    cells = polls.device_of_poll * config.n_rounds + polls.round_id
    answered, counts = np.unique(cells, return_counts=True)
    lost_rounds = config.n_rounds - len(np.unique(polls.round_id))
    assert 0 < lost_rounds < 0.015 * config.n_rounds
    tried = polls.n_devices * (config.n_rounds - lost_rounds)
    assert abs(1 - len(answered) / tried - 0.05) < 0.003
    assert abs(np.mean(counts == 2) - 0.02) < 0.002
    assert counts.max() == 2
    again_s = np.diff(polls.time_s)[np.diff(cells) == 0]
    assert 0 < again_s.min() <= again_s.max() <= 600


def test_a_round_is_compact_its_order_random_and_midnight_silent() -> None:
    config = CablePlantConfig.quiet(days=30, with_round_ids=True, duplicate_share=0.0)
    polls = simulate_node(config, 0).polls
    assert polls.round_id is not None
    spans = [np.ptp(polls.time_s[polls.round_id == r]) for r in range(6)]
    assert max(spans) <= 1800
    assert min(spans) > 1500
    after_midnight_s = polls.time_s % 86_400
    assert after_midnight_s.min() > 600
    assert after_midnight_s.max() < 86_400 - 600
    of = polls.device_of_poll
    first, second = (
        dict(zip(of[polls.round_id == r], polls.time_s[polls.round_id == r], strict=True))
        for r in (0, 1)
    )
    both = sorted(set(first) & set(second))
    together = np.corrcoef([first[d] for d in both], [second[d] for d in both])[0, 1]
    assert abs(together) < 0.3
    assert all((np.diff(polls.time_s[of == d]) > 0).all() for d in range(polls.n_devices))


def test_what_is_dead_does_not_answer_and_a_loose_drop_does_not_always(
    pair: Callable[..., Any],
) -> None:
    for name in ("outage", "dead_modem"):
        is_member, is_on = pair(name).hit()
        assert not (is_member & is_on).any()
        assert (is_member & ~is_on).any()
        assert (~is_member & is_on).any()
    made = pair("loose_drop", interval_s=600, round_s=60, first_round_s=60, round_jitter_s=0.0)
    is_member, is_on = made.hit()
    answered = (is_member & is_on).sum() / (3 * 144)
    assert abs(answered - 0.95 * 0.7 * 1.02) < 0.08
