"""faultsight demo: a small provider watched for two weeks, and a page that tells the story."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from faultsight.cli._json_option import STDOUT, JsonTarget, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from faultsight.story.report import Told

__all__ = ["demo"]

_MARKER = "made-by-faultsight-demo"


def demo(
    out: Annotated[
        Path, Option(help="Folder of the report and the state; an earlier demo in it is replaced.")
    ] = Path("faultsight-demo"),
    seed: Annotated[int, Option(min=0, help="Same seed, same report.")] = 0,
    stations: Annotated[int, Option(min=2, max=1000, help="Base stations.")] = 40,
    fnodes: Annotated[int, Option(min=1, max=200, help="Fiber nodes.")] = 12,
    days: Annotated[
        int, Option(min=2, max=28, help="Days of the history, and of each of the two weeks.")
    ] = 7,
    method: Annotated[
        str, Option(help="Localizer of the page of single cases: scan, rapminer, or a peer.")
    ] = "scan",
    json_target: JsonTarget = None,
) -> None:
    """Simulate a small Internet provider, watch it for two weeks, and tell what happened.

    Base stations, a CDN and a cable plant with known faults send telemetry;
    the loop raises alarms, makes incidents, localizes and diagnoses them; an
    operator answers for a week; models learn; the second week is compared
    with the truth. Nothing is downloaded. `faultsight serve` goes on from
    the state.
    """
    from rich.console import Console
    from rich.text import Text

    from faultsight.core.files import write_atomic
    from faultsight.localize import LOCALIZERS
    from faultsight.localize.report import write_report
    from faultsight.story import ProviderConfig, live_through, simulate_provider
    from faultsight.story.localized_cases import case_rows, localized_cases
    from faultsight.story.report import render_story, tell

    LOCALIZERS.load(method)  # an unknown one is told of before the work
    console = Console(quiet=json_target == STDOUT, highlight=False)
    config = ProviderConfig(
        n_stations=stations, n_fnodes=fnodes, history_days=days, week_days=days, seed=seed
    )
    _make_room(out)
    with _progress(Console(stderr=True, highlight=False)) as progress:
        progress("simulating the provider", 0.0)
        provider = simulate_provider(config)
        lived = live_through(out / "state", provider, progress=lambda t, s: progress(t, 0.9 * s))
        with lived.application:
            progress("comparing with the truth", 0.9)
            told = tell(lived)
        progress("localizing real cases (RobustSpot, MIT) and a simulated CDN", 0.97)
        cases = list(localized_cases(method))
    links = {"localize": "localize.html"}
    write_report(out / "localize.html", cases, title="Localized cases")
    for feed, case in told.cubes.items():
        links[feed] = f"incident-{feed}.html"
        write_report(out / links[feed], [case], title=case.title)
    document = {**told.document, "localize": {"method": method, "cases": case_rows(cases)}}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    write_atomic(out / "report.json", text + "\n")
    page = write_atomic(out / "report.html", render_story(told, links))
    _summary(console, told, document["localize"]["cases"])
    console.print(Text(f"report: {page.resolve()}"), soft_wrap=True)
    state = (out / "state").resolve()
    console.print(Text(f"next:   faultsight serve --state {_quoted(state)}"), soft_wrap=True)
    if json_target:
        write_json(text, json_target)


def _make_room(out: Path) -> None:
    """Remove the state of an earlier demo; anything else there is not ours to remove.

    Raises
    ------
    InputError
        If the folder holds a state that no demo made.
    """
    import shutil

    from faultsight.core.errors import InputError
    from faultsight.core.files import write_atomic

    state = out / "state"
    if state.exists():
        if state.is_symlink() or not (state / _MARKER).is_file():
            raise InputError("it was not made by the demo; name another --out", source=str(state))
        shutil.rmtree(state)
    state.mkdir(parents=True, mode=0o700)
    write_atomic(state / _MARKER, "The next `faultsight demo` into this folder replaces it.\n")


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, float], None]]:
    """Show a bar with what happens on a terminal, a line a step elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    if not console.is_terminal:
        said: list[str] = []

        def tell(line: str, _share: float) -> None:
            # A day has several ticks; a log needs one line.
            step = line.partition(":")[0]
            if not said or said[-1] != step or ", day" not in step:
                console.print(Text(line), soft_wrap=True)
            said.append(step)

        yield tell
        return
    bar = Progress(BarColumn(24), TextColumn("{task.description}", markup=False),
                   TimeElapsedColumn(), console=console, transient=True)  # fmt: skip
    with bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda line, share: bar.update(task, description=line, completed=share)


def _summary(console: Console, told: Told, cases: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from faultsight.core.printable import printable

    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("second week", "before feedback", "after"):
        table.add_column(heading, overflow="fold")
    week = told.document["second_week"]
    for feed, key, name in (
        ("stations", "f1_deployed", "stations: F1, point-adjusted, as deployed"),
        ("stations", "event_recall", "stations: faults that an alarm met"),
        ("stations", "false_alarms_per_entity_day", "stations: false alarms per station and day"),
        ("cdn", "f1_deployed", "CDN: F1, point-adjusted, as deployed"),
        ("cdn", "false_alarms_per_entity_day", "CDN: false alarms per day"),
        ("cable", "macro_f1", "cable: macro F1 of verdicts"),
    ):
        before, after = week[feed]["before"][key], week[feed]["after"][key]
        table.add_row(name, _figure(before), _figure(after))
    console.print(table)
    for one in told.document["incidents"]:
        title = printable(one["incident"]["title"])
        console.print(Text(f"incident {one['incident']['id']}, {one['feed']}: {title}"))
    known = sum(row["roots_known"] for row in cases)
    hit = sum(row["roots_hit"] for row in cases)
    console.print(f"single cases: {hit} of {known} known roots found exactly")


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
