"""Reads the tables of a CMTS, column by column, a page at a time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from faultsight.collectors import _docsis_objects as docsis
from faultsight.collectors._docsis_objects import ChannelKind, SnmpObject
from faultsight.collectors._rate_limit import TokenBucket
from faultsight.collectors._snmp_config import PollingConfig
from faultsight.collectors._snmp_session import Open, Session, is_bad_answer, place_after

__all__ = ["CmtsTables", "columns_of", "look_up", "walk_cmts"]

T = TypeVar("T")

_MOST_ROWS = 2_000_000
"""More in one column are no CMTS's: 100,000 modems of 16 channels are 1,600,000."""

_REGISTRY = (
    docsis.NODE_GROUP,
    docsis.REG_MAC,
    docsis.REG_IPV6,
    docsis.REG_IPV4,
    docsis.REG_STATE,
    docsis.REG_MAC_DOMAIN,
    docsis.REG_SERVICE_GROUP,
)


@dataclass
class CmtsTables:
    """What a CMTS said.

    Attributes
    ----------
    columns : dict of str to dict
        By the object's name: values by instance, such as ``"12.101"``.
    uptime_s : float, optional
        Seconds since the CMTS started.
    started_at, ended_at : float
        Seconds since 1970; its values are of some moment in between.
    n_requests : int
        How many requests it took.
    problem : str
        Why the walk could not be finished; then the tables are not used.
    """

    columns: dict[str, dict[str, object]] = field(default_factory=dict)
    uptime_s: float | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    n_requests: int = 0
    problem: str = ""

    def column(self, one: SnmpObject) -> dict[str, object]:
        """Return the values of an object by instance; empty where the CMTS has none."""
        return self.columns.get(one.name, {})


def columns_of(
    kinds: Iterable[ChannelKind], *, pre_equalization: bool, channel_states: bool = False
) -> list[SnmpObject]:
    """Return what is walked, the registry first."""
    columns = list(_REGISTRY)
    for kind in kinds:
        columns += [kind.cmts_channel_id, kind.snr, kind.rx_power, *kind.codewords.values()]
        if pre_equalization and kind.pre_equalization_enabled is not None:
            columns.append(kind.pre_equalization_enabled)
        if channel_states:
            columns += kind.states.values()
    return columns


async def walk_cmts(
    open_session: Open,
    address: str,
    config: PollingConfig,
    columns: Iterable[SnmpObject],
    *,
    until_s: float = float("inf"),
) -> CmtsTables:
    """Walk the tables of a CMTS; what goes wrong is told in `CmtsTables.problem`.

    Parameters
    ----------
    open_session : callable
        Opens a session.
    address : str
        Of the CMTS.
    config : PollingConfig
        How fast is asked, and how often again.
    columns : iterable of SnmpObject
        What is walked.
    until_s : float
        Of `time.monotonic`: the walk is given up here.
    """
    walk = _Walk(open_session, address, config, until_s)

    async def read(tables: CmtsTables) -> None:
        tables.uptime_s = await walk.uptime_s()
        for one in columns:
            tables.columns[one.name] = await walk.column(one)

    return await _told(walk, read)


async def look_up(
    open_session: Open,
    address: str,
    config: PollingConfig,
    key: SnmpObject,
    wanted: Container[object],
    columns: Sequence[SnmpObject],
    *,
    until_s: float = float("inf"),
) -> CmtsTables:
    """Read some rows of a table of a CMTS: a walk of its keys, then GETs of the rows alone.

    Parameters
    ----------
    open_session, address, config, until_s
        As for `walk_cmts`.
    key : SnmpObject
        The column that is walked.
    wanted : container
        Rows whose key is in it are read.
    columns : sequence of SnmpObject
        What is read of them.
    """
    walk = _Walk(open_session, address, config, until_s)

    async def read(tables: CmtsTables) -> None:
        keys = {
            instance: told for instance, told in (await walk.column(key)).items() if told in wanted
        }
        tables.columns = {key.name: keys} | {one.name: {} for one in columns}
        await walk.rows(list(keys), columns, tables.columns)

    return await _told(walk, read)


async def _told(walk: _Walk, read: Callable[[CmtsTables], Awaitable[None]]) -> CmtsTables:
    tables = CmtsTables(started_at=time.time())
    try:
        await read(tables)
    except _GivenUpError as error:
        tables.problem = str(error)
    tables.ended_at = time.time()
    tables.n_requests = walk.bucket.n_taken
    return tables


class _GivenUpError(Exception):
    pass


class _UnreadableError(_GivenUpError):
    pass


class _Walk:
    def __init__(
        self, open_session: Open, address: str, config: PollingConfig, until_s: float
    ) -> None:
        self.bucket = TokenBucket(config.walk_requests_per_s)
        self._open = open_session
        self._address = address
        self._config = config
        self._until_s = until_s
        self._session: Session | None = None

    async def uptime_s(self) -> float | None:
        oid = docsis.SYS_UP_TIME.at(0)
        told = await self._asked(lambda session: session.get([oid]), docsis.SYS_UP_TIME.name)
        uptime, _ = docsis.SYS_UP_TIME.levels([told.get(oid)])
        return float(uptime[0]) if uptime[0] >= 0 else None

    async def column(self, one: SnmpObject) -> dict[str, object]:
        """Read a column, in smaller pages if an agent's answers are too large to be read."""
        page = min(self._config.max_repetitions, one.page)
        try:
            return await self._pages(one, page)
        except _UnreadableError:
            return await self._pages(one, max(page // 4, 1))

    async def rows(
        self,
        instances: Sequence[str],
        columns: Sequence[SnmpObject],
        into: dict[str, dict[str, object]],
    ) -> None:
        """Read rows, as many at once as a page holds, or one by one from who finds that too big."""
        size = max(self._config.max_repetitions // len(columns), 1)
        for start in range(0, len(instances), size):
            some = instances[start : start + size]
            told = await self._row_values(some, columns)
            if not told and len(some) > 1:
                for one in some:
                    told |= await self._row_values([one], columns)
            for (name, instance), value in told.items():
                into[name][instance] = value

    async def _row_values(
        self, instances: Sequence[str], columns: Sequence[SnmpObject]
    ) -> dict[tuple[str, str], object]:
        place = {one.at(i): (one.name, i) for i in instances for one in columns}
        told = await self._asked(lambda session: session.get(list(place)), columns[0].name)
        return {place[oid]: value for oid, value in told.items() if oid in place}

    async def _pages(self, one: SnmpObject, size: int) -> dict[str, object]:
        place = place_after(one.oid, size)
        prefix = f"{one.oid}."
        found: dict[str, object] = {}

        def read(session: Session) -> Awaitable[list[tuple[str, object] | None]]:
            return session.rows(place)

        while len(found) < _MOST_ROWS:
            page = await self._asked(read, one.name)
            n_before = len(found)
            for row in page:
                if row is None:
                    return found
                found[row[0].removeprefix(prefix)] = row[1]
            if not page:
                return found
            if len(found) == n_before:
                raise _GivenUpError(f"{one.name}: the same rows come again and again")
        raise _GivenUpError(f"{one.name}: more than {_MOST_ROWS:,} rows")

    async def _asked(self, ask: Callable[[Session], Awaitable[T]], what: str) -> T:
        """Ask, and ask again where there was no answer, through a new socket."""
        unreadable = ""
        for _ in range(1 + self._config.retries):
            if time.monotonic() >= self._until_s:
                raise _GivenUpError(f"{what}: the round ended before the walk did")
            try:
                session = await self._ready()
                await self.bucket.turn()
                return await ask(session)
            except BaseException as error:
                if not is_bad_answer(error):
                    raise
                self._session = None
                unreadable = "" if isinstance(error, TimeoutError) else str(error)
        if unreadable:
            raise _UnreadableError(f"{what}: the answer cannot be read ({unreadable})")
        raise _GivenUpError(f"{what}: no answer")

    async def _ready(self) -> Session:
        if self._session is None:
            session = self._open(self._address)
            for _ in range(session.n_introductions):
                await self.bucket.turn()
            await session.introduce()
            self._session = session
        return self._session
