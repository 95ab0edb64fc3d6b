"""faultsight models: versions of the models in a state folder, and which one is at work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json
from faultsight.cli.users import StateDir, print_line

if TYPE_CHECKING:
    from faultsight.core.kpi_frame import TimeWindow

__all__ = ["app"]

app = Typer(no_args_is_help=True, help="Models of a state folder: which are there, who decided.")

ModelId = Annotated[str, Argument(metavar="MODEL", help="As FEED/VERSION, such as cells/3.")]
Why = Annotated[str, Option(help="The reason; kept with the decision.")]
Since = Annotated[
    str, Option(metavar="TIME", help="First moment that counts, UTC, such as 2026-01-05T06:00.")
]
Until = Annotated[
    str, Option(metavar="TIME", help="First moment that counts no more; if empty, all is taken.")
]


@app.command("list", cls=JsonCommand)
def list_models(
    feed: Annotated[str | None, Argument(metavar="FEED", help="Of one feed only.")] = None,
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """List models, the newest first, and which one is at work."""
    from faultsight.app.build import open_application

    with open_application(state) as application:
        if feed is not None:
            application.ops.feeds.get(feed)
        found: list[Any] = []
        after = None
        while True:
            page = application.models.page(feed=feed, after=after, limit=500)
            found += page.items
            if page.next is None:
                break
            after = page.next
    if json_target != STDOUT:
        if not found:
            print_line("no model yet")
        for model in found:
            told = _figures(model.card)
            print_line(
                f"{model.id:<24} {model.state.value:<10} {model.member:<14} "
                f"{model.card.get('step', ''):<10} {_moment(model.created_s)}  {told}".rstrip()
            )
    if json_target:
        write_json(json.dumps([_document(model) for model in found], indent=1), json_target)


@app.command(cls=JsonCommand)
def show(model: ModelId, state: StateDir = None, json_target: JsonTarget = None) -> None:
    """Show a model: what it comes from, how it was checked, and who decided what."""
    from faultsight.app.build import open_application

    feed, version = _parsed(model)
    with open_application(state) as application:
        found = application.models.get(feed, version)
        line = application.models.lineage(feed, version)
        decisions = application.models.decisions(feed, version)
    if json_target != STDOUT:
        print_line(f"{found.id}, {found.member}, {found.state.value}; in {found.path}")
        print_line(f"comes from: {' < '.join(each.id for each in line)}")
        for name, told in found.card.items():
            if told not in (None, [], {}):
                print_line(f"{name}: {told if isinstance(told, str) else json.dumps(told)}")
        for decision in decisions:
            why = f": {decision.why}" if decision.why else ""
            print_line(f"{_moment(decision.at_s)}  {decision.action} by {decision.by}{why}")
    if json_target:
        document = {
            **_document(found),
            "lineage": [each.id for each in line],
            "decisions": [
                {"at_s": d.at_s, "by": d.by, "action": d.action, "why": d.why} for d in decisions
            ],
        }
        write_json(json.dumps(document, indent=1), json_target)


@app.command(cls=JsonCommand)
def backtest(
    feed: Annotated[str, Argument(metavar="FEED", help="Whose settings.")],
    *,
    since: Since,
    until: Until = "",
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="A proposed setting of the feed, as JSON; may be repeated.",
        ),
    ] = None,
    refit: Annotated[
        bool,
        Option("--refit", help="Fit anew on the four weeks before also with settings as they are."),
    ] = False,
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """Run proposed settings of a feed on its past, before they are put to work; writes nothing.

    Another detector, threshold or diagnoser is fitted on the four weeks before.
    """
    from faultsight.app.build import open_application

    window = _window(since, until)
    with open_application(state) as application:
        proposed = application.back_tests.proposed(feed, _proposed(settings or ()))
        found = application.back_tests.run(proposed, window, refit=refit)
    if json_target != STDOUT:
        window = found.window
        print_line(f"{feed}, {_moment(window.start_s)} to {_moment(window.end_s)}")
        if found.is_fitted:
            print_line("with a model fitted on what lies before")
        for name, told in (("proposed", found.proposed), ("current", found.current)):
            print_line(
                f"{name + ':':<10} alarms {told.alarms}; marked anomalies found {told.found} of "
                f"{told.anomalies}; marked false alarms raised {told.raised} of {told.false_alarms}"
            )
            if name in found.tickets:
                print_line(f"{'':<10} {_of_tickets(found.tickets[name])}")
    if json_target:
        write_json(json.dumps(found.to_dict(), indent=1), json_target)


@app.command(cls=JsonCommand)
def replay(
    feed: Annotated[str, Argument(metavar="FEED", help="Whose past.")],
    *,
    since: Since,
    until: Until = "",
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """Decide a span of a feed's past again, and say what is not as it is stored; writes nothing.

    Each model counts for the rows that it scored; rules that mute, and rejected
    root patterns, count as they stand now. It ends with 0 whatever differs.
    """
    from faultsight.app.build import open_application

    window = _window(since, until)
    with open_application(state) as application:
        found = application.back_tests.replay(feed, window)
    if json_target != STDOUT:
        same = f"{len(found.differences)} differ" if found.differences else "as they are stored"
        print_line(
            f"{feed}, since {_moment(window.start_s)}: alarms {len(found.alarms)}, "
            f"incidents {len(found.incidents)}; {same}"
        )
        for told in found.differences:
            print_line(f"  {told}")
    if json_target:
        document = {
            "feed": feed,
            "is_same": found.is_same,
            "differences": found.differences,
            "alarms": [alarm.to_dict() for alarm in found.alarms],
            "incidents": [incident.to_dict() for incident in found.incidents],
        }
        write_json(json.dumps(document, indent=1), json_target)


@app.command(cls=JsonCommand)
def promote(
    model: ModelId,
    *,
    why: Why,
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """Put a model to work; the one that was at work is retired."""
    from faultsight.app.build import open_application
    from faultsight.app.roles import COMMAND_LINE

    feed, version = _parsed(model)
    with open_application(state) as application:
        found = application.models.promote(feed, version, COMMAND_LINE, why=why)
    _told(found, json_target)


@app.command(cls=JsonCommand)
def revert(
    feed: Annotated[str, Argument(metavar="FEED", help="Whose model.")],
    *,
    why: Why,
    state: StateDir = None,
    json_target: JsonTarget = None,
) -> None:
    """Put the model before the one at work back to work."""
    from faultsight.app.build import open_application
    from faultsight.app.roles import COMMAND_LINE

    with open_application(state) as application:
        found = application.models.revert(feed, COMMAND_LINE, why=why)
    _told(found, json_target)


def _window(since: str, until: str) -> TimeWindow:
    """Return the span that two options name.

    Raises
    ------
    SettingError
        If it is none.
    """
    from faultsight.cli._moments import FARTHEST_S, parse_moment
    from faultsight.core.errors import SettingError
    from faultsight.core.kpi_frame import TimeWindow

    start_s, end_s = parse_moment("--since", since), parse_moment("--until", until)
    if start_s is None or (end_s is not None and end_s <= start_s):
        raise SettingError("--since is a moment before --until")
    return TimeWindow(start_s, FARTHEST_S if end_s is None else end_s)


def _proposed(settings: Sequence[str]) -> dict[str, Any]:
    """Return settings given as ``key=value``; a value that is no JSON is a text.

    Raises
    ------
    SettingError
        If one is not of that form.

    Examples
    --------
    >>> _proposed(["raise_rows=3", "threshold=pot", 'diagnoser_settings={"evidence": "paper"}'])
    {'raise_rows': 3, 'threshold': 'pot', 'diagnoser_settings': {'evidence': 'paper'}}
    """
    from faultsight.core.errors import SettingError

    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise SettingError(f"{setting!r} is not of the form key=value")
        try:
            found[key.strip()] = json.loads(text)
        except ValueError:
            found[key.strip()] = text.strip()
    return found


def _of_tickets(told: Mapping[str, Any]) -> str:
    """Return in a few words how verdicts agree with tickets."""
    rate = "none" if told["rate"] is None else f"{told['rate']:.3g}"
    moved = ", ".join(f"{name} {value:.3g}" for name, value in told["thresholds"].items())
    return (
        f"tickets {told['tickets']}; {told['invariants']} of the 4 invariants hold; maintenance "
        f"tickets gather in diagnosed maintenance {rate} (1 is chance); {moved}"
    )


def _parsed(model: str) -> tuple[str, int]:
    """Return feed and version.

    Raises
    ------
    SettingError
        If it is not of the form FEED/VERSION.
    """
    from faultsight.core.errors import SettingError

    feed, slash, version = model.rpartition("/")
    if not (slash and feed and version.isascii() and version.isdecimal() and len(version) < 10):
        raise SettingError(f"{model!r} is no model: FEED/VERSION, such as cells/3")
    return feed, int(version)


def _told(model: Any, json_target: str | None) -> None:
    if json_target != STDOUT:
        print_line(f"{model.id} is at work")
    if json_target:
        write_json(json.dumps(_document(model), indent=1), json_target)


def _document(model: Any) -> dict[str, Any]:
    return {
        "id": model.id,
        "feed": model.feed,
        "version": model.version,
        "member": model.member,
        "path": model.path,
        "parent": model.parent,
        "state": model.state.value,
        "created_by": model.created_by,
        "created_s": model.created_s,
        "card": dict(model.card),
    }


def _figures(card: Mapping[str, Any]) -> str:
    """Return in a few words how a model did in its back-test."""
    test = card.get("back_test")
    return str(test["why"]) if isinstance(test, Mapping) and "why" in test else ""


def _moment(time_s: int) -> str:
    from faultsight.cli._moments import moment_text

    return f"{moment_text(time_s)} UTC"
