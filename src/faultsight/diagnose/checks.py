"""What every diagnoser must satisfy, ours, the peers and anybody's.

Run them on your own member::

    import pytest
    from faultsight.diagnose.checks import CHECKS, run_check

    @pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
    def test_my_diagnoser(check):
        run_check(check, MyDiagnoser)

A member that cannot pass a check by its nature names it, with the reason, in its class attribute
``excused``; the check then asserts nothing but that the member still answers.

What a member claims to see follows from what it reads: one that names levels in `metrics` must see
a gross fault in them, and to one that names none they must make no difference. Which modems a
member lists where it knows nothing of them is its own business: they may be left out, or be
``INSUFFICIENT``, and checks that compare verdicts pass over those.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import LEVELS, NodePolls, PollTable, PreEqualization, node_polls
from faultsight.core.seed import random_stream
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.contract import DAY_S, Diagnoser, Diagnosis, Verdict, windows_of
from faultsight.sim.cable_plant import CablePlantConfig, simulate_node

__all__ = ["CHECKS", "SmallPlant", "run_check", "small_plant"]

MakeDiagnoser = Callable[[], Diagnoser]
Check = Callable[[MakeDiagnoser], None]

_N_DAYS = 12
_N_MODEMS = 30
_POLL_INTERVAL_S = 14_400
_HOUR_S = 3600
_SLACK_S = 1e-6


@dataclass(frozen=True, eq=False)
class SmallPlant:
    """Two fiber nodes of thirty modems over twelve days, and who called.

    Attributes
    ----------
    nodes : tuple of NodePolls
        ``FN000`` and ``FN001``.
    calls : polars.DataFrame
        For `faultsight.core.tickets.read_tickets`.
    start_s : int
        Midnight of the first day, UTC.
    """

    nodes: tuple[NodePolls, ...]
    calls: pl.DataFrame
    start_s: int

    @property
    def telemetry(self) -> PollTable:
        """The polls."""
        return PollTable(self.nodes)

    @property
    def tickets(self) -> Tickets:
        """The calls."""
        return read_tickets(self.calls)

    def days(self, first: float, last: float) -> TimeWindow:
        """Return the span between two days, counted from 0."""
        return TimeWindow(self.start_s + int(first * DAY_S), self.start_s + int(last * DAY_S))


@cache
def small_plant(seed: int = 0) -> SmallPlant:
    """Return a small plant in which tickets tell something.

    Polls come every four hours, unaligned, lost and told twice, with all metrics and once a day the
    equalizer's coefficients. On days 3 to 5 a fault of the shared plant acts on twelve modems of
    the first fiber node, on days 4 to 6 two modems of the second have faults of their own; all
    their customers call. Others call now and then.

    Examples
    --------
    >>> plant = small_plant()
    >>> [node.n_devices for node in plant.nodes], plant.telemetry.window == plant.days(0, 12)
    ([30, 30], False)
    >>> len(plant.tickets) > 20, small_plant() is plant
    (True, True)
    """
    config = CablePlantConfig.quiet(
        n_fnodes=2,
        days=_N_DAYS,
        modems=(_N_MODEMS, _N_MODEMS),
        n_amplifiers=6,
        background_calls_per_day=0.01,
        with_counters=True,
        with_pre_equalization=True,
    )
    told = [simulate_node(config, index, seed=seed) for index in range(config.n_fnodes)]
    shared, single = TimeWindow(3 * DAY_S, 5 * DAY_S), TimeWindow(4 * DAY_S, 6 * DAY_S)
    calls = [node.tickets.select("ticket_id", "device_id", "opened", "closed", "kind")
             for node in told]  # fmt: skip
    nodes = []
    for index, (members, days, kind) in enumerate(
        ((range(12), shared, "maintenance"), ((7, 21), single, "service"))
    ):
        polls = told[index].polls
        span = TimeWindow(config.start_s + days.start_s, config.start_s + days.end_s)
        nodes.append(_broken(polls, members, span, snr_db=8.0, tx_power_db=6.0))
        stream = random_stream(seed, "checks", "calls", index)
        callers = [polls.device_ids[member] for member in members for _ in range(3)]
        # While the fault acts: `_broken` pauses the last third of every twelve hours.
        at_s = stream.integers(0, 4, len(callers)) * 12 * _HOUR_S
        at_s = span.start_s + at_s + stream.integers(2 * _HOUR_S, 8 * _HOUR_S, len(callers))
        moments = pl.Series(at_s * 1_000_000).cast(calls[0].schema["opened"])
        calls.append(
            pl.DataFrame(
                {
                    "ticket_id": [f"{polls.fnode}-fault-{i}" for i in range(len(callers))],
                    "device_id": callers,
                    "opened": moments,
                    "closed": moments,
                    "kind": [kind] * len(callers),
                }
            )
        )
    return SmallPlant(tuple(nodes), pl.concat(calls), config.start_s)


def _broken(
    polls: NodePolls,
    members: Iterable[int],
    span: TimeWindow,
    *,
    snr_db: float,
    tx_power_db: float,
    acts_h: int = 8,
) -> NodePolls:
    """Return polls in which SNR falls and power rises, so many of twelve hours, on some modems."""
    since_s = polls.time_s - span.start_s
    acts = (
        (since_s >= 0) & (polls.time_s < span.end_s) & (since_s % (12 * _HOUR_S) < acts_h * _HOUR_S)
    )
    acts &= np.isin(polls.device_of_poll, list(members))
    values = {metric: column.copy() for metric, column in polls.values.items()}
    values["snr_db"][acts] -= np.float32(snr_db)
    values["tx_power_dbmv"][acts] += np.float32(tx_power_db)
    return replace(polls, values=values)


def _fitted(make: MakeDiagnoser, plant: SmallPlant) -> Diagnoser:
    return make().fit(plant.telemetry, plant.tickets, workers=1)


def _said(
    diagnoser: Diagnoser, nodes: Iterable[NodePolls], window: TimeWindow | None = None
) -> Diagnosis:
    return diagnoser.diagnose(PollTable(nodes), window=window, workers=1)


def _bytes(diagnosis: Diagnosis) -> bytes:
    """Return all that is said, as bytes."""
    parts = [diagnosis.diagnoser, repr(diagnosis.windows)]
    for node in diagnosis.nodes:
        parts += [node.fnode, repr(node.window), repr(node.device_ids)]
        parts += [node.verdict.tobytes().hex(), node.covered_s.tobytes().hex()]
        for group in node.groups:
            numbers = np.array([group.similarity, group.deviation])
            parts += [group.feature, group.verdict.name, group.channel, group.kind]
            parts += [
                group.members.tobytes().hex(),
                str(group.n_anomalous),
                numbers.tobytes().hex(),
            ]
        for feature, anomalous in sorted(node.anomalies.items()):
            parts += [feature, anomalous.tobytes().hex()]
    return "\n".join(parts).encode()


def _verdicts(diagnosis: Diagnosis) -> dict[tuple[str, int, str], Verdict]:
    """Return by fiber node, end of window and modem what is known."""
    return {
        (node.fnode, node.window.end_s, device): Verdict(verdict)
        for node in diagnosis.nodes
        for device, verdict in zip(node.device_ids, node.verdict.tolist(), strict=True)
        if verdict != Verdict.INSUFFICIENT
    }


def _without(polls: NodePolls, device: int, *, since_s: float, until_s: float) -> NodePolls:
    is_gone = polls.device_of_poll == device
    is_gone &= (polls.time_s >= since_s) & (polls.time_s < until_s)
    return polls.take(~is_gone)


def _table(nodes: Iterable[NodePolls]) -> pl.DataFrame:
    return pl.concat(node.to_table() for node in nodes)


def _claims_to_see(diagnoser: Diagnoser) -> bool:
    """Whether a diagnoser reads anything but when polls came."""
    return bool(diagnoser.metrics) or diagnoser.with_pre_equalization


def check_one_verdict_a_modem(make: MakeDiagnoser) -> None:
    """Each modem has one verdict in each window, and what supports it fits together."""
    plant = small_plant()
    diagnoser = _fitted(make, plant)
    span = plant.days(3, 5)
    found = diagnoser.diagnose(plant.telemetry, window=span, workers=1)
    wanted = windows_of(span, look_back_s=diagnoser.look_back_s)
    assert (found.diagnoser, list(found.windows)) == (diagnoser.name, wanted)
    assert len(found) == len(plant.nodes) * len(wanted)
    assert [(n.fnode, n.window) for n in found.nodes] == sorted(
        (n.fnode, n.window) for n in found.nodes
    )
    assert found.to_table().height == len(plant.nodes) * len(wanted) * _N_MODEMS
    for node, (polls, asked) in zip(
        found.nodes, ((p, w) for p in plant.nodes for w in wanted), strict=True
    ):
        assert (node.fnode, node.device_ids) == (polls.fnode, polls.device_ids)
        length_s = node.window.end_s - node.window.start_s
        assert length_s == diagnoser.look_back_s
        # Moved back to the silence before it, by less than an interval, and never forward.
        assert 0 <= asked.end_s - node.window.end_s < _POLL_INTERVAL_S
        assert node.verdict.shape == node.covered_s.shape == (_N_MODEMS,)
        assert node.verdict.dtype == np.int8
        assert set(node.verdict.tolist()) <= set(Verdict)
        assert (node.covered_s >= 0).all()
        assert (node.covered_s <= length_s + _SLACK_S).all()
        assert (node.covered_s > 0).any()
        for group in node.groups:
            assert group.verdict in (Verdict.SERVICE, Verdict.MAINTENANCE)
            assert np.array_equal(np.unique(group.members), group.members)
            assert (node.verdict[group.members] >= group.verdict).all()
            assert 0 <= group.n_anomalous <= len(group.members)
            assert -1 - 1e-9 <= group.similarity <= 1 + 1e-9
            assert group.channel in ("", *polls.channels)
        sizes = [(-g.verdict, -len(g.members)) for g in node.groups]
        assert sizes == sorted(sizes)
        for anomalous in node.anomalies.values():
            assert anomalous.shape == (_N_MODEMS,)
            assert anomalous.dtype == np.bool_


def check_same_input_same_bytes(make: MakeDiagnoser) -> None:
    """Two diagnosers fitted alike say the same, byte for byte, and one says it twice."""
    plant = small_plant(1)
    span = plant.days(3, 6)
    first = _fitted(make, plant)
    once = _bytes(_said(first, plant.nodes, span))
    assert _bytes(_said(first, plant.nodes, span)) == once
    assert _bytes(_said(_fitted(make, plant), plant.nodes, span)) == once


def check_workers_change_nothing(make: MakeDiagnoser) -> None:
    """One thread or two, in fitting and in diagnosing: the same bytes."""
    plant = small_plant()
    said = []
    for workers in (1, 2):
        diagnoser = make().fit(plant.telemetry, plant.tickets, workers=workers)
        said.append(
            _bytes(diagnoser.diagnose(plant.telemetry, window=plant.days(3, 6), workers=workers))
        )
    assert said[0] == said[1]


def check_row_order_changes_nothing(make: MakeDiagnoser) -> None:
    """Polls and tickets whose rows come in any order are the same polls and tickets."""
    plant = small_plant()
    table = _table(plant.nodes)
    stream = random_stream(0, "checks", "rows")
    said = []
    for order, calls in (
        (np.arange(table.height), plant.calls),
        (stream.permutation(table.height), plant.calls[::-1]),
    ):
        telemetry = PollTable(node_polls(table[order]))
        diagnoser = make().fit(telemetry, read_tickets(calls), workers=1)
        said.append(_bytes(diagnoser.diagnose(telemetry, window=plant.days(3, 6), workers=1)))
    assert said[0] == said[1]


def check_names_change_nothing(make: MakeDiagnoser) -> None:
    """Modems that go by other names, and so in another order, keep their verdicts."""
    plant = small_plant()
    devices = [device for node in plant.nodes for device in node.device_ids]
    shuffled = random_stream(0, "checks", "names").permutation(len(devices))
    name_of = {device: f"modem-{i:03d}" for device, i in zip(devices, shuffled, strict=True)}
    renamed = replace(
        plant,
        nodes=tuple(node_polls(_renamed(_table(plant.nodes), name_of))),
        calls=_renamed(plant.calls, name_of),
    )
    span = plant.days(3, 6)
    before = _verdicts(_said(_fitted(make, plant), plant.nodes, span))
    after = _verdicts(_said(_fitted(make, renamed), renamed.nodes, span))
    assert after == {(f, end, name_of[d]): verdict for (f, end, d), verdict in before.items()}


def _renamed(table: pl.DataFrame, name_of: Mapping[str, str]) -> pl.DataFrame:
    return table.with_columns(pl.col("device_id").replace(dict(name_of)))


def check_later_polls_change_nothing(make: MakeDiagnoser) -> None:
    """What is said of a window is the same whether or not later polls are there, and whatever.

    The windows are those of the plant's faults. After them come seven days of nothing, of gross
    faults, or of silence.
    """
    plant = small_plant()
    diagnoser = _fitted(make, plant)
    early, late = plant.days(3, 5), plant.days(3, 12)
    expected = _verdicts(_said(diagnoser, _until(plant.nodes, early.end_s), early))
    assert expected
    silent = [
        _without(node, device, since_s=early.end_s, until_s=np.inf)
        for node, device in zip(plant.nodes, (3, 4), strict=True)
    ]
    for nodes in (plant.nodes, _grossly(plant, plant.nodes), silent):
        said = _verdicts(_said(diagnoser, nodes, late))
        assert {k: v for k, v in said.items() if k[1] <= early.end_s} == expected


def check_later_polls_of_strangers_change_nothing(make: MakeDiagnoser) -> None:
    """So it is with a fiber node that was not seen in training, and with polls told twice."""
    plant = small_plant()
    diagnoser = make().fit(PollTable(plant.nodes[:1]), plant.tickets, workers=1)
    # The poller asks at other times from the fifth day on.
    moved = []
    for node in _grossly(plant, plant.nodes):
        is_late = node.time_s >= plant.days(0, 5).end_s + _POLL_INTERVAL_S
        time_s = node.time_s + np.where(is_late, 2.5 * _HOUR_S, 0.0)
        moved.append(replace(node, time_s=time_s))
    # Windows that end in the silence between two rounds, but for someone who is told twice then.
    silence_s = plant.days(0, 5).end_s - 70 * 60
    twice = [_told_again(node, silence_s) for node in plant.nodes]
    for nodes, end_s in ((moved, plant.days(0, 5).end_s), (twice, silence_s)):
        early = TimeWindow(end_s - 2 * DAY_S, end_s)
        expected = _verdicts(_said(diagnoser, _until(nodes, end_s), early))
        said = _verdicts(_said(diagnoser, nodes, TimeWindow(early.start_s, end_s + 6 * DAY_S)))
        assert {k: v for k, v in said.items() if k[1] <= end_s} == expected


def _grossly(plant: SmallPlant, nodes: Iterable[NodePolls]) -> list[NodePolls]:
    """Return polls in which everything is far off from the fifth day on, without a pause."""
    span, everybody = plant.days(5, 12), range(_N_MODEMS)
    return [
        _broken(node, everybody, span, snr_db=25.0, tx_power_db=9.0, acts_h=12) for node in nodes
    ]


def _until(nodes: Iterable[NodePolls], end_s: float) -> list[NodePolls]:
    return [node.take(node.time_s < end_s) for node in nodes]


def _told_again(polls: NodePolls, moment_s: float) -> NodePolls:
    """Return polls in which every modem answers shortly before and after a moment."""
    table = polls.to_table()
    latest = table.filter(pl.col("timestamp").dt.epoch("s") < moment_s)
    latest = latest.sort("timestamp").group_by("device_id", "channel", maintain_order=True).last()
    moments = [moment_s - 300.0, moment_s + 240.0]
    again = [
        latest.with_columns(
            timestamp=pl.lit(int(moment * 1000)).cast(pl.Datetime("ms", "UTC"))
        ).select(table.columns)
        for moment in moments
    ]
    return node_polls(pl.concat([table, *again]))[0]


def check_input_is_left_alone(make: MakeDiagnoser) -> None:
    """The arrays of polls and tickets are the same bytes afterwards."""
    plant = small_plant(2)
    tickets = plant.tickets
    arrays: list[NDArray[Any]] = []
    for node in plant.nodes:
        arrays += [node.device_start, node.time_s, *node.values.values()]
    arrays += [tickets.opened_s, tickets.closed_s, tickets.is_maintenance]
    before = [array.tobytes() for array in arrays]
    diagnoser = make().fit(plant.telemetry, tickets, workers=1)
    # Of the whole span no copy is made.
    diagnoser.diagnose(plant.telemetry, window=plant.days(0, _N_DAYS), workers=1)
    assert [array.tobytes() for array in arrays] == before


def check_a_node_alone_or_among_others(make: MakeDiagnoser) -> None:
    """A fiber node that is diagnosed alone gets what it gets among others."""
    plant = small_plant()
    diagnoser = _fitted(make, plant)
    alone = diagnoser.diagnose(plant.telemetry, fnodes=["FN001"], workers=1)
    whole = diagnoser.diagnose(plant.telemetry, workers=1)
    assert [node.fnode for node in alone.nodes] == ["FN001"]
    assert _bytes(alone) == _bytes(replace(whole, nodes=whole.nodes[1:]))


def check_the_store_changes_nothing(make: MakeDiagnoser) -> None:
    """Polls read from a folder get what polls in memory get."""
    plant = small_plant()
    table = _table(plant.nodes)
    with tempfile.TemporaryDirectory() as path:
        folder = TelemetryFolder.create(Path(path) / "pnm", n_buckets=2)
        folder.append(table)
        span = plant.days(5, 8)
        kept = make().fit(folder, plant.tickets, workers=1).diagnose(folder, window=span, workers=1)
    telemetry = PollTable(node_polls(table))
    diagnoser = make().fit(telemetry, plant.tickets, workers=1)
    assert _bytes(kept) == _bytes(diagnoser.diagnose(telemetry, window=span, workers=1))


def check_one_modem(make: MakeDiagnoser) -> None:
    """A fiber node with one modem: no group is larger, and nothing is maintenance for its size."""
    plant = small_plant()
    alone = node_polls(
        plant.nodes[0].to_table().filter(pl.col("device_id") == plant.nodes[0].device_ids[5])
    )
    diagnoser = make().fit(PollTable([*alone, plant.nodes[1]]), plant.tickets, workers=1)
    span = plant.days(3, 6)
    for nodes in (alone, _until(alone, plant.days(3, 3.2).end_s)):
        for node in _said(diagnoser, nodes, span).nodes:
            assert node.verdict.shape == (len(node.device_ids),)
            assert len(node.device_ids) <= 1
            assert all(group.members.tolist() == [0] for group in node.groups)
            assert Verdict.MAINTENANCE not in {group.verdict for group in node.groups}


def check_nobody_answers(make: MakeDiagnoser) -> None:
    """Where every poll is known to have had no answer, who reads anything calls nobody healthy."""
    plant = small_plant()
    diagnoser = _fitted(make, plant)
    start_s = plant.days(8, 12).start_s
    quiet = plant.nodes[1]
    is_quiet = quiet.time_s >= start_s
    pre_equalization = quiet.pre_equalization
    assert pre_equalization is not None
    heard = ~is_quiet[pre_equalization.poll]
    quiet = replace(
        quiet,
        answered=~is_quiet,
        values={m: np.where(is_quiet[:, None], np.float32(np.nan), v)
                for m, v in quiet.values.items()},
        pre_equalization=PreEqualization(
            pre_equalization.poll[heard],
            pre_equalization.channel[heard],
            tuple(d for d, h in zip(pre_equalization.data, heard, strict=True) if h),
        ),
    )  # fmt: skip
    # A poller that gets no answer does not know the channels either.
    nowhere = NodePolls(
        "FN001",
        quiet.device_ids,
        (),
        quiet.device_start,
        quiet.time_s,
        {metric: np.zeros((quiet.n_polls, 0), np.float32) for metric in quiet.values},
        answered=np.zeros(quiet.n_polls, np.bool_),
    )
    for node in (quiet, nowhere):
        (said,) = _said(diagnoser, [node]).nodes
        assert len(said.verdict) == len(said.device_ids)
        if _claims_to_see(diagnoser):
            assert said.count(Verdict.HEALTHY) == 0
    assert _said(_fitted(make, replace(plant, nodes=(plant.nodes[0], nowhere))), plant.nodes).nodes


def check_missing_values(make: MakeDiagnoser) -> None:
    """Values that are not finite are missing ones, and the rest of the poll counts."""
    plant = small_plant()
    stream = random_stream(0, "checks", "holes")
    table = _table(plant.nodes)
    is_hole = pl.Series(stream.random(table.height) < 0.1)
    metrics = [metric for metric in plant.nodes[0].values if metric in table.columns]
    said = []
    for hole in (None, float("nan"), float("inf"), float("-inf")):
        holed = table.with_columns(
            pl.when(is_hole).then(pl.lit(hole, pl.Float32)).otherwise(pl.col(metric)).alias(metric)
            for metric in metrics
        )
        telemetry = PollTable(node_polls(holed))
        diagnoser = make().fit(telemetry, plant.tickets, workers=1)
        said.append(diagnoser.diagnose(telemetry, window=plant.days(3, 6), workers=1))
    assert len({_bytes(each) for each in said}) == 1
    n_known = sum(node.count(Verdict.INSUFFICIENT) == 0 for node in said[0].nodes)
    assert n_known == len(said[0])


def check_constant_and_empty_channels(make: MakeDiagnoser) -> None:
    """A channel that never moves, one without a value, and a metric nobody ever collected."""
    plant = small_plant()
    still, empty, lacks = (dict(plant.nodes[0].values) for _ in range(3))
    for metric in LEVELS:
        still[metric], empty[metric] = still[metric].copy(), empty[metric].copy()
        still[metric][:, 1] = 40.0
        empty[metric][:, 2] = np.nan
    del lacks["tx_power_dbmv"]
    for values in (still, empty, lacks):
        changed = replace(plant, nodes=(replace(plant.nodes[0], values=values), plant.nodes[1]))
        diagnoser = _fitted(make, changed)
        found = _said(diagnoser, changed.nodes)
        assert [len(node.verdict) for node in found.nodes] == [_N_MODEMS] * 2
        assert all((node.covered_s > 0).any() for node in found.nodes)
        # A model that knows the metric meets a fiber node that lacks it.
        assert len(_said(_fitted(make, plant), changed.nodes)) == 2


def check_modems_that_come_and_go(make: MakeDiagnoser) -> None:
    """A modem has no verdict before its first poll, and comes and goes without a trace on others.

    Others are of another fiber node: the modem's own neighbours may be grouped with it.
    """
    plant = small_plant()
    first = plant.nodes[0]
    late = _without(first, 3, since_s=0, until_s=plant.days(9.5, 12).start_s)
    gone = _without(first, 4, since_s=plant.days(2, 12).start_s, until_s=np.inf)
    diagnoser = _fitted(make, replace(plant, nodes=(late, plant.nodes[1])))
    expected = _verdicts(_said(diagnoser, plant.nodes[1:], plant.days(8, 12)))
    for node, device, days in ((late, 3, (8, 9)), (gone, 4, (11, 12))):
        said = _verdicts(_said(diagnoser, [node, plant.nodes[1]], plant.days(8, 12)))
        assert {k: v for k, v in said.items() if k[0] == "FN001"} == expected
        unknown_s = plant.days(*days).end_s
        mine = {end: v for (_, end, d), v in said.items() if d == first.device_ids[device]}
        if device == 3:
            assert all(end > unknown_s for end in mine)
            assert mine
        # Long gone, it is nobody's business; or missed by whoever looks for that.
        elif not _claims_to_see(diagnoser):
            assert not any(end >= unknown_s for end in mine)
        else:
            assert Verdict.HEALTHY not in {v for end, v in mine.items() if end >= unknown_s}


def check_tickets_of_strangers(make: MakeDiagnoser) -> None:
    """Tickets of unknown modems are as no tickets at all: it answers, or says what is missing."""
    plant = small_plant()
    strangers = plant.calls.with_columns(device_id=pl.lit("x") + pl.col("device_id"))
    said = []
    for calls in (strangers, plant.calls.clear()):
        try:
            diagnoser = make().fit(plant.telemetry, read_tickets(calls), workers=1)
        except InputError as error:
            said.append(str(error).encode())
            continue
        said.append(_bytes(_said(diagnoser, plant.nodes, plant.days(8, 10))))
    assert said[0] == said[1]
    both = make().fit(
        plant.telemetry, read_tickets(pl.concat([plant.calls, _numbered(strangers)])), workers=1
    )
    told = _said(both, plant.nodes, plant.days(3, 6))
    assert _bytes(told) == _bytes(_said(_fitted(make, plant), plant.nodes, plant.days(3, 6)))


def _numbered(calls: pl.DataFrame) -> pl.DataFrame:
    return calls.with_columns(ticket_id=pl.lit("again-") + pl.col("ticket_id"))


def check_a_gross_fault_is_not_healthy(make: MakeDiagnoser) -> None:
    """Who reads levels calls no modem healthy while all of its node are far off; others see none.

    SNR falls by 15 dB and transmit power rises by 9 dB, on all channels and modems, eight of twelve
    hours over three days.
    """
    plant = small_plant()
    diagnoser = _fitted(make, plant)
    span = plant.days(9, 12)
    broken = _broken(plant.nodes[1], range(_N_MODEMS), span, snr_db=15.0, tx_power_db=9.0)
    last = plant.days(11, 12)
    before, after = (_said(diagnoser, [n], last).nodes[0] for n in (plant.nodes[1], broken))
    assert before.device_ids == after.device_ids
    if set(diagnoser.metrics) & set(LEVELS):
        assert before.count(Verdict.HEALTHY) > 0
        assert after.count(Verdict.HEALTHY) == 0
    else:
        assert before.verdict.tobytes() == after.verdict.tobytes()


def check_clear_error(make: MakeDiagnoser) -> None:
    """What cannot be learned from or diagnosed is refused by an InputError."""
    plant = small_plant()
    tickets = plant.tickets
    fitted = _fitted(make, plant)
    nothing = PollTable([])
    no_poll = PollTable([node.take(np.zeros(node.n_polls, np.bool_)) for node in plant.nodes])
    beyond = TimeWindow(plant.days(0, 100).end_s, plant.days(0, 102).end_s)
    attempts: list[Callable[[], object]] = [
        lambda: make().diagnose(plant.telemetry),
        lambda: make().fit(nothing, tickets),
        lambda: make().fit(no_poll, tickets),
        lambda: fitted.diagnose(nothing),
        lambda: fitted.diagnose(no_poll),
        lambda: fitted.diagnose(plant.telemetry, window=beyond),
        lambda: fitted.diagnose(plant.telemetry, window=plant.days(3, 3.5)),
        lambda: fitted.diagnose(plant.telemetry, fnodes=["elsewhere"]),
    ]
    for number, attempt in enumerate(attempts):
        try:
            attempt()
        except InputError:
            continue
        raise AssertionError(f"attempt {number}: what cannot be diagnosed was accepted")
    # A refusal leaves the fitted member as it was.
    assert len(fitted.diagnose(plant.telemetry, workers=1)) == len(plant.nodes)


def run_check(check: Check, make: MakeDiagnoser) -> None:
    """Run one check on a member, unless the member excuses itself from it with a reason."""
    reason = make().excused.get(check.__name__)
    if reason is None:
        check(make)
    else:
        assert reason.strip(), f"{check.__name__} is excused without a reason"
        plant = small_plant()
        assert len(_said(_fitted(make, plant), plant.nodes)) == len(plant.nodes)


CHECKS: Sequence[Check] = tuple(
    value for name, value in sorted(globals().items()) if name.startswith("check_")
)
"""Every check, by name."""
