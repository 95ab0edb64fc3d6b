"""Asks many modems, each by one GET: never too many at once, never too fast, each at most twice."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from faultsight.collectors._docsis_objects import (
    CHANNEL_KINDS,
    OFDMA,
    OLDER,
    SC_QAM,
    SYS_UP_TIME,
    ChannelKind,
    SnmpObject,
)
from faultsight.collectors._rate_limit import TokenBucket
from faultsight.collectors._snmp_config import PollingConfig
from faultsight.collectors._snmp_session import Open, Session, is_bad_answer, place_after

__all__ = ["Channel", "ModemPoller", "Plan", "Poll", "Target", "counters_of", "objects_of"]

Channel = tuple[str, int, str]
"""Of a modem: the kind of channel, its ifIndex at the modem, and its channel id."""

NO_ANSWER: Final = "no answer"
UNREADABLE: Final = "the answer cannot be read"
UNREACHABLE: Final = "the request cannot be sent"
NOT_REACHED: Final = "the round ended before its turn"

_MOST_CHANNELS = 16
"""Rows that a modem is asked for at once; DOCSIS 3.1 has 8 SC-QAM and 2 OFDMA channels."""


@dataclass(frozen=True)
class Plan:
    """What a modem is asked for: its uptime, and a few objects for each channel.

    Attributes
    ----------
    channels : tuple of Channel
        Those that are asked about.
    oids : list of str
        `SYS_UP_TIME`, then each channel's objects in the order of `objects_of`.
    """

    channels: tuple[Channel, ...]
    oids: list[str]

    @classmethod
    def of(
        cls, channels: Sequence[Channel], *, pre_equalization: bool, channel_states: bool = False
    ) -> Plan:
        """Return the plan of a modem's channels; modems of equal channels share one."""
        return _plan(tuple(channels), pre_equalization, channel_states)

    @cached_property
    def powers(self) -> list[str]:
        """The object that a channel has as long as it is there, for each channel."""
        return [_KINDS[kind].tx_power.at(index) for kind, index, _ in self.channels]


def objects_of(
    kind: ChannelKind, *, pre_equalization: bool, channel_states: bool = False
) -> list[SnmpObject]:
    """Return what is asked about each channel of a kind: power, counters, coefficients."""
    objects = [kind.tx_power, *counters_of(kind, channel_states=channel_states).values()]
    if pre_equalization and kind.pre_equalization is not None:
        objects.append(kind.pre_equalization)
    return objects


def counters_of(kind: ChannelKind, *, channel_states: bool) -> dict[str, SnmpObject]:
    """Return the counters that a modem is asked for, by the column of telemetry."""
    return kind.timeouts | (kind.failures if channel_states else {})


_KINDS = {kind.name: kind for kind in CHANNEL_KINDS}


@lru_cache(maxsize=10_000)
def _plan(channels: tuple[Channel, ...], pre_equalization: bool, channel_states: bool) -> Plan:
    oids = [SYS_UP_TIME.at(0)]
    for kind, index, _ in channels:
        objects = objects_of(
            _KINDS[kind], pre_equalization=pre_equalization, channel_states=channel_states
        )
        oids += [one.at(index) for one in objects]
    return Plan(channels, oids)


@dataclass(slots=True)
class Target:
    """A modem to be asked.

    Attributes
    ----------
    number : int
        Which one, for who asks.
    address : str
        Where.
    plan : Plan, optional
        What for; if none, the modem is first asked which channels it has.
    """

    number: int
    address: str
    plan: Plan | None = None


@dataclass(slots=True)
class Poll:
    """One modem's turn.

    Attributes
    ----------
    number : int
        As in `Target`.
    requested_at, answered_at : float
        Seconds since 1970: when the request left that was answered, and when the answer came;
        without an answer the first request, and 0.
    plan : Plan, optional
        What was asked for.
    told : list, optional
        A value for each object of the plan, None where the modem has none; none without an answer.
    n_attempts : int
        How often it was tried.
    problem : str
        Why there is no answer.
    """

    number: int
    requested_at: float = 0.0
    answered_at: float = 0.0
    plan: Plan | None = None
    told: list[object] | None = None
    n_attempts: int = 0
    problem: str = ""


class ModemPoller:
    """Polls the modems of one CMTS.

    Parameters
    ----------
    open_session : callable
        Opens a session to an address.
    config : PollingConfig
        How fast and how often is asked.
    """

    def __init__(self, open_session: Open, config: PollingConfig) -> None:
        self._open = open_session
        self._config = config
        # What a tenth of a second lets through may be saved up, so that a pause costs no speed.
        burst = max(int(config.requests_per_s / 10), 1)
        self._bucket = TokenBucket(config.requests_per_s, burst=burst)
        self._kinds = (SC_QAM, OFDMA) if config.ofdma else (SC_QAM,)

    @property
    def n_requests(self) -> int:
        """Requests so far."""
        return self._bucket.n_taken

    def workers(
        self, targets: Sequence[Target], polls: list[Poll], *, until_s: float = float("inf")
    ) -> list[Coroutine[Any, Any, None]]:
        """Return the coroutines that poll all targets between them, for `run_all`.

        Parameters
        ----------
        targets : sequence of Target
            In the order in which they are asked.
        polls : list of Poll
            Where each is put when it has ended.
        until_s : float
            Of `time.monotonic`: whose turn comes later is not asked any more.
        """
        # Workers share one iterator, so there are never more polls under way than workers.
        waiting = iter(targets)
        n_workers = min(self._config.concurrency, len(targets))
        return [self._work(waiting, polls, until_s) for _ in range(n_workers)]

    async def _work(self, waiting: Iterator[Target], polls: list[Poll], until_s: float) -> None:
        for target in waiting:
            if time.monotonic() >= until_s:
                polls.append(Poll(target.number, time.time(), problem=NOT_REACHED))
            else:
                polls.append(await self._poll(target))

    async def _poll(self, target: Target) -> Poll:
        poll = Poll(target.number, plan=target.plan)
        for attempt in range(1 + self._config.retries):
            poll.n_attempts = attempt + 1
            try:
                await self._attempt(poll, target, in_parts=poll.problem == UNREADABLE)
            except BaseException as error:
                if not is_bad_answer(error):
                    raise
                poll.problem = _problem(error)
            if poll.told is not None:
                poll.problem = ""
                break
        return poll

    async def _attempt(self, poll: Poll, target: Target, *, in_parts: bool) -> None:
        # Each attempt has a socket of its own: a late answer to the first cannot meet the second.
        session = self._open(target.address)
        for _ in range(session.n_introductions):
            await self._turn(poll)
        await session.introduce()
        plan = poll.plan
        if plan is None:
            plan = poll.plan = await self._learned(session, poll)
        told = await self._ask(session, poll, plan, in_parts=in_parts)
        if not all(power in told for power in plan.powers):
            if plan is target.plan:
                # A channel has gone since the round in which they were learned.
                plan = poll.plan = await self._learned(session, poll)
                told = await self._ask(session, poll, plan, in_parts=in_parts)
            if told and not any(power in told for power in plan.powers):
                older = await self._learned_older(session, poll, plan)
                if older is not None:
                    plan = poll.plan = older
                    told = await self._ask(session, poll, plan, in_parts=in_parts)
        if told:
            poll.told = [told.get(oid) for oid in plan.oids]
        else:
            poll.problem = UNREADABLE  # such as an error status: it is there, and says nothing

    async def _ask(
        self, session: Session, poll: Poll, plan: Plan, *, in_parts: bool
    ) -> dict[str, object]:
        """Ask for everything at once, or channel by channel where that was too much for a modem."""
        size = -(-len(plan.oids) // max(len(plan.channels), 1)) if in_parts else len(plan.oids)
        told: dict[str, object] = {}
        requested_at = 0.0
        for at in range(0, len(plan.oids), size):
            await self._turn(poll)
            requested_at = requested_at or time.time()
            told.update(await session.get(plan.oids[at : at + size]))
        poll.requested_at, poll.answered_at = requested_at, time.time()
        return told

    async def _learned(self, session: Session, poll: Poll) -> Plan:
        """Ask a modem which channels it has."""
        channels: set[Channel] = set()
        for kind in self._kinds:
            known = kind.modem_channel_id
            await self._turn(poll)
            rows = await session.rows(place_after(known.oid, _MOST_CHANNELS))
            for row in rows:
                if row is None:
                    break
                index, told = row[0].removeprefix(f"{known.oid}."), row[1]
                if isinstance(told, int) and told != known.unknown and index.isdecimal():
                    channels.add((kind.name, int(index), str(told)))
        return self._plan_of(sorted(channels))

    async def _learned_older(self, session: Session, poll: Poll, plan: Plan) -> Plan | None:
        """Ask a modem that has channels, but none of DOCSIS 3, for its one of DOCSIS 1.x or 2.0.

        It tells of its MAC layer, not of a channel: with several channels nobody knows of which.
        """
        ids = [channel for kind, _, channel in plan.channels if kind == SC_QAM.name]
        if len(ids) != 1:
            return None
        await self._turn(poll)
        rows = await session.rows(place_after(OLDER.tx_power.oid, 1))
        if not rows or rows[0] is None:
            return None
        index = rows[0][0].removeprefix(f"{OLDER.tx_power.oid}.")
        if not index.isdecimal():
            return None
        return self._plan_of([(OLDER.name, int(index), ids[0])])

    def _plan_of(self, channels: Sequence[Channel]) -> Plan:
        return Plan.of(
            channels,
            pre_equalization=self._config.pre_equalization,
            channel_states=self._config.channel_states,
        )

    async def _turn(self, poll: Poll) -> None:
        await self._bucket.turn()
        if not poll.requested_at:
            poll.requested_at = time.time()


def _problem(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return NO_ANSWER
    return UNREACHABLE if isinstance(error, OSError) else UNREADABLE
