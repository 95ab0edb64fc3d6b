"""faultsight diagnose: what kind of fault a cable plant has, and whose job it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from faultsight.cli._json_option import STDOUT, JsonTarget, write_json
from faultsight.cli._moments import moment_text, parse_moment
from faultsight.cli._progress import progress
from faultsight.cli.detect import Mode
from faultsight.core.errors import InputError, SettingError

if TYPE_CHECKING:
    from rich.console import Console

    from faultsight.cli._diagnosis_found import Found, WatchedTelemetry
    from faultsight.core.kpi_frame import TimeWindow
    from faultsight.core.plant import Plant
    from faultsight.core.polls import Telemetry
    from faultsight.core.tickets import Tickets
    from faultsight.diagnose.contract import Diagnoser, Diagnosis
    from faultsight.diagnose.faults import Dispatch, Fault
    from faultsight.diagnose.reading import QuarantinedPolls

__all__ = ["diagnose"]

_DAY_S, _HOUR_S = 86_400, 3600
_TELAPART = "telapart"
_DEFAULT_DAYS = 7
_MOST_WINDOWS = 10_000


def diagnose(
    pnm: Annotated[
        Path,
        Argument(
            metavar="PNM",
            help="Polls of cable modems: a folder of telemetry, or CSV or Parquet files.",
        ),
    ],
    *,
    tickets: Annotated[
        Path | None,
        Option(metavar="FILE", help="Trouble tickets: all thresholds are learned from them."),
    ] = None,
    topology: Annotated[
        Path | None,
        Option(metavar="FILE", help="Where modems hang: faults are placed at an amplifier or tap."),
    ] = None,
    model: Annotated[
        Path | None,
        Option(
            metavar="FILE.json",
            help="With --tickets, where to keep what was learned; without, where to read it.",
        ),
    ] = None,
    since: Annotated[
        str, Option(metavar="TIME", help="Diagnose from here on; default: the last --days.")
    ] = "",
    until: Annotated[str, Option(metavar="TIME", help="Up to here; default: the last poll.")] = "",
    days: Annotated[
        int | None, Option(min=1, help=f"How many days to diagnose; default: {_DEFAULT_DAYS}.")
    ] = None,
    step: Annotated[
        int, Option(min=1, metavar="HOURS", help="A verdict for each modem every so often.")
    ] = 24,
    fnodes: Annotated[
        str, Option(metavar="A,B,...", help="Diagnose these fiber nodes only; learn from all.")
    ] = "",
    faults: Annotated[
        Path | None,
        Option(
            metavar="KNOWN.json",
            help="What --json of an earlier run wrote: its faults go on under their ids.",
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        Option("--map", metavar="NAME=COLUMN", help="What PNM calls a column; may be repeated."),
    ] = None,
    units: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=UNIT",
            help="Its unit, such as snr_db='tenth dB' or timestamp=ms; may be repeated.",
        ),
    ] = None,
    mode: Annotated[
        Mode, Option(help="Settings to start from: ours, or the published ones.")
    ] = Mode.DEFAULT,
    method: Annotated[
        str, Option(help="telapart, or a peer to compare it with (see the reference).")
    ] = _TELAPART,
    set_: Annotated[
        list[str] | None,
        Option("--set", metavar="KEY=VALUE", help="A setting of the method; may be repeated."),
    ] = None,
    top: Annotated[int, Option(min=1, help="Lines of the list of whom to send where.")] = 10,
    report: Annotated[
        Path | None, Option(metavar="FILE.html", help="Write a self-contained HTML page.")
    ] = None,
    json_target: JsonTarget = None,
) -> None:
    """Tell faults of the shared plant (maintenance) from those of one home (service).

    For every modem and day there is a verdict: maintenance, service,
    healthy, or insufficient (too few polls). Modems that move together
    are one fault; the list of whom to send where has the worst first.

    The first time, give --tickets of the past weeks, and --model to keep
    what is learned from them:

        faultsight diagnose telemetry --tickets tickets.csv --model model.json

    From then on the model is enough:

        faultsight diagnose telemetry --model model.json

    PNM has a row for each poll and upstream channel, with timestamp,
    device_id, fnode, channel, snr_db, tx_power_dbmv, rx_power_dbmv. Other
    names: --map. Other units than dB and dBmV: --units. Stamps without a
    zone are UTC. Tickets have ticket_id, device_id, opened, closed, kind.
    """
    from faultsight.cli._diagnosis_found import Found
    from faultsight.cli._diagnosis_text import print_found

    asked = _Asked(pnm, tickets, topology, model, tuple(map_ or ()), tuple(units or ()), method,
                   report, json_target)  # fmt: skip
    from_s, to_s = parse_moment("--since", since), parse_moment("--until", until)
    if from_s is not None and days is not None:
        raise SettingError("either --since or --days")
    diagnoser = _diagnoser(asked, mode, set_ or [])
    known = [] if faults is None else _known_faults(faults)
    console = _console(json_target)
    watched, quarantined, told, plant = _inputs(asked, console)
    chosen = _chosen(fnodes, watched.fnodes)
    span = _span(watched.window, from_s, to_s, days or _DEFAULT_DAYS)
    _check_length(span, diagnoser.look_back_s, step * _HOUR_S)
    if from_s is not None and from_s < span.start_s:
        _say(console, f"--since is before the first poll: diagnosed from "
             f"{moment_text(span.start_s)} UTC on")  # fmt: skip
    tuned_on = None
    if told is not None:
        tuned_on = _tuning_span(watched.window, span, diagnoser.look_back_s)
        with progress("learning from tickets") as line:
            diagnoser.fit(watched, told, window=tuned_on, progress=line)
        if model is not None:
            _write_model(diagnoser, model)
    with progress("diagnosing") as line:
        diagnosis = diagnoser.diagnose(
            watched, window=span, step_s=step * _HOUR_S, fnodes=chosen, progress=line
        )
    # What was read of the polls tells how their modems are written.
    told = None if told is None else told.named_like(watched.device_ids)
    plant = None if plant is None else plant.named_like(watched.device_ids)
    with progress("following faults"):
        found_faults = _faults(diagnosis, known, watched, plant, told)
    found = Found(
        watched, quarantined, span, tuned_on, diagnoser, diagnosis, *found_faults, told, plant
    )
    # JSON first: who pipes the words into `head` still gets it. The report last: whatever befalls
    # the largest file, nothing else is lost.
    if json_target:
        _write_json(found, json_target)
    print_found(console, found, top=top)
    if report is not None:
        _write_report(report, found)
    _close(console, found, asked)


@dataclass(frozen=True)
class _Asked:
    """What was typed, as far as it is read, written or to be typed again."""

    pnm: Path
    tickets: Path | None
    topology: Path | None
    model: Path | None
    map_: tuple[str, ...]
    units: tuple[str, ...]
    method: str
    report: Path | None
    json_target: str | None


def _inputs(
    asked: _Asked, console: Console
) -> tuple[WatchedTelemetry, list[QuarantinedPolls], Tickets | None, Plant | None]:
    """Read everything, and tell what was set aside before anything else can fail."""
    from faultsight.cli._diagnosis_found import WatchedTelemetry
    from faultsight.cli._diagnosis_text import print_quarantine
    from faultsight.core.exported_tables import read_export
    from faultsight.core.plant import Plant
    from faultsight.core.tickets import read_tickets
    from faultsight.diagnose.reading import QuarantinedPolls, read_polls

    told = plant = None
    if asked.tickets is not None:
        told = read_tickets(read_export(asked.tickets), source=str(asked.tickets))
    if asked.topology is not None:
        plant = Plant.from_table(read_export(asked.topology), source=str(asked.topology))
    with progress("reading polls"):
        telemetry, quarantined = read_polls(
            asked.pnm, columns=_pairs("--map", asked.map_), units=_pairs("--units", asked.units)
        )
    if told is not None:
        quarantined += [
            QuarantinedPolls(**vars(note), source=str(asked.tickets))
            for note in (*told.set_aside, *told.noticed)
        ]
    print_quarantine(console, quarantined)
    return WatchedTelemetry(telemetry), quarantined, told, plant


def _write_json(found: Found, target: str) -> None:
    from faultsight.cli._diagnosis_json import diagnosis_json

    write_json(diagnosis_json(found), target)


def _close(console: Console, found: Found, asked: _Asked) -> None:
    """Tell what was written and what to type next.

    Raises
    ------
    Exit
        With 3 if a whole file could not be read; the others were answered.
    """
    is_to_file = asked.json_target not in (None, STDOUT)
    json_file = Path(str(asked.json_target)) if is_to_file else None
    for what, path in (
        ("model", asked.model if found.tuned_on is not None else None),
        ("report", asked.report),
        ("verdicts and faults", json_file),
    ):
        if path is not None:
            _say(console, f"{what}: {path}")
    _say(console, f"next: faultsight diagnose {' '.join(_next(asked, json_file))}")
    if any(note.rows == 0 for note in found.quarantined):
        raise Exit(3)


def _next(asked: _Asked, json_file: Path | None) -> list[str]:
    """Return the words of the next run: the model in place of tickets, and the faults known."""
    from shlex import quote

    words: list[str] = [str(asked.pnm)]
    for option, told in (("--map", asked.map_), ("--units", asked.units)):
        for one in told:
            words += [option, one]
    if asked.topology is not None:
        words += ["--topology", str(asked.topology)]
    if asked.method != _TELAPART:
        words += ["--method", asked.method, "--tickets", str(asked.tickets)]
    else:
        if asked.model is None:
            words += ["--tickets", str(asked.tickets)]
        words += ["--model", str(asked.model or "model.json")]
    words += [] if json_file is None else ["--faults", str(json_file)]
    words += ["--json", str(json_file or "diagnosis.json")]
    words += ["--report", "report.html"] if asked.report is None else []
    return [quote(word) for word in words]


def _check_use(asked: _Asked) -> None:
    json_file = None if asked.json_target in (None, STDOUT) else Path(str(asked.json_target))
    for option, path in (("--report", asked.report), ("--json", json_file)):
        if path is not None and path.is_dir():
            raise SettingError(f"{option}: {path} is a folder; name a file in it")
    if asked.tickets is None and asked.model is None:
        raise SettingError(
            "give --tickets to learn from them, or --model to use what was learned before"
        )
    if asked.model is not None and asked.method != _TELAPART:
        raise SettingError(
            f"only {_TELAPART} has a model to keep; {asked.method} needs --tickets alone"
        )
    if asked.model is not None and asked.tickets is not None and asked.model.exists():
        # A slip of the finger must not cost a table of tickets.
        try:
            _read_model(asked.model)
        except InputError as error:
            raise SettingError(
                f"--model: {asked.model} is there and is no model; name another file"
            ) from error


def _diagnoser(asked: _Asked, mode: Mode, settings: Sequence[str]) -> Diagnoser:
    """Return a diagnoser to be fitted, or the one that was fitted before."""
    from faultsight.cli._settings import configured
    from faultsight.diagnose import DIAGNOSERS

    member = DIAGNOSERS.load(asked.method)
    _check_use(asked)
    if asked.tickets is None and asked.model is not None:
        if settings or mode is not Mode.DEFAULT:
            raise SettingError("the settings are the model's; --set and --mode need --tickets")
        return _read_model(asked.model)
    if mode is Mode.DEFAULT:
        return configured(member, settings)
    if asked.method != _TELAPART:
        raise SettingError(f"--mode paper is for {_TELAPART}; {asked.method} has one mode")
    from faultsight.diagnose.telapart import TelApart, TelApartConfig

    class Carrier:
        def __init__(self, config: TelApartConfig | None = None) -> None:
            self.config = config or TelApartConfig.paper()

    Carrier.__name__ = TelApart.__name__
    return TelApart(configured(Carrier, settings).config)


def _pairs(option: str, told: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for one in told:
        name, equals, value = one.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise SettingError(f"{option}: {one!r} is not of the form NAME=VALUE")
        if name.strip() in pairs:
            raise SettingError(f"{option}: {name.strip()} is told twice")
        pairs[name.strip()] = value.strip()
    return pairs


def _known_faults(path: Path) -> list[Fault]:
    """Return the faults of an earlier run, of its JSON or of the faults alone."""
    from faultsight.diagnose.faults import faults_from_json

    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text)
    except FileNotFoundError as error:
        raise InputError("no such file", source=str(path)) from error
    except ValueError as error:
        raise InputError("cannot be read as JSON", source=str(path)) from error
    if isinstance(told, dict) and "diagnosis" in str(told.get("format")):
        text = json.dumps(told.get("faults"))
    return faults_from_json(text, source=str(path))


def _read_model(path: Path) -> Diagnoser:
    from faultsight.diagnose.telapart import TelApart

    if not path.is_file():
        raise InputError("no such file; the first time, give --tickets too", source=str(path))
    return TelApart.load(path)


def _write_model(diagnoser: Diagnoser, path: Path) -> None:
    from faultsight.diagnose.telapart import TelApart

    if isinstance(diagnoser, TelApart):
        diagnoser.save(path)


def _chosen(text: str, known: Sequence[str]) -> list[str] | None:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3) or list(known[:3])
            raise SettingError(f"--fnodes: there is no fiber node {name!r}; there is {near[0]!r}")
    return names or None


def _span(whole: TimeWindow, from_s: int | None, to_s: int | None, days: int) -> TimeWindow:
    """Return what is to be diagnosed."""
    from faultsight.core.kpi_frame import TimeWindow

    if whole.end_s <= whole.start_s:
        raise InputError("there is no poll")
    end_s = whole.end_s if to_s is None else min(to_s, whole.end_s)
    # Before the first poll there is nothing to say, however long one looks.
    start_s = max(end_s - days * _DAY_S if from_s is None else from_s, whole.start_s)
    if start_s >= end_s or end_s <= whole.start_s:
        raise InputError(
            f"there is no poll between --since and --until; polls are from "
            f"{moment_text(whole.start_s)} to {moment_text(whole.end_s)} UTC"
        )
    return TimeWindow(start_s, end_s)


def _check_length(span: TimeWindow, look_back_s: int, step_s: int) -> None:
    n_windows = (span.end_s - span.start_s - look_back_s) // step_s + 1
    if n_windows > _MOST_WINDOWS:
        raise SettingError(
            f"a verdict every {step_s // _HOUR_S} hours from {moment_text(span.start_s)} to "
            f"{moment_text(span.end_s)} UTC is {n_windows:,} for each modem, more than the "
            f"{_MOST_WINDOWS:,} allowed; give fewer --days or a longer --step"
        )
    hours = (span.end_s - span.start_s) / _HOUR_S
    if span.end_s - span.start_s < look_back_s:
        raise InputError(
            f"a verdict looks at {look_back_s / _HOUR_S:g} hours of polls, and there are "
            f"{hours:.1f} from {moment_text(span.start_s)} to {moment_text(span.end_s)} UTC"
        )


def _tuning_span(whole: TimeWindow, span: TimeWindow, look_back_s: int) -> TimeWindow:
    """Return what is learned from: everything before what is diagnosed, and nothing of that."""
    from faultsight.core.kpi_frame import TimeWindow

    if span.start_s - whole.start_s < look_back_s:
        raise InputError(
            f"there is less than {look_back_s // _HOUR_S} hours of polls before "
            f"{moment_text(span.start_s)} UTC to learn from, and what is diagnosed is not learned "
            "from; give fewer --days, or an earlier run's --model without --tickets"
        )
    return TimeWindow(whole.start_s, span.start_s)


def _faults(
    diagnosis: Diagnosis,
    known: Sequence[Fault],
    telemetry: Telemetry,
    plant: Plant | None,
    tickets: Tickets | None,
) -> tuple[list[Fault], list[Dispatch]]:
    """Follow a diagnosis to faults, and those to a list of whom to send where."""
    from faultsight.diagnose.faults import (
        dispatch_list,
        tell_kinds,
        tell_recurrence,
        track_faults,
        with_tickets,
    )

    faults = track_faults(diagnosis, known=known)
    faults = tell_kinds(faults, telemetry=telemetry, plant=plant)
    faults = tell_recurrence(faults, telemetry=telemetry)
    if tickets is not None:
        faults = with_tickets(faults, tickets)
    return faults, dispatch_list(faults)


def _write_report(path: Path, found: Found) -> None:
    from faultsight.diagnose.report import write_report

    with progress("writing the report"):
        write_report(
            path,
            found.diagnosis,
            faults=found.faults,
            dispatch=found.dispatch,
            telemetry=found.telemetry,
            plant=found.plant,
            tickets=found.tickets,
            tuned_on=found.tuned_on,
            model=found.model,
            title="Faults of the cable plant",
        )


def _console(json_target: str | None) -> Console:
    from rich.console import Console

    return Console(quiet=json_target == STDOUT, highlight=False)


def _say(console: Console, text: str) -> None:
    from faultsight.core.printable import printable

    console.print(printable(text), markup=False, soft_wrap=True)
