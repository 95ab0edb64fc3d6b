"""The pump: every message at least once, whatever receivers and crashes do to it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from faultsight.core.errors import DeliveryError, SettingError
from faultsight.core.seed import random_stream
from faultsight.notifiers import Drained, Notification, Notifier, Pump, PumpConfig
from faultsight.notifiers._receiver import HttpReceiver
from faultsight.notifiers.webhook import Webhook, WebhookConfig
from faultsight.stores.operations import Message, MessageState, Operations

BACKOFF = PumpConfig(first_delay_s=2, longest_delay_s=60)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Told(Notifier):
    """Delivers as a test says, and remembers every try with its time."""

    def __init__(self, clock: Clock, behave: Callable[[str], Exception | None]) -> None:
        self.clock, self.behave = clock, behave
        self.tries: list[tuple[float, str]] = []

    def _send(self, notification: Notification, text: str) -> None:
        self.tries.append((self.clock(), notification.fingerprint))
        error = self.behave(notification.fingerprint)
        if error is not None:
            raise error


def down(_fingerprint: str) -> Exception | None:
    return DeliveryError("down")


def up(_fingerprint: str) -> Exception | None:
    return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ops(tmp_path: Path, clock: Clock) -> Iterable[Operations]:
    ops = Operations.open(tmp_path / "operations.sqlite", clock=clock)
    yield ops
    ops.close()


def put(ops: Operations, count: int, notifier: str = "webhook", first: int = 0) -> list[str]:
    fingerprints = [f"{number:04x}" for number in range(first, first + count)]
    with ops.transaction() as tx:
        for fingerprint in fingerprints:
            ops.outbox.put(notifier, fingerprint, {"title": f"alarm {fingerprint}"}, tx=tx)
    return fingerprints


def waiting(ops: Operations) -> list[Message]:
    return list(ops.outbox.page(states=[MessageState.QUEUED]).items)


def drain_until_empty(ops: Operations, pump: Pump, clock: Clock, *, within_s: int) -> None:
    ends_s = clock.now_s + within_s
    while waiting(ops):
        assert clock.now_s < ends_s, f"{len(waiting(ops))} messages are left"
        pump.drain()
        clock.now_s += 1


def test_a_receiver_that_loses_half_gets_everything(ops: Operations, clock: Clock) -> None:
    """It refuses, drops, or takes the message and loses its answer; that makes duplicates."""
    stream = random_stream(1000, "receiver")
    fingerprints = put(ops, 30)

    def behave(_number: int) -> str:
        return str(stream.choice(["take", "refuse", "drop", "lose answer"], p=[0.5, 0.2, 0.1, 0.2]))

    with HttpReceiver(behave) as receiver:
        webhook = Webhook(WebhookConfig(receiver.url, allowed_networks=("127.0.0.1",)))
        pump = Pump(ops.outbox, {"webhook": webhook}, BACKOFF, clock=clock)
        drain_until_empty(ops, pump, clock, within_s=3600)
        bodies: dict[str, set[bytes]] = {}
        for body, message in zip(receiver.bodies, receiver.messages(), strict=True):
            bodies.setdefault(message["fingerprint"], set()).add(body)
    assert sorted(bodies) == fingerprints
    assert len(receiver.bodies) > len(fingerprints), "no answer was lost: nothing is tested"
    assert {len(same) for same in bodies.values()} == {1}, "duplicates differ"


def test_a_receiver_that_is_down_for_an_hour_loses_nothing(ops: Operations, clock: Clock) -> None:
    fingerprints = put(ops, 20)
    with HttpReceiver() as receiver:
        url = receiver.url
    webhook = Webhook(WebhookConfig(url, allowed_networks=("127.0.0.1",)))  # nobody listens now
    told = Told(clock, down)
    pump = Pump(ops.outbox, {"webhook": webhook, "told": told}, BACKOFF, clock=clock)
    back_at_s = clock.now_s + 3600
    while clock.now_s < back_at_s:
        if clock.now_s == back_at_s - 1800:
            fingerprints += put(ops, 20, first=20)
        assert pump.drain().delivered == 0
        clock.now_s += 30
    assert len(waiting(ops)) == 40
    assert max(message.next_try_s for message in waiting(ops)) <= back_at_s + 60
    told = Told(clock, up)
    pump = Pump(ops.outbox, {"webhook": told}, BACKOFF, clock=clock)
    drain_until_empty(ops, pump, clock, within_s=180)
    assert sorted(fingerprint for _, fingerprint in told.tries) == fingerprints


def test_a_receiver_that_is_down_is_left_alone(ops: Operations, clock: Clock) -> None:
    put(ops, 60)
    told = Told(clock, down)
    pump = Pump(ops.outbox, {"webhook": told}, BACKOFF, clock=clock)
    assert pump.drain() == Drained(delivered=0, failed=3, postponed=57)
    for _ in range(120):
        clock.now_s += 10
        pump.drain()
    # One try each 30 to 60 s, once the wait is at its longest, for all messages together.
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(told.tries)]
    assert 15 <= len(gaps) <= 60
    assert max(gaps) <= 70
    assert min(gaps[10:]) >= 30


def test_the_others_are_served_meanwhile(ops: Operations, clock: Clock) -> None:
    put(ops, 120, "slow")
    fingerprints = put(ops, 5, "quick")
    slow, quick = Told(clock, down), Told(clock, up)
    pump = Pump(ops.outbox, {"slow": slow, "quick": quick}, BACKOFF, clock=clock)
    assert pump.drain().delivered == 5
    assert [fingerprint for _, fingerprint in quick.tries] == fingerprints
    assert len(slow.tries) == 3


def test_waits_double_up_to_the_longest_and_are_the_same_again(
    tmp_path: Path, clock: Clock
) -> None:
    tries = []
    for run in range(2):
        clock.now_s = 1_000_000.0
        ops = Operations.open(tmp_path / f"{run}.sqlite", clock=clock)
        put(ops, 1)
        told = Told(clock, down)
        config = PumpConfig(first_delay_s=4, longest_delay_s=60, failures_in_a_row=1000)
        pump = Pump(ops.outbox, {"webhook": told}, config, clock=clock)
        for _ in range(400):
            pump.drain()
            clock.now_s += 1
        ops.close()
        tries.append([at for at, _ in told.tries])
    assert tries[0] == tries[1]
    gaps = [later - earlier for earlier, later in pairwise(tries[0])]
    for number, gap in enumerate(gaps):
        longest = min(4 * 2**number, 60)
        assert longest / 2 <= gap <= longest + 1
    assert len(set(gaps[5:])) > 1, "waits are not spread"


def test_a_crash_after_sending_sends_again_with_the_same_fingerprint(
    ops: Operations, clock: Clock
) -> None:
    put(ops, 1)

    class Crash(BaseException):
        pass

    class Crashing:
        def due(self, limit: int, *, lease_s: int, owner: str) -> Sequence[Message]:
            return ops.outbox.due(limit, lease_s=lease_s, owner=owner)

        def delivered(self, message_id: int) -> None:
            raise Crash

        failed = ops.outbox.failed
        postpone = ops.outbox.postpone

    told = Told(clock, up)
    with pytest.raises(Crash):
        Pump(Crashing(), {"webhook": told}, clock=clock).drain()
    pump = Pump(ops.outbox, {"webhook": told}, clock=clock)
    assert pump.drain().delivered == 0, "the lease lasts"
    clock.now_s += PumpConfig().lease_s
    assert pump.drain().delivered == 1
    assert [fingerprint for _, fingerprint in told.tries] == ["0000", "0000"]
    assert pump.drain() == Drained(0, 0, 0)


def test_two_pumps_do_not_deliver_the_same_message(ops: Operations, clock: Clock) -> None:
    fingerprints = put(ops, 60)
    told = Told(clock, up)
    pumps = [
        Pump(ops.outbox, {"webhook": told}, PumpConfig(batch=3), clock=clock) for _ in range(3)
    ]
    threads = [threading.Thread(target=pump.drain) for pump in pumps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(fingerprint for _, fingerprint in told.tries) == Counter(fingerprints)


def test_a_message_for_a_notifier_that_is_not_set_up_waits_for_it(
    ops: Operations, clock: Clock
) -> None:
    put(ops, 1, "pager")
    assert Pump(ops.outbox, {}, clock=clock).drain().failed == 1
    assert waiting(ops)[0].error == "no notifier is set up as 'pager'"
    clock.now_s += 10
    assert Pump(ops.outbox, {"pager": Told(clock, up)}, clock=clock).drain().delivered == 1


def test_a_stop_gives_back_what_was_not_tried(ops: Operations, clock: Clock) -> None:
    put(ops, 10)
    told = Told(clock, up)
    pump = Pump(ops.outbox, {"webhook": told}, clock=clock)
    assert pump.drain(lambda: len(told.tries) >= 4) == Drained(delivered=4, failed=0, postponed=6)
    assert {message.owner for message in waiting(ops)} == {None}
    clock.now_s += 1
    assert Pump(ops.outbox, {"webhook": told}, clock=clock).drain().delivered == 6


def test_a_slow_batch_is_given_back_before_its_lease_ends(ops: Operations, clock: Clock) -> None:
    put(ops, 10)

    def slow(_fingerprint: str) -> Exception | None:
        clock.now_s += 25
        return None

    told = Told(clock, slow)
    pump = Pump(ops.outbox, {"webhook": told}, PumpConfig(lease_s=120), clock=clock)
    pump.drain(lambda: len(told.tries) == 3)
    assert {message.owner for message in waiting(ops)} == {None}
    drain_until_empty(ops, pump, clock, within_s=1000)
    assert len(told.tries) == 10


def test_the_receiver_says_how_long_to_wait(ops: Operations, clock: Clock) -> None:
    put(ops, 1)
    busy = Told(clock, lambda _: DeliveryError("busy", retry_after_s=40))
    Pump(ops.outbox, {"webhook": busy}, BACKOFF, clock=clock).drain()
    assert waiting(ops)[0].next_try_s == clock.now_s + 40
    clock.now_s += 40
    busy.behave = lambda _: DeliveryError("busy", retry_after_s=1e9)
    Pump(ops.outbox, {"webhook": busy}, BACKOFF, clock=clock).drain()
    assert waiting(ops)[0].next_try_s == clock.now_s + 60, "but no longer than the longest"


def test_a_defect_of_a_notifier_stops_nobody_else(ops: Operations, clock: Clock) -> None:
    put(ops, 2, "broken")
    put(ops, 2, "webhook")
    notifiers = {"broken": Told(clock, lambda _: KeyError("\x1b[31mx")), "webhook": Told(clock, up)}
    drained = Pump(ops.outbox, notifiers, BACKOFF, clock=clock).drain()
    assert (drained.delivered, drained.failed) == (2, 2)
    assert waiting(ops)[0].error == "KeyError: '\\x1b[31mx'"


@pytest.mark.parametrize(
    "settings",
    [{"batch": 0}, {"lease_s": 0}, {"first_delay_s": 0.0}, {"first_delay_s": 9.0,
     "longest_delay_s": 8.0}, {"failures_in_a_row": 0}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        PumpConfig(**settings)  # type: ignore[arg-type]
