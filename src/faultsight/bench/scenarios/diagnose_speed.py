"""diagnose/speed: seconds and memory of TelApart from Parquet to verdicts, beside the plain way."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from faultsight.bench.engine import Context, Outcome, Row, Scenario
from faultsight.bench.peak_memory import PeakMemory, memory_note
from faultsight.core.errors import UnknownMemberError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.contract import DAY_S, Diagnosis, windows_of
from faultsight.diagnose.telapart import TelApart, TelApartConfig
from faultsight.sim.cable_plant import CablePlantConfig, write_plant

_METHODS = ("telapart", "telapart-paper", "plain")
_FNODES = 280
"""About 70,000 modems."""
_DAYS = 10
"""A day to diagnose and the history that the default looks at."""
_TUNING_SHARE = 10
"""The tuning is measured on so small a part of the fiber nodes."""
_TUNING_DAYS = 420
_PLAIN_NODES = 2
_PLAIN_TUNING_DAYS = 30
_REPEATS = 3
_PEAK = "peak_rss_mb"


class DiagnoseSpeed(Scenario):
    """One fiber node and one day, a provider's day, and the tuning of 14 months.

    Rows are of three kinds of ``work``. ``node-day``: one fiber node, one day, from the files of
    the whole provider. ``isp-day``: 70,000 modems, one day; also for a half and a quarter of them.
    ``tuning``: a tenth of the fiber nodes over 420 days, every feature and threshold;
    ``seconds_all`` is ten times that. The plain way is measured on two nodes for a day, one for a
    month of tuning, and scaled by their number (``measured`` says on what), reading apart.

    ``cases`` lowers the number of fiber nodes, the days of tuning to 28, and those of the plain
    way to 4. ``seconds`` ends repeats.
    """

    id: ClassVar[str] = "diagnose/speed"
    title: ClassVar[str] = "Seconds and memory of TelApart: a day of a provider, tuning"
    shown: ClassVar[tuple[str, ...]] = (
        "work", "method", "fnodes", "modems", "days", "seconds", "seconds_all", "speedup",
        "ms_per_node_day", _PEAK, "measured",
    )  # fmt: skip

    def run(self, context: Context) -> Outcome:
        """Time every method asked for."""
        for method in context.methods:
            if method not in _METHODS:
                raise UnknownMemberError("method", method, _METHODS)
        notes = [
            "the best of a few repeats after one that is not counted; tuning runs once",
            "speedup is over the plain way, which does the work of telapart-paper",
            memory_note(column=_PEAK),
        ]
        if context.wants("plain") and importlib.util.find_spec("pandas") is None:
            notes.append("left out: plain needs pandas and pyarrow")
        with tempfile.TemporaryDirectory() as folder:
            rows = self._days(context, Path(folder) / "day")
        with tempfile.TemporaryDirectory() as folder:
            rows += self._tuning(context, Path(folder) / "tuning")
        return Outcome(_with_speedups(rows), notes)

    def _days(self, context: Context, folder: Path) -> list[Row]:
        n_fnodes = min(_FNODES, context.cases or _FNODES)
        config = replace(CablePlantConfig.realistic(), n_fnodes=n_fnodes, days=_DAYS)
        context.progress(f"simulating {n_fnodes} fiber nodes for {_DAYS} days")
        write_plant(config, folder, seed=context.seed)
        telemetry, tickets = _read(folder)
        before = TimeWindow(config.start_s, config.start_s + (_DAYS - 1) * DAY_S)
        rows: list[Row] = []
        models = {m: TelApart(c) for m, c in _configs().items()}
        for method, model in models.items():
            model.fit(telemetry, tickets, window=before)
            if not context.wants(method):
                continue
            for n in sorted({1, n_fnodes // 4, n_fnodes // 2, n_fnodes} - {0}):
                fnodes = telemetry.fnodes[:n]
                work = "node-day" if n == 1 else "isp-day"
                rows.append(_day_row(work, method, model, telemetry, fnodes, context))
                _tell(rows[-1], context)
        if context.wants("plain") and importlib.util.find_spec("pandas") is not None:
            for row in _plain_days(models["telapart-paper"], telemetry, context):
                rows.append(row)
                _tell(row, context)
        return rows

    def _tuning(self, context: Context, folder: Path) -> list[Row]:
        n_fnodes = max(1, min(_FNODES, context.cases or _FNODES) // _TUNING_SHARE)
        days = _TUNING_DAYS if context.cases is None else 28
        config = replace(CablePlantConfig.realistic(), n_fnodes=n_fnodes, days=days)
        context.progress(f"simulating {n_fnodes} fiber nodes for {days} days")
        write_plant(config, folder, seed=context.seed)
        telemetry, tickets = _read(folder)
        rows: list[Row] = []
        paper = None
        for method, settings in _configs().items():
            if not (
                context.wants(method) or (method == "telapart-paper" and context.wants("plain"))
            ):
                continue
            memory, start = PeakMemory(), time.perf_counter()
            model = TelApart(settings).fit(telemetry, tickets)
            seconds = time.perf_counter() - start
            paper = model if method == "telapart-paper" else paper
            rows.append(
                {
                    "work": "tuning",
                    "method": method,
                    "fnodes": n_fnodes,
                    "modems": len(model.rhythms) and _n_modems(telemetry),
                    "days": days,
                    "seconds": seconds,
                    "seconds_all": seconds * _TUNING_SHARE,
                    "ms_per_node_day": seconds * 1000 / (n_fnodes * days),
                    "measured": f"{n_fnodes} nodes, {days} days; all is {_TUNING_SHARE} times that",
                    **memory.since(column=_PEAK),
                }
            )
            _tell(rows[-1], context)
        if paper and context.wants("plain") and importlib.util.find_spec("pandas") is not None:
            n_plain = _PLAIN_TUNING_DAYS if context.cases is None else 4
            rows.append(_plain_tuning(paper, telemetry, days, n_fnodes, n_plain))
            _tell(rows[-1], context)
        return [row for row in rows if context.wants(str(row["method"]))]


def _configs() -> dict[str, TelApartConfig]:
    return {"telapart": TelApartConfig(), "telapart-paper": TelApartConfig.paper()}


def _read(folder: Path) -> tuple[TelemetryFolder, Tickets]:
    telemetry = TelemetryFolder(folder / "telemetry")
    return telemetry, read_tickets(read_table(folder / "tickets.csv"))


def _n_modems(telemetry: TelemetryFolder) -> int:
    end_s = telemetry.window.end_s
    return sum(n.n_devices for n in telemetry.nodes(TimeWindow(end_s - DAY_S, end_s), metrics=()))


def _day_row(
    work: str,
    method: str,
    model: TelApart,
    telemetry: TelemetryFolder,
    fnodes: Sequence[str],
    context: Context,
) -> Row:
    # None reads each file once, without looking for names.
    asked = None if len(fnodes) == len(telemetry.fnodes) else fnodes

    def diagnose() -> Diagnosis:
        return model.diagnose(TelemetryFolder(telemetry.path), fnodes=asked)

    found = diagnose()
    memory = PeakMemory()
    seconds = _best_seconds(diagnose, context.seconds)
    return {
        "work": work,
        "method": method,
        "fnodes": len(found),
        "modems": sum(len(node.device_ids) for node in found.nodes),
        "days": 1,
        "seconds": seconds,
        "ms_per_node_day": seconds * 1000 / len(found),
        "measured": "all of it",
        **memory.since(column=_PEAK),
    }


def _plain_days(model: TelApart, telemetry: TelemetryFolder, context: Context) -> list[Row]:
    from faultsight.bench.plain_telapart import plain_read, plain_verdicts

    end_s = telemetry.window.end_s
    memory, start = PeakMemory(), time.perf_counter()
    span = TimeWindow(end_s - 2 * DAY_S - model.history_s, end_s)
    rows = plain_read(telemetry.path, span)
    reading_s = time.perf_counter() - start
    found = model.diagnose(telemetry, fnodes=telemetry.fnodes[:_PLAIN_NODES])
    agreed = judged = 0
    start = time.perf_counter()
    for node in found.nodes:
        mine = rows[rows["fnode"] == node.fnode]
        mine = mine[mine["time_s"] < node.window.end_s]
        verdicts = plain_verdicts(mine, node.window, model, model.rhythms[node.fnode])
        agreed += sum(
            verdicts.get(d) == v for d, v in zip(node.device_ids, node.verdict, strict=True)
        )
        judged += len(node.device_ids)
    node_s = (time.perf_counter() - start) / len(found)
    n_fnodes = len(telemetry.fnodes)
    n_modems = _n_modems(telemetry)
    known: Row = {
        "method": "plain",
        "days": 1,
        "agreement_with_telapart_paper": agreed / judged,
        **memory.since(column=_PEAK),
    }
    measured = f"reading all; {len(found)} nodes"
    return [
        {"work": "node-day", "fnodes": 1, "modems": judged // len(found), "seconds": node_s,
         "ms_per_node_day": node_s * 1000, "measured": measured + ", reading apart", **known},
        {"work": "isp-day", "fnodes": n_fnodes, "modems": n_modems,
         "seconds": reading_s + node_s * n_fnodes,
         "ms_per_node_day": reading_s * 1000 / n_fnodes + node_s * 1000,
         "measured": measured + ", scaled", **known},
    ]  # fmt: skip


def _plain_tuning(
    model: TelApart, telemetry: TelemetryFolder, days: int, n_fnodes: int, n_plain: int
) -> Row:
    from faultsight.bench.plain_telapart import plain_read, plain_sweep

    end_s = telemetry.window.end_s
    fnode = telemetry.fnodes[0]
    span = TimeWindow(end_s - n_plain * DAY_S, end_s)
    memory, start = PeakMemory(), time.perf_counter()
    rows = plain_read(telemetry.path, TimeWindow(span.start_s - model.history_s, end_s))
    reading_s = (time.perf_counter() - start) / (n_plain + model.history_s / DAY_S)
    start = time.perf_counter()
    windows = windows_of(span)
    plain_sweep(rows[rows["fnode"] == fnode], windows, model, model.rhythms[fnode])
    node_day_s = (time.perf_counter() - start) / len(windows)
    seconds = reading_s * days + node_day_s * n_fnodes * days
    return {
        "work": "tuning",
        "method": "plain",
        "fnodes": n_fnodes,
        "modems": _n_modems(telemetry),
        "days": days,
        "seconds": seconds,
        "seconds_all": seconds * _TUNING_SHARE,
        "ms_per_node_day": seconds * 1000 / (n_fnodes * days),
        "measured": f"1 node, {len(windows)} days, scaled",
        **memory.since(column=_PEAK),
    }


def _best_seconds(work: Callable[[], object], limit_s: float) -> float:
    begun = time.perf_counter()
    seconds: list[float] = []
    while not seconds or (len(seconds) < _REPEATS and time.perf_counter() - begun < limit_s):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _with_speedups(rows: Sequence[Row]) -> list[Row]:
    plain = {
        (row["work"], row["fnodes"]): float(row["seconds"] or 0)
        for row in rows
        if row["method"] == "plain"
    }
    return [
        {**row, "speedup": plain[key] / float(row["seconds"] or 1)}
        if (key := (row["work"], row["fnodes"])) in plain
        else row
        for row in rows
    ]


def _tell(row: Row, context: Context) -> None:
    context.progress(
        f"{row['work']}, {row['fnodes']} nodes, {row['method']}: {row['seconds']:.2f} s"
    )
