"""Asking many modems: limits, order, retries, and answers that are none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.collectors import _modem_polls
from faultsight.collectors._docsis_objects import SC_QAM
from faultsight.collectors._many_sockets import pause, run_all
from faultsight.collectors._modem_polls import ModemPoller, Plan, Poll, Target
from faultsight.collectors._rate_limit import TokenBucket
from faultsight.collectors._snmp_config import PollingConfig

FAST = PollingConfig(requests_per_s=1e6, concurrency=50)
CHANNELS = [(SC_QAM.name, 80, "1"), (SC_QAM.name, 81, "2")]
PLAN = Plan.of(CHANNELS, pre_equalization=True)
UPTIME = PLAN.oids[0]


class Modems:
    """Modems that answer after a while, or as a test wants it; counts what is under way."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.under_way = self.most = 0
        self.asked: list[tuple[str, int]] = []
        self.sent_at: list[float] = []
        self.answer: Callable[[str, Sequence[str], int], dict[str, object]] = (
            lambda _address, oids, _attempt: dict.fromkeys(oids, 400)
        )
        self.channels: list[tuple[str, object] | None] = [
            (SC_QAM.modem_channel_id.at(80), 1), (SC_QAM.modem_channel_id.at(81), 2), None,
        ]  # fmt: skip

    def open(self, address: str) -> Any:
        modems = self

        class Session:
            n_introductions = 0

            async def introduce(self) -> None:
                pass

            async def get(self, oids: list[str]) -> dict[str, object]:
                told: dict[str, object] = await modems.wait(
                    lambda: modems.answer(address, oids, len(modems.asked)), address, len(oids)
                )
                return told

            async def rows(self, _place: object) -> list[tuple[str, object] | None]:
                rows: list[tuple[str, object] | None]
                rows = await modems.wait(lambda: modems.channels, address, 0)
                return rows

        return Session()

    async def wait(self, told: Callable[[], Any], address: str, n: int) -> Any:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.asked.append((address, n))
        self.sent_at.append(time.monotonic())
        try:
            await pause(self.seconds)
            return told()
        finally:
            self.under_way -= 1


def poll(
    modems: Modems, n: int, config: PollingConfig = FAST, plan: Plan | None = PLAN
) -> list[Poll]:
    polls: list[Poll] = []
    poller = ModemPoller(modems.open, config)
    targets = [Target(number, f"modem-{number}", plan) for number in range(n)]
    before = len(modems.asked)
    run_all(poller.workers(targets, polls))
    assert poller.n_requests == len(modems.asked) - before
    return polls


def test_never_more_modems_than_allowed_are_asked_at_a_time() -> None:
    modems = Modems(seconds=0.002)
    polls = poll(modems, 200, replace(FAST, concurrency=7))
    assert modems.most == 7
    assert len(polls) == 200
    assert all(one.told is not None for one in polls)
    assert sorted(one.number for one in polls) == list(range(200))


def test_requests_leave_no_faster_than_allowed() -> None:
    modems = Modems()
    start = time.monotonic()
    poll(modems, 60, replace(FAST, requests_per_s=200.0))
    # A tenth of a second is saved up: 20 at once, then one each 5 ms.
    for number, sent_at in enumerate(modems.sent_at):
        assert sent_at - start >= (number - 19) / 200 - 0.001


@given(
    rate=st.floats(0.1, 1e4),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=60),
)
@settings(max_examples=50, deadline=None)
def test_a_bucket_gives_no_more_than_rate_and_burst(
    rate: float, burst: int, gaps: list[float]
) -> None:
    now = 0.0
    bucket = TokenBucket(rate, burst=burst, clock=lambda: now)
    used = []
    for gap in gaps:
        now += gap
        used.append(now + bucket.wait_s())
    for first in range(len(used)):
        for last in range(first, len(used)):
            allowed = burst + (used[last] - used[first]) * rate
            assert last - first + 1 <= allowed + 1e-6 * (1 + abs(allowed))


def test_a_modem_is_asked_again_once() -> None:
    modems = Modems()

    def silent(address: str, _oids: Sequence[str], attempt: int) -> dict[str, object]:
        raise TimeoutError

    modems.answer = silent
    (one,) = poll(modems, 1)
    assert (one.n_attempts, one.problem, one.told) == (2, "no answer", None)
    assert one.requested_at > 0
    assert one.answered_at == 0
    assert len(poll(modems, 1, replace(FAST, retries=0))) == 1
    assert len(modems.asked) == 3


def test_the_second_answer_is_as_good_as_the_first() -> None:
    modems = Modems()

    def late(_address: str, oids: Sequence[str], attempt: int) -> dict[str, object]:
        if attempt == 1:
            raise TimeoutError
        return dict.fromkeys(oids, 1)

    modems.answer = late
    (one,) = poll(modems, 1)
    assert (one.n_attempts, one.problem) == (2, "")
    assert one.told == [1] * len(PLAN.oids)
    assert one.answered_at >= one.requested_at > 0


def test_what_is_too_much_at_once_is_asked_in_parts() -> None:
    modems = Modems()

    def small(_address: str, oids: Sequence[str], _attempt: int) -> dict[str, object]:
        if len(oids) > 6:
            raise ValueError("incomplete")
        return dict.fromkeys(oids, 5)

    modems.answer = small
    (one,) = poll(modems, 1)
    assert one.told == [5] * len(PLAN.oids)
    assert [n for _, n in modems.asked] == [9, 5, 4]


def test_an_error_status_is_an_answer_without_objects() -> None:
    modems = Modems()
    modems.answer = lambda _address, _oids, _attempt: {}
    (one,) = poll(modems, 1, plan=None)
    assert (one.told, one.problem) == (None, "the answer cannot be read")


def test_a_library_that_panics_costs_one_poll() -> None:
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    modems = Modems()

    def hostile(address: str, oids: Sequence[str], _attempt: int) -> dict[str, object]:
        if address == "modem-3":
            raise panic("index out of bounds")
        return dict.fromkeys(oids, 1)

    modems.answer = hostile
    polls = poll(modems, 10)
    assert [one.number for one in polls if one.told is None] == [3]


def test_an_interrupt_is_not_taken_for_an_answer() -> None:
    modems = Modems()

    def interrupted(_address: str, _oids: Sequence[str], _attempt: int) -> dict[str, object]:
        raise KeyboardInterrupt

    modems.answer = interrupted
    with pytest.raises(KeyboardInterrupt):
        poll(modems, 10)
    assert len(modems.asked) <= 50


def test_channels_are_learned_once() -> None:
    modems = Modems()
    (one,) = poll(modems, 1, plan=None)
    assert one.plan is not None
    assert one.plan.channels == tuple(CHANNELS)
    assert [n for _, n in modems.asked] == [0, 9]
    assert one.plan is PLAN  # modems of equal channels share a plan


def test_a_list_of_channels_that_makes_no_sense_is_read_as_far_as_it_does() -> None:
    modems = Modems()
    known = SC_QAM.modem_channel_id
    modems.channels = [
        (known.at(80), 4), (known.at(81), "five"), (known.at(82), 0), ("1.3.9", 7),
        (known.at("83.1"), 7), (known.at(80), 4), None, (known.at(84), 9),
    ]  # fmt: skip
    (one,) = poll(modems, 1, plan=None)
    assert one.plan is not None
    assert one.plan.channels == ((SC_QAM.name, 80, "4"),)
    modems.channels = []
    (one,) = poll(modems, 1, plan=None)
    assert one.told == [400]  # it answers, and has no channel to tell of


def test_after_the_end_nobody_is_asked() -> None:
    modems = Modems()
    polls: list[Poll] = []
    poller = ModemPoller(modems.open, FAST)
    targets = [Target(number, "modem", PLAN) for number in range(5)]
    run_all(poller.workers(targets, polls, until_s=time.monotonic()))
    assert {one.problem for one in polls} == {_modem_polls.NOT_REACHED}
    assert modems.asked == []
