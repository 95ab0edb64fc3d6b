"""faultsight models: versions of the models in a state folder, and which one is at work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from typer import Argument, Option, Typer

from faultsight.cli._json_option import STDOUT, JsonCommand, JsonTarget, write_json
from faultsight.cli.users import StateDir, print_line

__all__ = ["app"]

app = Typer(no_args_is_help=True, help="Models of a state folder: which are there, who decided.")

ModelId = Annotated[str, Argument(metavar="MODEL", help="As FEED/VERSION, such as cells/3.")]
Why = Annotated[str, Option(help="The reason; kept with the decision.")]


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
