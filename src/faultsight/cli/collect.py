"""faultsight collect: telemetry of cable modems, over SNMP or from what other tools collected."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Exit, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json
from faultsight.cli._moments import parse_moment
from faultsight.cli._progress import progress
from faultsight.core.errors import InputError, SettingError

if TYPE_CHECKING:
    from rich.console import Console

    from faultsight.collectors import Collected, Collector, DeviceIds

__all__ = ["app"]

app = Typer(no_args_is_help=True, help="Collect telemetry of cable modems.")

Out = Annotated[
    Path,
    Option(metavar="TELEMETRY", help="Folder of telemetry to add to; made if it is not there."),
]
Fnode = Annotated[
    str, Option(metavar="NAME", help="Fiber node of all modems that nothing else places.")
]
Fnodes = Annotated[
    Path | None,
    Option(metavar="FILE", help="Table of fiber nodes: mac or device_id, and fnode."),
]
KeyFile = Annotated[
    Path | None,
    Option(metavar="FILE", help="Key of the hash that makes device ids of MAC addresses."),
]
PlainMac = Annotated[
    bool, Option("--plain-mac", help="Device ids are the MAC addresses themselves.")
]


class _FilesCommand(JsonCommand):
    """A command whose inputs are JSON: the file to write is named with ``--json=FILE`` only."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        told = [f"--json={STDOUT}" if arg == "--json" else arg for arg in args]
        return super().parse_args(ctx, told)


@app.command("snmp", cls=JsonCommand)
def collect_snmp(
    config: Annotated[Path, Argument(metavar="CONFIG", help="TOML file of CMTSs and credentials.")],
    *,
    out: Out,
    rounds: Annotated[
        int, Option(min=1, metavar="N", help="How many rounds, one every interval_s.")
    ] = 1,
    state: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="What is kept between rounds; default: TELEMETRY/snmp-state"),
    ] = None,
    json_target: JsonTarget = None,
) -> None:
    """Poll cable modems over SNMP: a walk of each CMTS, a GET for each modem.

    A round is written whole or not at all. Started again, it goes on: the
    totals of counters are kept beside the telemetry.
    """
    from faultsight.collectors.snmp import SnmpCollector, read_config
    from faultsight.core.telemetry import TelemetryFolder

    console = _console(json_target)
    told = read_config(config)
    if told.holds_secrets and config.stat().st_mode & 0o077:
        _say(console, f"warning: {config} holds secrets and others can read it: chmod 600")
    sink = TelemetryFolder.create(out)
    collector = SnmpCollector(told, state=state or out / "snmp-state")
    start = time.monotonic()
    documents: list[dict[str, Any]] = []
    failed = 0
    for number in range(rounds):
        wait_s = start + number * told.interval_s - time.monotonic()
        if wait_s > 0:
            _say(console, f"the next round begins in {wait_s:,.0f} s")
            time.sleep(wait_s)
        try:
            with progress("walking the CMTS") as line:
                done = collector.collect(sink, progress=line)
        except InputError as error:
            # One round that fails is no reason to give up those after it.
            if rounds == 1:
                raise
            failed += 1
            documents.append({"collector": "snmp", "problem": str(error)})
            _say(console, f"this round was lost: {error}")
            continue
        documents.append(done.to_dict())
        _tell(console, done, out)
    if json_target:
        write_json(json.dumps({"out": str(out), "rounds": documents}, indent=1), json_target)
    if failed:
        raise Exit(3)


@app.command("pypnm", cls=_FilesCommand)
def collect_pypnm(
    files: Annotated[
        list[Path], Argument(metavar="FILES...", help="Answers of PyPNM: JSON, or JSON lines.")
    ],
    *,
    out: Out,
    captured_at: Annotated[
        str, Option(metavar="TIME", help="When answers were taken that do not say so themselves.")
    ] = "",
    fnode: Fnode = "",
    fnodes: Fnodes = None,
    key_file: KeyFile = None,
    plain_mac: PlainMac = False,
    json_target: JsonTarget = None,
) -> None:
    """Read PyPNM's answers on upstream channels: stats and preEqualization.

    Name the file to write JSON to with --json=FILE: the inputs are JSON.
    """
    from faultsight.collectors.pypnm_json import PypnmJson, PypnmJsonConfig

    ids = _device_ids(key_file, plain_mac=plain_mac)
    moment = parse_moment("--captured-at", captured_at)
    config = PypnmJsonConfig(
        captured_at=None if moment is None else float(moment),
        fnode=fnode,
        fnodes=_fnodes(fnodes, ids),
        device_ids=ids,
    )
    _collect(PypnmJson(files, config), out, json_target)


@app.command("csv", cls=JsonCommand)
def collect_csv(
    files: Annotated[list[Path], Argument(metavar="FILES...", help="CSV or Parquet.")],
    *,
    out: Out,
    map_: Annotated[
        list[str] | None,
        Option("--map", metavar="NAME=COLUMN", help="The export's column; may be repeated."),
    ] = None,
    unit: Annotated[
        list[str] | None,
        Option(metavar="NAME=UNIT", help="whole (default), tenth, quarter or hundredth dB."),
    ] = None,
    counters: Annotated[
        Literal["deltas", "totals"] | None,
        Option(help="Whether counters are since the poll before, or since the start."),
    ] = None,
    fnode: Fnode = "",
    fnodes: Fnodes = None,
    key_file: KeyFile = None,
    plain_mac: PlainMac = False,
    json_target: JsonTarget = None,
) -> None:
    """Read polls that another tool exported.

    NAME is a column of telemetry: timestamp, device_id (or mac), fnode,
    channel, snr_db, tx_power_dbmv, rx_power_dbmv, counters and others; one
    that is not mapped is looked for under its own name.
    """
    from faultsight.collectors.csv_export import CsvExport, CsvExportConfig

    ids = _device_ids(key_file, plain_mac=plain_mac)
    config = CsvExportConfig(
        columns=_pairs("--map", map_ or ()),
        units=_pairs("--unit", unit or ()),
        counters=counters,
        fnode=fnode,
        fnodes=_fnodes(fnodes, ids),
        device_ids=ids,
    )
    _collect(CsvExport(files, config), out, json_target)


@app.command("ids", cls=JsonCommand)
def device_ids(
    table: Annotated[Path, Argument(metavar="TABLE", help="CSV or Parquet, such as of tickets.")],
    *,
    out: Annotated[Path, Option(metavar="FILE", help="The table to write (.csv or .parquet).")],
    mac: Annotated[str, Option(metavar="COLUMN", help="Column of MAC addresses.")] = "mac",
    key_file: KeyFile = None,
    json_target: JsonTarget = None,
) -> None:
    """Replace MAC addresses in a table by the device ids of telemetry.

    For tickets and topology: with the same key, they meet their modems.
    """
    import polars as pl

    from faultsight.core.errors import MissingColumnError
    from faultsight.core.exported_tables import read_export
    from faultsight.core.files import write_atomic

    if out.suffix.lower() not in (".csv", ".parquet"):
        raise SettingError(f"--out: a table is written as .csv or .parquet, not {out.suffix!r}")
    ids = _device_ids(key_file, plain_mac=False)
    rows = read_export(table)
    if mac not in rows.columns:
        raise MissingColumnError(mac, rows.columns, source=str(table))
    named = []
    for row, address in enumerate(rows[mac].cast(pl.String), start=1):
        try:
            named.append(ids.of(address or ""))
        except ValueError as error:
            raise InputError(str(error), source=str(table), column=mac, row=row) from error
    rows = rows.with_columns(pl.Series(mac, named, dtype=pl.String)).rename({mac: "device_id"})
    if out.suffix.lower() == ".csv":
        write_atomic(out, rows.write_csv())
    else:
        from io import BytesIO

        buffer = BytesIO()
        rows.write_parquet(buffer)
        write_atomic(out, buffer.getvalue())
    _say(_console(json_target), f"{rows.height:,} rows in {out}")
    if json_target:
        write_json(json.dumps({"out": str(out), "rows": rows.height}), json_target)


def _collect(collector: Collector, out: Path, json_target: str | None) -> None:
    from faultsight.core.telemetry import TelemetryFolder

    console = _console(json_target)
    with progress("reading") as line:
        done = collector.collect(TelemetryFolder.create(out), progress=line)
    _tell(console, done, out)
    if json_target:
        write_json(json.dumps({"out": str(out), **done.to_dict()}, indent=1), json_target)


def _tell(console: Console, done: Collected, out: Path) -> None:
    where = f"round {done.round_id}: " if done.round_id is not None else ""
    retried = f" ({done.retried:,} asked again)" if done.retried else ""
    _say(
        console,
        f"{where}{done.polled:,} polls{retried}, {done.unanswered:,} without an answer; "
        f"{done.rows:,} rows in {out} after {done.seconds:.1f} s",
    )
    for note in done.notes:
        _say(console, f"note: {note}")
    for one in done.set_aside:
        column = f"{one.column}: " if one.column else ""
        example = f", such as {one.example}" if one.example else ""
        _say(console, f"set aside: {column}{one.reason} ({one.count:,}{example})")


def _device_ids(key_file: Path | None, *, plain_mac: bool) -> DeviceIds:
    from faultsight.collectors import DeviceIds

    if plain_mac and key_file is not None:
        raise SettingError("either --key-file or --plain-mac")
    if key_file is not None:
        return DeviceIds.from_key_file(key_file)
    return DeviceIds(hashed=not plain_mac)


def _fnodes(path: Path | None, ids: DeviceIds) -> dict[str, str]:
    from faultsight.collectors._fnodes import read_fnodes

    return {} if path is None else read_fnodes(path, ids)


def _pairs(option: str, told: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for one in told:
        name, equals, value = one.partition("=")
        name, value = name.strip(), value.strip()
        if not (equals and name and value):
            raise SettingError(f"{option}: {one!r} is not of the form NAME=VALUE")
        if name in pairs:
            raise SettingError(f"{option}: {name} is told twice")
        pairs[name] = value
    return pairs


def _console(json_target: str | None) -> Console:
    from rich.console import Console

    return Console(quiet=json_target == STDOUT, highlight=False)


def _say(console: Console, text: str) -> None:
    from faultsight.core.printable import printable

    console.print(printable(text), markup=False, soft_wrap=True)
