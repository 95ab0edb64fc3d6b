"""faultsight detect: which KPIs of a network element misbehave, and when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json
from faultsight.core.errors import InputError, SettingError

if TYPE_CHECKING:
    from rich.console import Console

    from faultsight.core.kpi_frame import KpiFrame
    from faultsight.detect.alarms import Alarm
    from faultsight.detect.anotuner import AnoTuner
    from faultsight.detect.contract import Score

__all__ = ["app"]

app = Typer(no_args_is_help=True, help="Which KPIs of a network element misbehave, and when.")

_ALARMS_SHOWN = 20

Data = Annotated[
    list[Path],
    Argument(metavar="DATA...", help="CSV or Parquet files of KPIs, or folders of them."),
]
Model = Annotated[Path, Argument(metavar="MODEL", help="Folder of the model and its versions.")]
Timestamp = Annotated[str, Option(help="Column of stamps; UTC where no zone is told.")]
Entity = Annotated[str, Option(help="Column of entities; without it, a file is an entity.")]
Label = Annotated[str, Option(help="Column of known anomalies, 0 or 1; never trained on.")]
Kpis = Annotated[str, Option(metavar="A,B,...", help="KPI columns; default: all other numbers.")]
Interval = Annotated[
    int | None, Option(min=1, help="Seconds from row to row; default: the usual step.")
]


def _read(
    data: Sequence[Path], timestamp: str, entity: str, label: str, kpis: str,
    interval_s: int | None,
) -> list[KpiFrame]:  # fmt: skip
    from faultsight.detect.reading import read_frames

    named = [name.strip() for name in kpis.split(",") if name.strip()]
    return read_frames(
        data, timestamp=timestamp, entity=entity, label=label, kpis=named or None,
        interval_s=interval_s,
    )  # fmt: skip


def _console(json_target: str | None) -> Console:
    from rich.console import Console

    return Console(quiet=json_target == STDOUT, highlight=False)


def _say(console: Console, text: str) -> None:
    from faultsight.localize.wording import printable

    console.print(printable(text), markup=False, soft_wrap=True)


def _time(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(" ", "seconds" if seconds % 60 else "minutes").removesuffix("+00:00")


def _tell_dropped(console: Console, frames: Sequence[KpiFrame]) -> dict[str, int]:
    dropped: dict[str, int] = {}
    for frame in frames:
        for reason, count in frame.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    for reason, count in sorted(dropped.items()):
        _say(console, f"put aside: {count} rows, {reason.replace('_', ' ')}")
    return dropped


@app.command(cls=JsonCommand)
def fit(
    data: Data,
    *,
    model: Annotated[Path, Option(help="Folder to write the model to.")],
    mode: Annotated[str, Option(help="default, or paper for the published model.")] = "default",
    set_: Annotated[
        list[str] | None,
        Option("--set", metavar="KEY=VALUE", help="A setting of AnoTuner; may be repeated."),
    ] = None,
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Train a model on unlabelled KPIs of many entities.

    Interrupted, the same command goes on where it stopped. Into a folder that holds a model, a
    new version is written.
    """
    from faultsight.cli._settings import configured
    from faultsight.detect import AnoTuner, AnoTunerConfig
    from faultsight.detect.anotuner.model_versions import ModelVersions

    if mode not in ("default", "paper"):
        raise SettingError(f"mode is default or paper, not {mode!r}")

    class Chosen(AnoTuner):
        def __init__(self, config: AnoTunerConfig | None = None) -> None:
            paper = AnoTunerConfig.paper() if mode == "paper" else AnoTunerConfig()
            super().__init__(config or paper)

    console = _console(json_target)
    frames = _read(data, timestamp, entity, label, kpis, interval_s)
    dropped = _tell_dropped(console, frames)
    checkpoint = model / "training.safetensors"
    detector = AnoTuner(configured(Chosen, set_ or []).config, checkpoint=checkpoint)
    detector.fit(frames, progress=lambda line: _say(console, line))
    card = {"data": [path.name for path in data], "dropped_rows": dropped, "step": "fit"}
    version = ModelVersions(model).add(detector, card)
    checkpoint.unlink(missing_ok=True)
    n_rows = sum(len(frame) for frame in frames)
    _say(console, f"trained on {len(frames)} entities, {n_rows} rows, {len(detector.kpis)} KPIs: "
         f"version {version} in {model}")  # fmt: skip
    if json_target:
        write_json(json.dumps(ModelVersions(model).card(), indent=1), json_target)


@app.command(cls=JsonCommand)
def score(
    model: Model,
    data: Data,
    *,
    since: Annotated[
        str, Option(metavar="TIME", help="Tell of rows from here on; earlier ones are history.")
    ] = "",
    out: Annotated[
        Path | None, Option(metavar="FILE", help="Write every score (Parquet or CSV).")
    ] = None,
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Score KPIs and list the alarms, with the KPIs that raise them."""
    from faultsight.detect.anotuner.model_versions import ModelVersions

    console = _console(json_target)
    versions = ModelVersions(model)
    detector = versions.load()
    frames = _read(data, timestamp, entity, label, kpis, interval_s)
    _tell_dropped(console, frames)
    first_s = _moment(since)
    scores = detector.score(frames)
    if first_s is not None:
        scores = [s[max(-((s.start_s - first_s) // s.interval_s), 0) :] for s in scores]
    alarms = detector.alarms(scores)
    n_rows = sum(len(s) for s in scores)
    _say(console, f"{len(alarms)} alarms in {n_rows} rows of {len(scores)} entities "
         f"(model version {versions.current})")  # fmt: skip
    _print_alarms(console, alarms)
    if out is not None:
        _write_scores(out, scores, detector)
        _say(console, f"scores in {out}")
    if json_target:
        told = {
            "version": versions.current,
            "rows": n_rows,
            "alarms": [a.to_dict() for a in alarms],
        }
        write_json(json.dumps(told, indent=1), json_target)


@app.command(cls=JsonCommand)
def marks(
    model: Model,
    data: Data,
    *,
    out: Annotated[Path, Option(metavar="FILE.csv", help="The sheet to write.")],
    since: Annotated[str, Option(metavar="TIME", help="From here on; default: all rows.")] = "",
    until: Annotated[str, Option(metavar="TIME", help="Up to here; default: all rows.")] = "",
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Write a sheet of the alarms for an operator to mark.

    Fill in the column kind (false_alarm, confirmed, ignore), add rows for missed anomalies, and
    give the sheet to `tune --feedback`. Where DATA has labels, they play the operator.
    """
    import polars as pl

    from faultsight.core.files import write_atomic
    from faultsight.core.kpi_frame import TimeWindow
    from faultsight.detect.anotuner.model_versions import ModelVersions
    from faultsight.detect.marking import mark_errors

    console = _console(json_target)
    detector = ModelVersions(model).load()
    frames = _read(data, timestamp, entity, label, kpis, interval_s)
    first_s, last_s = _moment(since), _moment(until)
    sheet: list[dict[str, str]] = []
    for frame, found in zip(frames, detector.score(frames), strict=True):
        span = TimeWindow(
            frame.start_s if first_s is None else first_s,
            frame.window.end_s if last_s is None else max(last_s, first_s or last_s),
        )
        rows = frame.rows_in(span)
        if frame.labels is None:
            said = [(a.window, "") for a in detector.alarms([found[rows]])]
        else:
            level = detector.level_of(frame.entity)
            marks = mark_errors(found[rows], frame.labels[rows], level)
            said = [(mark.window, mark.kind.value) for mark in marks]
        sheet += [
            {"entity": frame.entity, "start": _time(window.start_s), "end": _time(window.end_s),
             "kind": kind}
            for window, kind in said
        ]  # fmt: skip
    columns = ("entity", "start", "end", "kind")
    table = pl.DataFrame(sheet, schema=dict.fromkeys(columns, pl.String))
    write_atomic(out, table.write_csv())
    counts = dict(sorted(table["kind"].value_counts().iter_rows()))
    told = ", ".join(f"{n} {kind or 'to be marked'}" for kind, n in counts.items())
    _say(console, f"{table.height} rows in {out}: {told or 'no alarm'}")
    if json_target:
        write_json(json.dumps({"out": str(out), "marks": counts}, indent=1), json_target)


@app.command(cls=JsonCommand)
def tune(
    model: Model,
    data: Data,
    *,
    feedback: Annotated[
        Path,
        Option(help="Marks: entity, start, end, kind (false_alarm, missed, confirmed, ignore)."),
    ],
    mode: Annotated[str, Option(help="default, or paper for the published way.")] = "default",
    set_: Annotated[
        list[str] | None,
        Option("--set", metavar="KEY=VALUE", help="A setting of tuning; may be repeated."),
    ] = None,
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Learn from an operator's marks: a new version, kept beside the old one.

    DATA holds the history that the model was trained on and the rows that the marks speak of.
    """
    from faultsight.cli._settings import configured
    from faultsight.core.feedback import read_marks
    from faultsight.core.tables import read_table
    from faultsight.detect import TuningConfig
    from faultsight.detect.anotuner.model_versions import ModelVersions

    if mode not in ("default", "paper"):
        raise SettingError(f"mode is default or paper, not {mode!r}")

    class Tuning:
        """Carries the settings, as `configured` expects of a member."""

        def __init__(self, config: TuningConfig | None = None) -> None:
            paper = TuningConfig.paper() if mode == "paper" else TuningConfig()
            self.config = config or paper

    console = _console(json_target)
    config = configured(Tuning, set_ or []).config
    versions = ModelVersions(model)
    before = versions.load()
    told = read_marks(read_table(feedback, names=("entity", "kpis")), source=str(feedback))
    frames = _read(data, timestamp, entity, label, kpis, interval_s)
    _tell_dropped(console, frames)
    after, report = before.tune(frames, told, config, progress=lambda line: _say(console, line))
    for reason, count in sorted(report.dropped.items()):
        _say(console, f"put aside: {count} marks, {reason.replace('_', ' ')}")
    version = versions.add(after, {"step": "tune", "marks": len(told), "tuning": report.to_dict()})
    _say(console, f"version {version} is in use; faultsight detect revert {model} goes back")
    if json_target:
        write_json(json.dumps({"version": version, **report.to_dict()}, indent=1), json_target)


@app.command(cls=JsonCommand)
def evaluate(
    model: Model,
    data: Data,
    *,
    since: Annotated[
        str, Option(metavar="TIME", help="Judge rows from here on; earlier ones are history.")
    ] = "",
    version: Annotated[
        list[int] | None, Option(help="Versions to compare; default: the first and the current.")
    ] = None,
    report: Annotated[
        Path | None, Option(metavar="FILE.html", help="Write a self-contained HTML page.")
    ] = None,
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Compare versions of a model on labelled KPIs, with a random score beside them."""
    from faultsight.bench.engine import print_rows
    from faultsight.detect.anotuner.model_versions import ModelVersions
    from faultsight.detect.evaluation import evaluate_versions

    console = _console(json_target)
    versions = ModelVersions(model)
    frames = _read(data, timestamp, entity, label, kpis, interval_s)
    if all(frame.labels is None for frame in frames):
        raise InputError("there is no column of labels to judge by", column=label)
    chosen = version or sorted({versions.versions[0], versions.current})
    models = {f"version {number}": versions.load(number) for number in chosen}
    found = evaluate_versions(models, frames, since_s=_moment(since))
    if not console.quiet:
        print_rows(found.rows, console)
    if report is not None:
        from faultsight.detect.report import write_report

        write_report(report, found)
        _say(console, f"report in {report}")
    if json_target:
        write_json(json.dumps({"rows": list(found.rows)}, indent=1), json_target)


@app.command(cls=JsonCommand)
def versions(model: Model, *, json_target: JsonTarget = None) -> None:
    """List the versions of a model and what made them."""
    from faultsight.bench.engine import print_rows
    from faultsight.detect.anotuner.model_versions import ModelVersions

    console = _console(json_target)
    found = ModelVersions(model)
    current = found.current
    rows: list[dict[str, Any]] = []
    for number in found.versions:
        card = found.card(number)
        kept = [
            layer["step"]
            for layer in card["card"].get("tuning", {}).get("layers", ())
            if layer["kept"]
        ]
        rows.append({
            "version": number, "in use": "yes" if number == current else "",
            "step": str(card["card"].get("step", "")), "parent": card["card"].get("parent"),
            "marks": card["card"].get("marks"), "layers kept": ", ".join(kept),
            "entities": len(card["entities"]), "kpis": len(card["kpis"]),
        })  # fmt: skip
    print_rows(rows, console)
    if json_target:
        write_json(json.dumps(rows, indent=1), json_target)


@app.command(cls=JsonCommand)
def revert(
    model: Model,
    *,
    to: Annotated[
        int | None, Option(help="The version to go back to; default: the current one's parent.")
    ] = None,
    json_target: JsonTarget = None,
) -> None:
    """Put an earlier version of a model back in use."""
    from faultsight.detect.anotuner.model_versions import ModelVersions

    number = ModelVersions(model).revert(to)
    _say(_console(json_target), f"version {number} is in use")
    if json_target:
        write_json(json.dumps({"version": number}), json_target)


def _moment(text: str) -> int | None:
    import polars as pl

    from faultsight.core.kpi_frame import epoch_seconds

    return int(epoch_seconds(pl.Series("--since", [text]))[0]) if text else None


def _print_alarms(console: Console, alarms: Sequence[Alarm]) -> None:
    from faultsight.bench.engine import print_rows

    worst = sorted(alarms, key=lambda a: (-a.peak, a.entity, a.window))[:_ALARMS_SHOWN]
    if not worst or console.quiet:
        return
    print_rows(
        [
            {
                "entity": alarm.entity,
                "from (UTC)": _time(alarm.window.start_s),
                "to": _time(alarm.window.end_s),
                "times level": round(alarm.peak, 2),
                "KPIs": ", ".join(f"{kpi} {share:.0%}" for kpi, share in alarm.shares),
            }
            for alarm in worst
        ],
        console,
    )
    if len(alarms) > len(worst):
        _say(console, f"and {len(alarms) - len(worst)} lesser ones")


def _write_scores(path: Path, scores: Sequence[Score], detector: AnoTuner) -> None:
    import numpy as np
    import polars as pl

    from faultsight.core.files import write_atomic
    from faultsight.detect.reading import parquet_bytes

    parts = []
    for found in scores:
        level = detector.level_of(found.entity)
        stamps = found.start_s + np.arange(len(found), dtype=np.int64) * found.interval_s
        residuals = {} if found.residuals is None else {
            f"residual {kpi}": found.residuals[:, place] for place, kpi in enumerate(found.kpis)
        }  # fmt: skip
        parts.append(
            pl.DataFrame({
                "timestamp": pl.Series(stamps * 1_000_000).cast(pl.Datetime("us", "UTC")),
                "entity": [found.entity] * len(found),
                "score": found.total,
                "level": [level] * len(found),
                "alarm": found.total > level,
                **residuals,
            })
        )  # fmt: skip
    table = pl.concat(parts)
    if path.suffix.lower() == ".csv":
        write_atomic(path, table.write_csv())
    elif path.suffix.lower() == ".parquet":
        write_atomic(path, parquet_bytes(table))
    else:
        raise SettingError(f"scores are written as .csv or .parquet, not {path.suffix!r}")
