"""faultsight localize: where in a KPI cube a fault sits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from faultsight.cli._json_option import STDOUT, JsonTarget, write_json
from faultsight.core.errors import FaultSightError, InputError, SettingError

if TYPE_CHECKING:
    from faultsight.core.cube import KpiCube
    from faultsight.core.kpi import Kpi
    from faultsight.localize.contract import Localization
    from faultsight.localize.history import History

__all__ = ["localize"]

# Labels of the public datasets lie beside the cases.
_NOT_CASES = ("injection_info.csv",)


@dataclass(frozen=True)
class _Columns:
    """How the columns of a table are to be read."""

    actual: str
    forecast: str
    attributes: tuple[str, ...]
    measures: dict[str, tuple[str, str]]
    kpis: tuple[Kpi, ...]
    time: str
    at: str | None
    baseline_before: str | None
    forecaster: Any
    missing: Any
    duplicates: Any


@dataclass(frozen=True)
class _Result:
    """What became of one input: an answer, or why there is none."""

    source: str
    name: str
    cube: KpiCube | None = None
    answer: Localization | None = None
    history: History | None = None
    error: str = ""


def localize(
    cases: Annotated[
        list[Path],
        Argument(metavar="CASE...", help="CSV or Parquet files, or folders of them."),
    ],
    *,
    actual: Annotated[str, Option(help="Column of the actual values.")] = "real",
    forecast: Annotated[str, Option(help="Column of the forecast values.")] = "predict",
    attributes: Annotated[
        str, Option(metavar="A,B,...", help="Attribute columns; default: all the others.")
    ] = "",
    kpi: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=ACTUAL[,FORECAST]",
            help="A KPI and its columns; may be repeated. Without FORECAST where --time is given.",
        ),
    ] = None,
    ratio: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=A/B",
            help="Localize the ratio of two KPIs, A counting failures; may be repeated.",
        ),
    ] = None,
    time: Annotated[
        str, Option(metavar="COLUMN", help="Time column of a history without forecasts.")
    ] = "",
    at: Annotated[
        str | None,
        Option(metavar="TIME", help="The moment to localize (ISO 8601 or epoch); default: last."),
    ] = None,
    baseline_before: Annotated[
        str | None,
        Option(metavar="TIME", help="Forecast from times before this one only; default: --at."),
    ] = None,
    forecast_by: Annotated[
        str, Option(help="moving_average, seasonal_naive or holt_winters; with --time.")
    ] = "moving_average",
    forecast_set: Annotated[
        list[str] | None,
        Option(metavar="KEY=VALUE", help="A setting of the forecaster; may be repeated."),
    ] = None,
    missing: Annotated[
        str, Option(help="What a time without a row says of a leaf: zero or unknown.")
    ] = "zero",
    method: Annotated[str, Option(help="scan, rapminer, or a peer.")] = "scan",
    set_: Annotated[
        list[str] | None,
        Option("--set", metavar="KEY=VALUE", help="A setting of the method; may be repeated."),
    ] = None,
    top: Annotated[int | None, Option(min=1, help="Show at most so many patterns.")] = None,
    duplicates: Annotated[
        str, Option(help="Two rows of one leaf: error, or sum to add them up.")
    ] = "error",
    verbose: Annotated[
        bool, Option("--verbose", "-v", help="Details of each case, also of several.")
    ] = False,
    report: Annotated[
        Path | None, Option(metavar="FILE.html", help="Write a self-contained HTML page.")
    ] = None,
    json_target: JsonTarget = None,
) -> None:
    """Rank the attribute combinations at the root of a fault, and say why.

    A case is a table of leaves: a column for each attribute, the actual and the forecast value.
    Of several cases the bad ones are counted and told; the exit code is then 3.
    """
    from rich.console import Console

    from faultsight.cli._settings import configured
    from faultsight.localize import LOCALIZERS
    from faultsight.localize.forecasts import FORECASTERS

    localizer = configured(LOCALIZERS.load(method), set_ or [])
    measures, kpis = _kpis(kpi or [], ratio or [], has_forecast=not time)
    if not time and (at or baseline_before or forecast_set):
        raise SettingError("--at, --baseline-before and --forecast-set need --time COLUMN")
    columns = _Columns(
        actual=actual,
        forecast=forecast,
        attributes=tuple(a.strip() for a in attributes.split(",") if a.strip()),
        measures=measures,
        kpis=kpis,
        time=time,
        at=at,
        baseline_before=baseline_before,
        forecaster=configured(FORECASTERS.load(forecast_by), forecast_set or []),
        missing=_one_of("--missing", missing, ("zero", "unknown")),
        duplicates=_one_of("--duplicates", duplicates, ("error", "sum")),
    )
    console = Console(quiet=json_target == STDOUT, highlight=False)
    paths = list(_files(cases))
    is_detailed = verbose or len(paths) == 1
    results = []
    for path in paths:
        result = _localized(path, columns, localizer, top)
        _show(console, result, is_detailed)
        results.append(result)
    _close(console, results, report, json_target)


def _close(
    console: Any, results: Sequence[_Result], report: Path | None, json_target: str | None
) -> None:
    failed = sum(1 for result in results if result.error)
    if len(results) > 1:
        console.print(f"{len(results) - failed} of {len(results)} cases localized")
    if report is not None:
        from faultsight.localize.report import ReportCase, write_report

        shown = [
            ReportCase(r.name, r.cube, r.answer, r.history) for r in results if r.cube and r.answer
        ]
        if shown:
            write_report(report, shown)
            console.print(f"report: {report}", markup=False, soft_wrap=True)
    if json_target:
        document = {"cases": [_document(result) for result in results], "failed": failed}
        write_json(json.dumps(document, indent=1, ensure_ascii=False), json_target)
    if failed:
        raise Exit(3)


def _localized(path: Path, columns: _Columns, localizer: Any, top: int | None) -> _Result:
    try:
        cube, history = _read(path, columns)
        answer = localizer.localize(cube)
    except FaultSightError as error:
        from faultsight.core.errors import MissingExtraError

        if isinstance(error, (MissingExtraError, SettingError)):
            raise  # no other file would fare better
        return _Result(str(path), path.stem, error=str(error))
    return _Result(
        str(path), path.stem, cube, replace(answer, patterns=answer.patterns[:top]), history
    )


def _read(path: Path, columns: _Columns) -> tuple[KpiCube, History | None]:
    from faultsight.core.cube import KpiCube
    from faultsight.core.tables import read_table
    from faultsight.localize.history import cube_from_history

    table = read_table(path, as_text=columns.attributes)
    if columns.time:
        wanted = {m: pair[0] for m, pair in columns.measures.items()} or {
            columns.actual: columns.actual
        }
        for name, column in wanted.items():
            if name == column or column not in table.columns:
                continue
            if name in table.columns:
                raise SettingError(f"--kpi {name!r}: the table has another column of that name")
            table = table.rename({column: name})
        history = cube_from_history(
            table,
            time=columns.time,
            measures=list(wanted),
            at=columns.at,
            baseline_before=columns.baseline_before,
            attributes=columns.attributes or None,
            kpis=columns.kpis or None,
            forecaster=columns.forecaster,
            missing=columns.missing,
            duplicates=columns.duplicates,
            name=str(path),
        )
        return history.cube, history
    cube = KpiCube.from_frame(
        table,
        attributes=columns.attributes or None,
        actual=columns.actual,
        forecast=columns.forecast,
        measures=columns.measures or None,
        kpis=columns.kpis or None,
        duplicates=columns.duplicates,
        name=str(path),
    )
    return cube, None


def _show(console: Any, result: _Result, is_detailed: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    from faultsight.cli._answer import print_answer, summary_line
    from faultsight.core.printable import printable

    if result.cube is None or result.answer is None:
        Console(stderr=True, soft_wrap=True).print(
            Text(f"faultsight: {printable(result.error)}", style="red")
        )
    elif is_detailed:
        console.print(Text(f"\n{printable(result.source)}", style="underline"))
        print_answer(console, result.cube, result.answer)
    else:
        line = f"{printable(result.source)}: {summary_line(result.answer)}"
        console.print(Text(line), soft_wrap=True)


def _document(result: _Result) -> dict[str, Any]:
    from faultsight.localize.wording import headline

    if result.cube is None or result.answer is None:
        return {"source": result.source, "error": result.error}
    return {
        "source": result.source,
        "headline": headline(result.cube, result.answer),
        "leaves": result.cube.n_leaves,
        "at": result.history.at_text if result.history else None,
        **result.answer.to_dict(),
        "quarantined": [vars(q) for q in result.cube.quarantined],
    }


def _files(cases: Sequence[Path]) -> Iterator[Path]:
    from faultsight.core.tables import TABLE_SUFFIXES

    for case in cases:
        if not case.is_dir():
            yield case
            continue
        inside = sorted(
            path
            for path in case.rglob("*")
            if path.suffix.lower() in TABLE_SUFFIXES
            and path.name not in _NOT_CASES
            and path.is_file()
        )
        if not inside:
            raise InputError("no CSV or Parquet file in this folder", source=str(case))
        yield from inside


def _kpis(
    named: Sequence[str], ratios: Sequence[str], *, has_forecast: bool
) -> tuple[dict[str, tuple[str, str]], tuple[Kpi, ...]]:
    """Return the measures and what is to be localized: the ratios if there are any."""
    from faultsight.core.kpi import Kpi

    measures: dict[str, tuple[str, str]] = {}
    for text in named:
        name, equals, pair = text.partition("=")
        parts = [part.strip() for part in pair.split(",")]
        if not equals or not name.strip() or len(parts) != 1 + has_forecast or not all(parts):
            form = "NAME=ACTUAL,FORECAST" if has_forecast else "NAME=ACTUAL"
            raise SettingError(f"--kpi {text!r} is not of the form {form}")
        measures[name.strip()] = (parts[0], parts[-1])
    kpis = []
    for text in ratios:
        name, equals, pair = text.partition("=")
        numerator, slash, denominator = (part.strip() for part in pair.partition("/"))
        if not (equals and slash and name.strip() and numerator and denominator):
            raise SettingError(f"--ratio {text!r} is not of the form NAME=A/B")
        kpis.append(Kpi.ratio(name.strip(), numerator, denominator))
        for part in (numerator, denominator):
            if part not in measures and has_forecast:
                measures[part] = (part, f"{part}_forecast")
            measures.setdefault(part, (part, part))
    return measures, tuple(kpis)


def _one_of(option: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise SettingError(f"{option} must be {' or '.join(known)}, not {value!r}")
    return value
