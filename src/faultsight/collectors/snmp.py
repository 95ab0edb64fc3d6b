"""Polls cable modems over SNMP, a round at a time: one walk of each CMTS, one GET for each modem.

A CMTS knows SNR, receive power and codewords of every modem and channel; a modem knows its transmit
power, its T3 and T4 timeouts and its pre-equalization. The two are asked at different moments. A
row's ``timestamp`` is that of the modem's answer and ``requested_at`` that of the request for it;
when the CMTSs were walked is told with the round.

Modems of DOCSIS 1.x and 2.0 are in older tables, with one channel each. These are read only of
modems that the tables of DOCSIS 3 leave out.

Nothing is interpolated. A modem that was asked in vain, that its CMTS says is offline, or that its
CMTS has stopped listing, has a row with ``answered`` false.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from faultsight.collectors import _docsis_objects as docsis
from faultsight.collectors._cmts_walk import CmtsTables, columns_of, look_up, walk_cmts
from faultsight.collectors._contract import Batch, Collector, Progress, Sink, Written
from faultsight.collectors._docsis_objects import OFDMA, OLDER, SC_QAM
from faultsight.collectors._many_sockets import allow_open_files, run_all
from faultsight.collectors._modem_polls import (
    NOT_REACHED,
    UNREACHABLE,
    UNREADABLE,
    ModemPoller,
    Plan,
    Poll,
    Target,
)
from faultsight.collectors._registry import (
    ListedModem,
    listed_modems,
    measured_at_cmts,
    measured_of_older,
)
from faultsight.collectors._round_journal import RoundJournal
from faultsight.collectors._round_table import (
    ADDED_LATER,
    STATE_SCHEMA,
    DeviceRow,
    modem_channels,
    plans_of,
    round_table,
)
from faultsight.collectors._set_aside import SetAside, tally
from faultsight.collectors._snmp_config import (
    CmtsConfig,
    Credentials,
    PollingConfig,
    SnmpConfig,
    read_config,
)
from faultsight.collectors._snmp_session import opener
from faultsight.core.errors import InputError
from faultsight.core.seed import random_stream

__all__ = [
    "CmtsConfig",
    "Credentials",
    "PollingConfig",
    "SnmpCollector",
    "SnmpConfig",
    "read_config",
]

_DAY_S = 86_400.0


@dataclass
class _CmtsRound:
    """One CMTS in one round."""

    config: CmtsConfig
    tables: CmtsTables = field(default_factory=CmtsTables)
    listed: list[ListedModem] = field(default_factory=list)
    measured: pl.DataFrame = field(default_factory=pl.DataFrame)
    older: CmtsTables = field(default_factory=CmtsTables)
    polls: list[Poll] = field(default_factory=list)
    n_requests: int = 0

    def told(self) -> dict[str, Any]:
        answered = sum(poll.told is not None for poll in self.polls)
        return {
            "name": self.config.name,
            "problem": self.tables.problem,
            "walked_at": self.tables.started_at,
            "walk_seconds": round(self.tables.ended_at - self.tables.started_at, 3),
            "walk_requests": self.tables.n_requests + self.older.n_requests,
            "modem_requests": self.n_requests,
            "listed": len(self.listed),
            "online": sum(modem.is_online for modem in self.listed),
            "asked": len(self.polls),
            "answered": answered,
        }


class SnmpCollector(Collector):
    """Collects telemetry of cable modems from their CMTSs and from themselves.

    Parameters
    ----------
    config : SnmpConfig
        CMTSs, credentials, politeness, privacy; see `read_config`.
    state : path
        Folder that keeps, from round to round, the totals of counters and which channels a modem
        has.

    Examples
    --------
    >>> import tempfile
    >>> from faultsight.collectors.snmp import (
    ...     CmtsConfig, Credentials, PollingConfig, SnmpCollector, SnmpConfig)
    >>> from faultsight.core.telemetry import TelemetryFolder
    >>> from faultsight.sim.modem_agent import AgentConfig, ModemAgent
    >>> reader = Credentials(community="public")
    >>> folder = Path(tempfile.mkdtemp())
    >>> with ModemAgent(AgentConfig(n_modems=20)) as agent:
    ...     cmts = CmtsConfig("lab", "127.0.0.1", reader, reader, agent.port, agent.port)
    ...     polling = PollingConfig(requests_per_s=1e4, walk_requests_per_s=1e4)
    ...     collector = SnmpCollector(SnmpConfig((cmts,), polling=polling), state=folder / "state")
    ...     done = collector.collect(TelemetryFolder.create(folder / "pnm"))
    >>> done.polled, done.unanswered, done.rows
    (20, 0, 60)
    """

    def __init__(self, config: SnmpConfig, *, state: Path | str) -> None:
        self.config = config
        self._journal = RoundJournal(state, STATE_SCHEMA, added_later=ADDED_LATER)

    @contextmanager
    def _ready(self, sink: Sink) -> Iterator[None]:
        """Keep other processes off, and finish a round that an earlier one left half written."""
        with self._journal.alone():
            self._journal.recover(sink)
            yield

    def _collect(self, progress: Progress) -> Batch:
        started_at, until_s = time.time(), time.monotonic() + self.config.interval_s
        round_id = int(started_at // self.config.interval_s)
        rounds = [_CmtsRound(cmts) for cmts in self.config.cmts]

        self._walk(rounds, until_s)
        for one in rounds:
            if one.tables.problem:
                progress(f"{one.config.name} cannot be walked: {one.tables.problem}")
        if all(one.tables.problem for one in rounds):
            told = "; ".join(f"{one.config.name}: {one.tables.problem}" for one in rounds)
            raise InputError(f"no CMTS could be walked: {told}")

        state = self._remembered(started_at)
        aside = [*self._list(rounds, state), *_measure(rounds)]
        aside += self._look_up_older(rounds, until_s)
        progress(f"asking {sum(m.is_online for one in rounds for m in one.listed):,} modems")
        plans = plans_of(state, pre_equalization=self._asks_taps, channel_states=self._asks_states)
        self._poll(rounds, plans, round_id, until_s)
        return self._batch(rounds, state, aside, round_id)

    @property
    def _asks_taps(self) -> bool:
        return self.config.polling.pre_equalization

    @property
    def _asks_states(self) -> bool:
        return self.config.polling.channel_states

    def _walk(self, rounds: Sequence[_CmtsRound], until_s: float) -> None:
        """Walk all CMTSs at the same time."""
        polling = self.config.polling
        kinds = (SC_QAM, OFDMA) if polling.ofdma else (SC_QAM,)
        columns = columns_of(
            kinds, pre_equalization=self._asks_taps, channel_states=self._asks_states
        )
        walks = [
            walk_cmts(
                opener(one.config.credentials, one.config.port, polling.timeout_s),
                one.config.address, polling, columns, until_s=until_s,
            )
            for one in rounds
        ]  # fmt: skip
        for one, tables in zip(rounds, run_all(walks), strict=True):
            one.tables = tables

    def _look_up_older(self, rounds: Sequence[_CmtsRound], until_s: float) -> list[SetAside]:
        """Look up the modems that are online and in no table of DOCSIS 3, if there are any."""
        columns = [docsis.OLDER_CHANNEL, OLDER.snr, OLDER.rx_power, *OLDER.codewords.values()]
        if self._asks_states:
            columns += OLDER.states.values()
        polling = self.config.polling
        wanted: list[tuple[_CmtsRound, dict[object, str]]] = []
        for one in rounds:
            unmeasured = _unmeasured(one)
            if unmeasured:
                wanted.append((one, unmeasured))
        walks = [
            look_up(
                opener(one.config.credentials, one.config.port, polling.timeout_s),
                one.config.address, polling, docsis.OLDER_MAC, unmeasured, columns, until_s=until_s,
            )
            for one, unmeasured in wanted
        ]  # fmt: skip
        aside: list[SetAside] = []
        for (one, unmeasured), rows in zip(wanted, run_all(walks), strict=True):
            one.older = rows
            found, wrong = measured_of_older(one.tables, rows, unmeasured)
            one.measured = pl.concat([one.measured, found], how="diagonal")
            aside += wrong
        return aside

    def _list(self, rounds: Sequence[_CmtsRound], state: pl.DataFrame) -> list[SetAside]:
        """Find out which modems there are, each at one CMTS."""
        known = dict(state.select("device_id", "fnode").iter_rows())
        ids = self.config.device_ids
        aside: list[SetAside] = []
        place: dict[str, tuple[_CmtsRound, ListedModem]] = {}
        n_moved = 0
        for one in rounds:
            if one.tables.problem:
                continue
            listed, problems = listed_modems(one.tables, one.config, ids, known)
            aside += problems
            for modem in listed:
                elsewhere = place.get(modem.device_id)
                n_moved += elsewhere is not None
                if elsewhere is None or not elsewhere[1].is_online:
                    place[modem.device_id] = (one, modem)
        for one, modem in place.values():
            one.listed.append(modem)
        aside += tally("listed by two CMTSs; the entry that is online counts", n_moved)
        return aside

    def _poll(
        self, rounds: Sequence[_CmtsRound], plans: dict[str, Plan], round_id: int, until_s: float
    ) -> None:
        """Ask all modems of all CMTSs at the same time, those of each in a new random order."""
        allow_open_files(self.config.polling.concurrency * len(rounds))
        workers, pollers = [], []
        for one in rounds:
            cmts = one.config
            channels = _channels_at_cmts(one.measured)
            session = opener(cmts.modem_credentials, cmts.modem_port, self.config.polling.timeout_s)
            poller = ModemPoller(session, self.config.polling)
            targets = []
            for number, modem in enumerate(one.listed):
                if modem.is_online:
                    heard = channels.get(modem.device_id, set())
                    plan = _still_good(plans.get(modem.device_id), heard)
                    targets.append(Target(number, modem.address, plan))
            order = random_stream(self.config.seed, "snmp", cmts.name, round_id)
            order.shuffle(targets)
            workers += poller.workers(targets, one.polls, until_s=until_s)
            pollers.append(poller)
        run_all(workers)
        for one, poller in zip(rounds, pollers, strict=True):
            one.n_requests = poller.n_requests

    def _batch(
        self,
        rounds: Sequence[_CmtsRound],
        state: pl.DataFrame,
        aside: list[SetAside],
        round_id: int,
    ) -> Batch:
        devices: list[DeviceRow] = []
        of_modems, at_cmts = [], []
        problems: Counter[str] = Counter()
        for one in rounds:
            if one.tables.problem:
                continue
            devices += _device_rows(one)
            names = [modem.device_id for modem in one.listed]
            table, wrong = modem_channels(
                one.polls,
                names,
                pre_equalization=self._asks_taps,
                channel_states=self._asks_states,
            )
            of_modems.append(table)
            aside += wrong
            at_cmts.append(one.measured)
            problems.update(poll.problem for poll in one.polls)
        devices += _no_longer_listed(rounds, state)
        aside += tally("not asked: " + NOT_REACHED, problems[NOT_REACHED])
        for reason in (UNREADABLE, UNREACHABLE):
            aside += tally(reason, problems[reason])
        table, next_state = round_table(
            devices,
            pl.concat(of_modems),
            pl.concat(at_cmts, how="diagonal"),
            state,
            round_id,
            channel_states=self._asks_states,
        )
        asked = [poll for one in rounds for poll in one.polls if poll.problem != NOT_REACHED]
        return Batch(
            table,
            polled=len(asked),
            answered=sum(poll.told is not None for poll in asked),
            retried=sum(poll.n_attempts > 1 for poll in asked),
            set_aside=aside,
            round_id=round_id,
            notes=[
                *(f"{one.config.name} could not be walked: {one.tables.problem}"
                  for one in rounds if one.tables.problem),
                *(f"modems of DOCSIS 1.x and 2.0 could not be looked up at {one.config.name}: "
                  f"{one.older.problem}" for one in rounds if one.older.problem),
            ],
            details={
                "not_online": sum(row.requested_at is None for row in devices),
                "cmts": [one.told() for one in rounds],
            },
            write=partial(_write, self._journal, next_state),
        )  # fmt: skip

    def _remembered(self, now: float) -> pl.DataFrame:
        oldest = now - self.config.polling.remember_days * _DAY_S
        return self._journal.state().filter(pl.col("listed_at") >= oldest)


def _write(
    journal: RoundJournal, next_state: pl.DataFrame, sink: Sink, table: pl.DataFrame
) -> Written:
    return Written(table.height, journal.write(sink, table, next_state))


def _no_longer_listed(rounds: Sequence[_CmtsRound], state: pl.DataFrame) -> list[DeviceRow]:
    """Return a row for each modem that its CMTS listed not long ago and does not list now."""
    walked_at = {one.config.name: one.tables.ended_at for one in rounds if not one.tables.problem}
    listed = {modem.device_id for one in rounds for modem in one.listed}
    known = state.unique("device_id", keep="first", maintain_order=True)
    rows = []
    for cmts, device, fnode, listed_at in known.select(
        "cmts", "device_id", "fnode", "listed_at"
    ).iter_rows():
        if cmts in walked_at and device not in listed:
            row = DeviceRow(cmts, device, fnode, answered=False, at=walked_at[cmts],
                            listed_at=listed_at)  # fmt: skip
            rows.append(row)
    return rows


def _measure(rounds: Sequence[_CmtsRound]) -> list[SetAside]:
    """Take what each CMTS measured of the modems that are online there."""
    aside: list[SetAside] = []
    for one in rounds:
        online = {modem.cm: modem.device_id for modem in one.listed if modem.is_online}
        one.measured, wrong = measured_at_cmts(one.tables, (SC_QAM, OFDMA), online)
        aside += wrong
    return aside


def _unmeasured(one: _CmtsRound) -> dict[object, str]:
    """Return, by MAC address, the modems that are online and of which the walk told nothing."""
    if one.tables.problem:
        return {}
    macs = one.tables.column(docsis.REG_MAC)
    measured = set(one.measured["device_id"])
    return {
        macs[modem.cm]: modem.device_id
        for modem in one.listed
        if modem.is_online and modem.device_id not in measured
    }


def _channels_at_cmts(measured: pl.DataFrame) -> dict[str, set[str]]:
    by_device = measured.group_by("device_id").agg("channel")
    return {device: set(channels) for device, channels in by_device.iter_rows()}


def _still_good(plan: Plan | None, at_cmts: set[str]) -> Plan | None:
    """Return the plan unless the CMTS hears the modem on a channel that it does not name."""
    if plan is None or at_cmts - {channel for _, _, channel in plan.channels}:
        return None
    return plan


def _device_rows(one: _CmtsRound) -> list[DeviceRow]:
    """Return a row for each modem of a CMTS, but not for those whose turn did not come."""
    poll_of = {poll.number: poll for poll in one.polls}
    uptimes, _ = docsis.SYS_UP_TIME.levels(
        [poll.told[0] if poll.told else None for poll in one.polls]
    )
    uptime_of = {
        poll.number: float(uptime) if uptime >= 0 else None
        for poll, uptime in zip(one.polls, uptimes, strict=True)
    }
    rows = []
    for number, modem in enumerate(one.listed):
        poll = poll_of.get(number)
        if poll is not None and poll.problem == NOT_REACHED:
            continue
        answered = poll is not None and poll.told is not None
        at = one.tables.ended_at
        if poll is not None:
            at = poll.answered_at if answered else poll.requested_at
        rows.append(
            DeviceRow(
                cmts=one.config.name,
                device_id=modem.device_id,
                fnode=modem.fnode,
                answered=answered,
                at=at,
                requested_at=None if poll is None else poll.requested_at,
                uptime_s=uptime_of.get(number),
                listed_at=one.tables.started_at,
                walked_at=one.tables.started_at,
                cmts_uptime_s=one.tables.uptime_s,
            )
        )
    return rows
