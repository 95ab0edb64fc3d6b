"""faultsight detect: which KPIs of a network element misbehave, and when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json
from faultsight.cli._kpi_tables import KpiTables, tell_still
from faultsight.cli._moments import iso_moment, moment_text, parse_moment
from faultsight.cli._progress import progress
from faultsight.core.errors import InputError, SettingError

if TYPE_CHECKING:
    from rich.console import Console

    from faultsight.core.feedback import Mark
    from faultsight.core.kpi_frame import KpiFrame
    from faultsight.detect.anotuner import AnoTuner, TuningReport
    from faultsight.detect.anotuner.model_versions import ModelVersions
    from faultsight.detect.contract import Score
    from faultsight.detect.evaluation import Evaluation

__all__ = ["Mode", "app"]

T = TypeVar("T")

_FIGURES = {
    "f1_deployed": "F1",
    "average_precision": "average precision",
    "event_recall": "event recall",
}
"""Of those kept with a version, what the list of versions shows, and as what."""

app = Typer(no_args_is_help=True, help="Which KPIs of a network element misbehave, and when.")


class Mode(StrEnum):
    """Whose settings are the default: ours, or the paper's."""

    DEFAULT = "default"
    PAPER = "paper"


Data = Annotated[
    list[Path],
    Argument(metavar="DATA...", help="CSV or Parquet files of KPIs, or folders of them."),
]
Model = Annotated[Path, Argument(metavar="MODEL", help="Folder of the model and its versions.")]
Set = Annotated[
    list[str] | None,
    Option("--set", metavar="KEY=VALUE", help="One of the settings; may be repeated."),
]
Timestamp = Annotated[
    str, Option(metavar="COLUMN", help="Column of stamps; UTC where no zone is told.")
]
Entity = Annotated[
    str, Option(metavar="COLUMN", help="Column of entities; without it, a file is an entity.")
]
Label = Annotated[
    str, Option(metavar="COLUMN", help="Column of known anomalies, 0 or 1; never trained on.")
]
Kpis = Annotated[
    str,
    Option(metavar="A,B,...", help="KPI columns; default: the model's, or all other numbers."),
]
Interval = Annotated[
    int | None,
    Option(min=1, metavar="SECONDS", help="From row to row; default: the usual step."),
]


@app.command(cls=JsonCommand)
def fit(
    data: Data,
    *,
    model: Annotated[Path, Option(metavar="MODEL", help="Folder to write the model to.")],
    mode: Annotated[
        Mode, Option(help="Settings to start from: ours, or the published model's.")
    ] = Mode.DEFAULT,
    set_: Set = None,
    device: Annotated[
        str, Option(metavar="cpu|cuda", help="Where to train; cuda is a GPU that torch sees.")
    ] = "cpu",
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Train a model on unlabelled KPIs of many entities.

    Interrupted, the same command goes on where it stopped.
    Into a folder that holds a model, a new version is written.
    """
    from faultsight.core.time_grid import step_text
    from faultsight.detect import AnoTuner, AnoTunerConfig
    from faultsight.detect.thresholds import THRESHOLDS

    versions = _model_versions(model)
    default = AnoTunerConfig.paper() if mode is Mode.PAPER else AnoTunerConfig()
    config = _with_settings(default, set_, "AnoTuner")
    # What would fail after training is told before it.
    THRESHOLDS.load(config.threshold)
    if model.exists() and not model.is_dir():
        raise SettingError(f"--model: {model} is a file; name a folder")
    checkpoint = model / "training.safetensors"
    detector = AnoTuner(config, checkpoint=checkpoint, device=device)
    console = _console(json_target)
    tables = KpiTables(data, timestamp, entity, label, kpis, interval_s)
    frames, dropped = tables.read(partial(_say, console))
    _check_enough(frames, data)
    tell_still(frames, partial(_say, console))
    _say(console, f"rows {step_text(frames[0].interval_s)} apart")
    try:
        with progress("training") as told:
            detector.fit(frames, progress=told)
    except KeyboardInterrupt:
        if checkpoint.is_file():
            _say(console, "interrupted; the same command goes on after the last whole epoch")
        raise
    card = {"data": [path.name for path in data], "dropped_rows": dropped,
            "moved_rows": _n_moved(frames), "step": "fit"}  # fmt: skip
    version = versions.add(detector, card)
    checkpoint.unlink(missing_ok=True)
    n_rows = sum(len(frame) for frame in frames)
    _say(console, f"trained on {_count(len(frames), 'entity')}, {_count(n_rows, 'row')}, "
         f"{_count(len(detector.kpis), 'KPI')}: version {version} in {model}")  # fmt: skip
    if json_target:
        write_json(json.dumps(versions.card(version), indent=1), json_target)


@app.command(cls=JsonCommand)
def score(
    model: Model,
    data: Data,
    *,
    since: Annotated[
        str, Option(metavar="TIME", help="Tell of rows from here on; earlier ones are history.")
    ] = "",
    top: Annotated[int, Option(min=1, help="Show at most so many alarms, the worst first.")] = 20,
    out: Annotated[
        Path | None, Option(metavar="FILE", help="Write every score (.parquet or .csv).")
    ] = None,
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Score KPIs and list the alarms, with the KPIs that raise them."""
    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise SettingError(f"--out: scores are written as .csv or .parquet, not {out.suffix!r}")
    console = _console(json_target)
    first_s = parse_moment("--since", since)
    versions = _model_versions(model)
    detector = versions.load()
    tables = KpiTables(data, timestamp, entity, label, kpis, interval_s)
    frames, dropped = tables.read(partial(_say, console), detector.kpis, detector.interval_s)
    with progress("scoring"):
        scores = detector.score(frames)
    if first_s is not None:
        scores = [s[max(-((s.start_s - first_s) // s.interval_s), 0) :] for s in scores]
    n_rows = sum(len(s) for s in scores)
    if not n_rows:
        last_s = max(frame.window.end_s for frame in frames)
        raise InputError(f"no row is as late as --since; they end at {moment_text(last_s)} UTC")
    alarms = detector.alarms(scores)
    _say(console, f"{_count(len(alarms), 'alarm')} in {_count(n_rows, 'row')} of "
         f"{_count(len(scores), 'entity')} (model version {versions.current})")  # fmt: skip
    worst = sorted(alarms, key=lambda a: (-a.peak, a.entity, a.window))[:top]
    if worst and not console.quiet:
        from faultsight.cli._alarm_table import alarm_table

        console.print(alarm_table(worst, console.width))
    if len(alarms) > len(worst):
        _say(console, f"and {len(alarms) - len(worst):,} lesser ones; --top shows more")
    if out is not None:
        _write_scores(out, scores, detector)
        _say(console, f"scores in {out}")
    if json_target:
        document = {
            "version": versions.current,
            "entities": len(scores),
            "rows": n_rows,
            "dropped_rows": dropped,
            "moved_rows": _n_moved(frames),
            "alarms": [a.to_dict() for a in alarms],
        }
        write_json(json.dumps(document, indent=1), json_target)


@app.command(cls=JsonCommand)
def marks(
    model: Model,
    data: Data,
    *,
    out: Annotated[Path, Option(metavar="FILE.csv", help="The sheet to write.")],
    since: Annotated[
        str, Option(metavar="TIME", help="From here on; default: after training, if there is more.")
    ] = "",
    until: Annotated[str, Option(metavar="TIME", help="Up to here; default: the end.")] = "",
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Write a sheet of the alarms for an operator to mark.

    Fill in the column kind (false_alarm, confirmed, ignore), add rows of
    kind missed for what raised no alarm, and give the sheet to
    `tune --feedback`. Where DATA has labels, they play the operator.
    """
    import polars as pl

    from faultsight.core.files import write_atomic
    from faultsight.core.kpi_frame import TimeWindow
    from faultsight.core.spreadsheet import spreadsheet_csv

    if out.suffix.lower() != ".csv":
        raise SettingError(f"--out: the sheet is written as .csv, not {out.suffix!r}")
    first_s, last_s = parse_moment("--since", since), parse_moment("--until", until)
    if first_s is not None and last_s is not None and last_s <= first_s:
        raise SettingError("--until must be later than --since")
    console = _console(json_target)
    detector = _model_versions(model).load()
    tables = KpiTables(data, timestamp, entity, label, kpis, interval_s)
    frames, dropped = tables.read(partial(_say, console), detector.kpis, detector.interval_s)
    start_s = min(frame.start_s for frame in frames)
    end_s = max(frame.window.end_s for frame in frames) if last_s is None else last_s
    if first_s is None:
        first_s = detector.trained.end_s if detector.trained.end_s < end_s else start_s
        _say(console, f"rows from {moment_text(first_s)} UTC on")
    span = TimeWindow(first_s, max(first_s, end_s))
    with progress("scoring"):
        scores = detector.score(frames)
    sheet = [
        {"entity": frame.entity, "start": moment_text(mark.start_s),
         "end": moment_text(mark.end_s), "kind": kind}
        for frame, found in zip(frames, scores, strict=True)
        for mark, kind in _to_mark(detector, frame, found, span)
    ]  # fmt: skip
    columns = ("entity", "start", "end", "kind")
    table = pl.DataFrame(sheet, schema=dict.fromkeys(columns, pl.String))
    write_atomic(out, spreadsheet_csv(table))
    counts = dict(sorted(table["kind"].value_counts().iter_rows()))
    said = ", ".join(f"{n:,} {kind or 'to be marked'}" for kind, n in counts.items())
    _say(console, f"{_count(table.height, 'row')} in {out}: {said or 'no alarm'}")
    if json_target:
        document = {"out": str(out), "since": iso_moment(first_s), "dropped_rows": dropped,
                    "moved_rows": _n_moved(frames), "marks": counts}  # fmt: skip
        write_json(json.dumps(document, indent=1), json_target)


@app.command(cls=JsonCommand)
def tune(
    model: Model,
    data: Data,
    *,
    feedback: Annotated[
        Path,
        Option(
            metavar="FILE",
            help="Marks: entity, start, end, kind (false_alarm, missed, confirmed, ignore).",
        ),
    ],
    mode: Annotated[
        Mode, Option(help="Settings to start from: ours, or the published way.")
    ] = Mode.DEFAULT,
    questions: Annotated[
        Path | None,
        Option(
            metavar="FILE.csv",
            help="Write what active learning asks (--mode paper); learn from answers in it.",
        ),
    ] = None,
    set_: Set = None,
    timestamp: Timestamp = "timestamp",
    entity: Entity = "entity",
    label: Label = "label",
    kpis: Kpis = "",
    interval_s: Interval = None,
    json_target: JsonTarget = None,
) -> None:
    """Learn from an operator's marks: a new version, kept beside the old one.

    DATA holds the history that the model was trained on and the rows that
    the marks speak of.
    """
    from faultsight.cli._question_sheet import QuestionSheet
    from faultsight.core.exported_tables import refuse_other_separators
    from faultsight.core.feedback import read_marks
    from faultsight.core.tables import read_table, refuse_columns_told_twice
    from faultsight.detect import TuningConfig

    versions = _model_versions(model)
    default = TuningConfig.paper() if mode is Mode.PAPER else TuningConfig()
    config = _with_settings(default, set_, "tuning")
    if questions is not None and config.history != "tsal":
        raise SettingError("nothing is asked without active learning: --mode paper or history=tsal")
    answers = None if questions is None else QuestionSheet.read(questions)
    console = _console(json_target)
    parent = versions.current
    before = versions.load(parent)
    refuse_other_separators(feedback)
    refuse_columns_told_twice(feedback)
    sheet = read_table(feedback, names=("entity", "kind", "kpis"))
    told = read_marks(sheet, source=str(feedback))
    if not told:
        raise InputError(
            "no row is marked; fill in false_alarm, confirmed or ignore",
            source=str(feedback), column="kind",
        )  # fmt: skip
    tables = KpiTables(data, timestamp, entity, label, kpis, interval_s)
    frames, dropped = tables.read(partial(_say, console), before.kpis, before.interval_s)
    _tell_whole(console, told, frames)
    if before.marks:
        known = _count(len(before.marks), "mark")
        _say(console, f"together with the {known} that version {parent} has learned from")
    with progress("tuning") as line:
        ask = None if answers is None else answers.ask
        after, report = before.tune(frames, told, config, ask=ask, progress=line)
    _tell_tuning(console, report, len(told), str(feedback))
    if answers is not None:
        answers.write()
        _say(
            console,
            f"{_count(len(answers.answers), 'question')} in {answers.path}, {answers.n_open:,} "
            "open: say yes or no under is_anomaly, and tune again",
        )
    ends = [_end_of(told, frames), versions.marked_until(parent)]
    marked = max((end for end in ends if end is not None), default=None)
    card = {
        "step": "tune",
        "marks": len(told),
        "marked_until": None if marked is None else iso_moment(marked),
        "tuning": report.to_dict(),
    }
    version = versions.add(after, card)
    same = "" if any(v.kept for v in report.verdicts) else f", and scores as version {parent} does"
    _say(console, f"version {version} is in use{same}; faultsight detect revert {model} goes back")
    if json_target:
        document = {
            "version": version,
            "marked_until": card["marked_until"],
            "dropped_rows": dropped,
            "moved_rows": _n_moved(frames),
            **report.to_dict(),
        }
        write_json(json.dumps(document, indent=1), json_target)


@app.command(cls=JsonCommand)
def evaluate(
    model: Model,
    data: Data,
    *,
    since: Annotated[
        str,
        Option(metavar="TIME", help="Judge rows from here on; default: after training and marks."),
    ] = "",
    version: Annotated[
        list[int] | None,
        Option(metavar="N", help="A version to compare; may be repeated. Default: first, current."),
    ] = None,
    report: Annotated[
        Path | None, Option(metavar="FILE.html", help="Write a self-contained HTML page.")
    ] = None,
    ablation: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="A result of `bench run detect/ablation --json`, to draw in the page.",
        ),
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
    from faultsight.detect.evaluation import evaluate_versions

    if ablation is not None and report is None:
        raise SettingError("--ablation is drawn in the page that --report writes; name one")
    pieces = [] if ablation is None else _ablation_rows(ablation)
    console = _console(json_target)
    since_s = parse_moment("--since", since)
    versions = _model_versions(model)
    chosen = sorted(set(version or (versions.current, versions.versions[0])))
    models = {f"version {number}": versions.load(number) for number in chosen}
    tables = KpiTables(data, timestamp, entity, label, kpis, interval_s)
    known = dict.fromkeys(kpi for detector in models.values() for kpi in detector.kpis)
    steps = {detector.interval_s for detector in models.values()}
    fitted_s = steps.pop() if len(steps) == 1 else None
    frames, dropped = tables.read(partial(_say, console), list(known), fitted_s)
    if all(frame.labels is None for frame in frames):
        raise InputError("there is no column of labels to judge by", column=label)
    since_s, warnings = _judged_since(console, since_s, versions, models, chosen)
    with progress("scoring and judging"):
        found = evaluate_versions(models, frames, since_s=since_s)
    if not console.quiet:
        rows = found.rows
        _say(console, f"{_count(int(str(rows[0]['entities'])), 'entity')}, "
             f"{_count(int(str(rows[0]['rows'])), 'row')}, "
             f"{int(str(rows[0]['anomalous_rows'])):,} of them anomalous")  # fmt: skip
        print_rows(_by_metric(found), console)
        if found.trade_off:
            _say(console, found.trade_off)
    told = {"since": iso_moment(since_s), "data": [path.name for path in data]}
    _keep_figures(console, versions, {
        number: told | {key: value for key, value in row.items() if key != "model"}
        for number, row in zip(chosen, found.rows, strict=False)  # the random score's is the last
    })  # fmt: skip
    if report is not None:
        from faultsight.detect.report import write_report

        with progress("writing the report"):
            write_report(report, found, ablation=pieces)
        _say(console, f"report in {report}")
    if json_target:
        document = {
            "since": iso_moment(since_s),
            "warnings": warnings,
            "dropped_rows": dropped,
            "moved_rows": _n_moved(frames),
            "trade_off": found.trade_off,
            "rows": list(found.rows),
        }
        write_json(json.dumps(document, indent=1), json_target)


@app.command("versions", cls=JsonCommand)
def list_versions(model: Model, *, json_target: JsonTarget = None) -> None:
    """List the versions of a model, what made them, and what they reached when judged last."""
    from faultsight.bench.engine import print_rows

    console = _console(json_target)
    found = _model_versions(model)
    current, figures = found.current, found.figures()
    rows: list[dict[str, Any]] = []
    for number in found.versions:
        told = found.card(number)
        card = told["card"]
        layers = card.get("tuning", {}).get("layers", ())
        kept = [layer["step"] for layer in layers if layer["kept"]]
        rows.append({
            "version": number, "in use": "yes" if number == current else "",
            "step": str(card.get("step", "")), "parent": card.get("parent"),
            "marks": card.get("marks"), "layers kept": ", ".join(kept),
            "marked until": card.get("marked_until"),
            "entities": len(told["entities"]), "kpis": len(told["kpis"]),
            "figures": figures.get(number),
        })  # fmt: skip
    if not console.quiet:
        shown = ["version", "in use", "step", "parent", "marks", "layers kept"]
        print_rows(rows, console, columns=shown)
        reached: list[dict[str, Any]] = [
            {"version": number, "judged from": str(told.get("since"))[:16].replace("T", " ")}
            | {name: told.get(key) for key, name in _FIGURES.items()}
            for number, told in figures.items()
        ]
        if reached:
            _say(console, "as last judged by `detect evaluate`:")
            print_rows(reached, console)
    if json_target:
        write_json(json.dumps(rows, indent=1), json_target)


@app.command(cls=JsonCommand)
def revert(
    model: Model,
    *,
    to: Annotated[
        int | None,
        Option(metavar="N", help="The version to go back to; default: the current one's parent."),
    ] = None,
    json_target: JsonTarget = None,
) -> None:
    """Put an earlier version of a model back in use."""
    number = _model_versions(model).revert(to)
    _say(_console(json_target), f"version {number} is in use")
    if json_target:
        write_json(json.dumps({"version": number}), json_target)


def _keep_figures(
    console: Console, versions: ModelVersions, figures: dict[int, dict[str, Any]]
) -> None:
    """Keep figures beside the versions; where they cannot be kept, the report still is written."""
    try:
        versions.keep_figures(figures)
    except (OSError, InputError) as error:
        _say(console, f"these figures are not kept with the model: {error}")


def _model_versions(folder: Path) -> ModelVersions:
    """Return the versions in a folder.

    Raises
    ------
    MissingExtraError
        If torch is not installed: asked for AnoTuner first, the package says how to install it.
    """
    from faultsight import detect

    _ = detect.AnoTuner
    from faultsight.detect.anotuner.model_versions import ModelVersions

    return ModelVersions(folder)


def _with_settings(default: T, settings: Sequence[str] | None, owner: str) -> T:
    """Return settings with those of ``--set``; `configured` wants a class that carries them."""
    from faultsight.cli._settings import configured

    class Carrier:
        def __init__(self, config: T = default) -> None:
            self.config = config

    Carrier.__name__ = owner
    return configured(Carrier, settings or []).config


def _console(json_target: str | None) -> Console:
    from rich.console import Console

    return Console(quiet=json_target == STDOUT, highlight=False)


def _say(console: Console, text: str) -> None:
    from faultsight.core.printable import printable

    console.print(printable(text), markup=False, soft_wrap=True)


def _count(count: int, noun: str) -> str:
    many = noun.removesuffix("y") + "ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"


def _to_mark(detector: AnoTuner, frame: KpiFrame, found: Score, span: Any) -> list[tuple[Any, str]]:
    """Return an entity's windows in a span and what the labels, if any, say of them."""
    from faultsight.detect.marking import mark_errors

    rows = frame.rows_in(span)
    if frame.labels is None:
        return [(alarm.window, "") for alarm in detector.alarms([found[rows]])]
    level = detector.level_of(frame.entity)
    marks = mark_errors(found[rows], frame.labels[rows], level)
    return [(mark.window, mark.kind.value) for mark in marks]


def _check_enough(frames: Sequence[KpiFrame], data: Sequence[Path]) -> None:
    """Refuse what nothing can be learned from.

    Raises
    ------
    InputError
        If no entity has as many known rows as a level of its own needs.
    """
    import numpy as np

    from faultsight.detect.thresholds import LEAST_SCORES

    most = max(int(np.isfinite(frame.values).any(axis=1).sum()) for frame in frames)
    if 0 < most < LEAST_SCORES:
        raise InputError(
            f"no entity has more than {_count(most, 'row')} with a value; at least {LEAST_SCORES} "
            "of one are needed to learn from",
            source=", ".join(map(str, data)),
        )  # fmt: skip


def _n_moved(frames: Sequence[KpiFrame]) -> int:
    return sum(frame.n_moved for frame in frames)


def _tell_tuning(console: Console, report: TuningReport, n_marks: int, source: str) -> None:
    """Print what was learned from and which layers were kept.

    Raises
    ------
    InputError
        If there was nothing to learn from.
    """
    from faultsight.bench.engine import print_rows

    for reason, count in sorted(report.dropped.items()):
        _say(console, f"put aside: {_count(count, 'mark')}, {_WHY_NOT[reason]}")
    if not report.n_marks:
        raise InputError(
            f"nothing can be learned from {_count(n_marks, 'mark')}: none says false_alarm, missed "
            "or confirmed of rows of the data",
            source=source,
        )  # fmt: skip
    said = ", ".join(f"{n:,} {kind}" for kind, n in sorted(report.n_marks.items()))
    _say(console, f"learned from {_count(sum(report.n_marks.values()), 'mark')}: {said}")
    if not console.quiet:
        layers: list[dict[str, Any]] = [
            {"layer": v.step, "kept": "yes" if v.kept else "no", "why": v.reason}
            for v in report.verdicts
        ]
        print_rows(layers, console)


_WHY_NOT = {
    "unknown_entity": "of entities that the data does not hold",
    "outside_data": "outside the time of the data",
    "contradicted": "contradicted by others",
}


def _tell_whole(console: Console, marks: Sequence[Mark], frames: Sequence[KpiFrame]) -> None:
    """Warn of marks that speak of all the rows of an entity: more than one seldom means."""
    windows = {frame.entity: frame.window for frame in frames}
    whole = {
        mark.entity
        for mark in marks
        if (window := windows.get(mark.entity)) is not None
        and mark.window.start_s <= window.start_s
        and mark.window.end_s >= window.end_s
    }
    if whole:
        some = ", ".join(sorted(whole)[:5]) + (" and others" if len(whole) > 5 else "")
        _say(console, f"warning: marks cover every row of {some}; none is left to judge by")


def _end_of(marks: Sequence[Mark], frames: Sequence[KpiFrame]) -> int | None:
    """Return where the last row lies that any mark speaks of: its end in seconds since 1970."""
    windows = {frame.entity: frame.window for frame in frames}
    return max(
        (
            min(mark.window.end_s, windows[mark.entity].end_s)
            for mark in marks
            if mark.entity in windows and mark.window.overlaps(windows[mark.entity])
        ),
        default=None,
    )


def _judged_since(
    console: Console,
    asked_s: int | None,
    versions: ModelVersions,
    models: dict[str, AnoTuner],
    chosen: Sequence[int],
) -> tuple[int, list[str]]:
    """Return from when on to judge, and what to be wary of: rows that a version was told of."""
    trained_s = max(detector.trained.end_s for detector in models.values())
    marked = {number: versions.marked_until(number) for number in chosen}
    known = {number: end_s for number, end_s in marked.items() if end_s is not None}
    marked_s = max(known.values(), default=trained_s)
    if asked_s is None:
        why = "where the marks that tuned it end" if marked_s > trained_s else "after training"
        since_s = max(trained_s, marked_s)
        _say(console, f"judging rows from {moment_text(since_s)} UTC on, {why}")
        return since_s, []
    warnings = [
        f"version {number} learned from marks of rows up to {moment_text(end_s)} UTC, and is "
        "judged on some of them"
        for number, end_s in known.items()
        if asked_s < end_s
    ]
    if asked_s < trained_s:
        warnings.insert(0, f"rows up to {moment_text(trained_s)} UTC were trained on")
    for warning in warnings:
        _say(console, f"warning: {warning}")
    return asked_s, warnings


def _ablation_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a result of ``detect/ablation``.

    Raises
    ------
    InputError
        If the file is no result, or one of another scenario.
    """
    from faultsight.bench.engine import read_result

    result = read_result(path)
    if result.scenario != "detect/ablation":
        raise InputError(
            f"is a result of {result.scenario}, not of detect/ablation", source=str(path)
        )
    return [dict(row) for row in result.rows]


def _by_metric(found: Evaluation) -> list[dict[str, Any]]:
    """Return the table with a row for each metric: models are few, metrics are many."""
    counted = ("model", "entities", "rows", "anomalous_rows")
    return [
        {"metric": key.replace("_", " "), **{str(row["model"]): row[key] for row in found.rows}}
        for key in found.rows[0]
        if key not in counted
    ]


def _write_scores(path: Path, scores: Sequence[Score], detector: AnoTuner) -> None:
    import numpy as np
    import polars as pl

    from faultsight.core.files import write_atomic
    from faultsight.core.spreadsheet import spreadsheet_csv
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
    is_csv = path.suffix.lower() == ".csv"
    write_atomic(path, spreadsheet_csv(table) if is_csv else parquet_bytes(table))
