"""diagnose/snmp: how many cable modems a second are polled over SNMP on one core."""

from __future__ import annotations

import asyncio
import importlib.util
import time
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.collectors._docsis_objects import SC_QAM
from faultsight.collectors._many_sockets import run_all
from faultsight.collectors._modem_polls import ModemPoller, Plan, Poll, Target, objects_of
from faultsight.collectors._round_table import modem_channels
from faultsight.collectors._snmp_session import opener
from faultsight.collectors.snmp import Credentials, PollingConfig
from faultsight.core.errors import MissingExtraError, UnknownMemberError
from faultsight.sim.modem_agent import AgentConfig, agent_process, modem_address

_METHODS = ("faultsight", "gufo-snmp", "pysnmp")
_MODEMS = 20_000
_CONCURRENCY = 200
_MODEMS_OF_SLOW, _CONCURRENCY_OF_SLOW = 500, 20
"""More at a time, and answers come later than pysnmp waits for them."""
_TIMEOUT_S = 5.0
_REPEATS = 3
_CHANNELS = [(SC_QAM.name, 80 + number, str(number + 1)) for number in range(3)]
_COMMUNITY = "public"
_OBJECTS = [
    one.at(index)
    for one in objects_of(SC_QAM, pre_equalization=True)
    if one not in SC_QAM.timeouts.values()
    for _, index, _ in _CHANNELS
]
"""What the libraries are compared on: transmit power and coefficients of three channels."""


@dataclass(frozen=True)
class _Run:
    requests: int
    seconds: float
    cpu_seconds: float
    lost: int


class DiagnoseSnmp(Scenario):
    """One GET to each of 20,000 modems that an agent in another process plays on loopback.

    Rows are of two parts. ``get``: the same six objects by each method, transmit power and 100
    bytes of pre-equalization of three channels. ``collect``: what the collector asks for, uptime
    and timeouts besides, and the answers turned into columns of telemetry. ``gufo-snmp`` is the
    library that the collector is built on, with its own asyncio client; ``pysnmp``, to which
    each modem is a target that it sets up, polls at most 500, 20 at a time.

    ``cases`` lowers the number of modems.
    """

    id: ClassVar[str] = "diagnose/snmp"
    title: ClassVar[str] = "Polls of cable modems over SNMP"

    def run(self, context: Context) -> Outcome:
        """Poll with every method asked for."""
        for method in context.methods:
            if method not in _METHODS:
                raise UnknownMemberError("method", method, _METHODS)
        if importlib.util.find_spec("gufo") is None:
            raise MissingExtraError("polling over SNMP", "snmp")
        n_modems = min(_MODEMS, context.cases or _MODEMS)
        notes = [
            f"the best of {_REPEATS} runs; {_CONCURRENCY} modems are asked at a time, none twice; "
            "cpu_seconds are those of the poller alone, the agent is another process",
        ]
        rows: list[Row] = []

        def add(part: str, method: str, n_objects: int, n: int, work: Callable[[], _Run]) -> None:
            best = _best(work, context.seconds)
            rows.append(
                {
                    "part": part,
                    "method": method,
                    "objects": n_objects,
                    "modems": n,
                    "requests": best.requests,
                    "seconds": best.seconds,
                    "polls_per_second": n / best.seconds,
                    "lost": best.lost,
                    "cpu_seconds": best.cpu_seconds,
                    "cpu_microseconds_per_poll": best.cpu_seconds / n * 1e6,
                }
            )
            context.progress(f"{part}, {method}: {n / best.seconds:,.0f} polls a second")

        with agent_process(AgentConfig(n_modems=n_modems, seed=context.seed)) as port:
            if context.wants("faultsight"):
                plan = Plan.of(_CHANNELS, pre_equalization=True)
                same = Plan(plan.channels, _OBJECTS)
                add("get", "faultsight", len(_OBJECTS), n_modems,
                    lambda: _polled(same, n_modems, port))  # fmt: skip
                add("collect", "faultsight", len(plan.oids), n_modems,
                    lambda: _polled(plan, n_modems, port, into_columns=True))  # fmt: skip
            if context.wants("gufo-snmp"):
                add("get", "gufo-snmp", len(_OBJECTS), n_modems, lambda: _by_gufo(n_modems, port))
            if context.wants("pysnmp"):
                n_few = min(n_modems, _MODEMS_OF_SLOW)
                if importlib.util.find_spec("pysnmp") is None:
                    notes.append("left out: pysnmp is not installed")
                else:
                    add("get", "pysnmp", len(_OBJECTS), n_few, lambda: _by_pysnmp(n_few, port))
        return Outcome(rows, notes)


def _best(work: Callable[[], _Run], limit_s: float) -> _Run:
    begun = time.perf_counter()
    runs = [work()]
    while len(runs) < _REPEATS and time.perf_counter() - begun < limit_s:
        runs.append(work())
    return min(runs, key=lambda run: (run.lost, run.seconds))


def _polled(plan: Plan, n_modems: int, port: int, *, into_columns: bool = False) -> _Run:
    config = PollingConfig(
        requests_per_s=1e9, concurrency=_CONCURRENCY, timeout_s=_TIMEOUT_S, retries=0
    )
    names = [str(number) for number in range(n_modems)]
    targets = [Target(number, modem_address(number), plan) for number in range(n_modems)]
    start, cpu = time.perf_counter(), time.process_time()
    poller = ModemPoller(opener(Credentials(_COMMUNITY), port, _TIMEOUT_S), config)
    polls: list[Poll] = []
    run_all(poller.workers(targets, polls))
    if into_columns:
        modem_channels(polls, names, pre_equalization=True)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    lost = sum(poll.told is None for poll in polls)
    return _Run(poller.n_requests, seconds, cpu_seconds, lost)


def _by_gufo(n_modems: int, port: int) -> _Run:
    from gufo.snmp.aio import SnmpSession

    async def poll(number: int) -> bool:
        address = modem_address(number)
        session = SnmpSession(address, port=port, community=_COMMUNITY, timeout=_TIMEOUT_S)
        try:
            return len(await session.get_many(_OBJECTS)) == len(_OBJECTS)
        except TimeoutError:
            return False

    return asyncio.run(_timed(poll, n_modems, _CONCURRENCY))


def _by_pysnmp(n_modems: int, port: int) -> _Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses old names of its own pieces
        return asyncio.run(_by_loud_pysnmp(n_modems, port))


async def _by_loud_pysnmp(n_modems: int, port: int) -> _Run:
    from pysnmp.hlapi.v3arch import asyncio as pysnmp

    engine = pysnmp.SnmpEngine()
    community = pysnmp.CommunityData(_COMMUNITY, mpModel=1)  # noqa: S508 - v2c, as the others
    context = pysnmp.ContextData()

    async def poll(number: int) -> bool:
        place = (modem_address(number), port)
        transport = await pysnmp.UdpTransportTarget.create(place, _TIMEOUT_S, 0)
        objects = [pysnmp.ObjectType(pysnmp.ObjectIdentity(oid)) for oid in _OBJECTS]
        error, status, _, told = await pysnmp.get_cmd(
            engine, community, transport, context, *objects, lookupMib=False
        )
        return not error and not status and len(told) == len(_OBJECTS)

    try:
        return await _timed(poll, n_modems, _CONCURRENCY_OF_SLOW)
    finally:
        engine.close_dispatcher()


async def _timed(poll: Callable[[int], Awaitable[bool]], n_modems: int, concurrency: int) -> _Run:
    """Poll modems, so many at a time; a first one, which loads what is needed, is not timed."""
    await poll(n_modems)
    waiting = iter(range(n_modems))
    answered = 0

    async def work() -> None:
        nonlocal answered
        for number in waiting:
            is_answered = await poll(number)
            answered += is_answered  # in one go: others count, too

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(min(concurrency, n_modems))))
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    return _Run(n_modems, seconds, cpu_seconds, n_modems - answered)
