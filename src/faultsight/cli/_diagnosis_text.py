"""A diagnosis on the terminal: what was used, what was learned, whom to send where, all faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from faultsight.cli._learned_thresholds import learned_in_words
from faultsight.cli._moments import moment_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from faultsight.cli._diagnosis_found import Found, WatchedTelemetry
    from faultsight.core.plant import Plant
    from faultsight.core.tickets import Tickets
    from faultsight.diagnose.faults import Dispatch, Fault, FaultMetrics
    from faultsight.diagnose.reading import QuarantinedPolls

__all__ = ["print_found", "print_quarantine"]

_MOST_FAULTS = 20
_DAY_S, _HOUR_S = 86_400, 3600
_INDENT = 4
_LABEL = 10

_VERDICTS = ("maintenance", "service", "insufficient", "healthy")


def print_quarantine(console: Console, quarantined: Sequence[QuarantinedPolls]) -> None:
    """Print what reading set aside or noticed, a line each."""
    from faultsight.core.printable import printable

    if quarantined:
        _heading(console, "not all of the input was used as it is")
    for note in quarantined:
        column = f"{printable(note.column)}: " if note.column and note.rows else ""
        where = f"{note.rows:,} row{'s' * (note.rows != 1)}, first {note.first_row:,}"
        if not note.rows:
            where = printable(note.source)
        elif note.source:
            where += f" of {printable(note.source)}"
        _wrapped(console, f"{column}{printable(note.reason)} ({where})", hanging=2)
    if quarantined:
        console.print()


def print_found(console: Console, found: Found, *, top: int) -> None:
    """Print everything that a run found.

    Parameters
    ----------
    console : rich.console.Console
        Where to.
    found : Found
        What.
    top : int
        Lines of the list of whom to send where.
    """
    if console.quiet:
        return
    for label, text in _used(found):
        _wrapped(console, f"{label:<{_LABEL}}{text}", hanging=_LABEL, indent=0)
    _heading(console, _learned_heading(found))
    for line in learned_in_words(found.model):
        console.print(" " * _INDENT + line, markup=False, soft_wrap=True)
    _print_verdicts(console, found)
    _print_agreement(console, found)
    _print_dispatch(console, found.dispatch, top)
    _print_faults(console, found)
    console.print()


def _used(found: Found) -> Iterator[tuple[str, str]]:
    watched = found.telemetry
    whole = watched.window
    yield (
        "read",
        f"{_count(len(watched.fnodes), 'fiber node')}, {_count(watched.n_modems, 'modem')}, "
        f"{_count(len(watched.channels), 'channel')}",
    )
    yield (
        "polls",
        f"{watched.n_polls:,} looked at, of {_span_text(whole.start_s, whole.end_s)}",
    )
    unseen = [m for m in found.model.metrics if m not in watched.metrics]
    if unseen:
        yield "", f"not collected: {', '.join(unseen)}; nothing is said of that"
    if found.tickets is not None:
        yield "tickets", _tickets_in_words(found, found.tickets)
    if found.plant is not None:
        yield "topology", _places_in_words(watched, found.plant)


def _places_in_words(watched: WatchedTelemetry, plant: Plant) -> str:
    n_known, n_elsewhere = watched.places_of(plant)
    text = f"places {n_known:,} of {_count(watched.n_modems, 'modem')}"
    if n_elsewhere:
        text += (
            f"; {n_elsewhere:,} of them in another fiber node than their polls: no amplifier or "
            "tap is told for these"
        )
    return text


def _tickets_in_words(found: Found, tickets: Tickets) -> str:
    from faultsight.core.printable import printable

    n_maintenance = int(tickets.is_maintenance.sum())
    n_open = int((tickets.closed_s != tickets.closed_s).sum())
    n_unknown = found.telemetry.unknown_tickets(tickets)
    text = (
        f"{len(tickets):,}: {n_maintenance:,} maintenance, "
        f"{len(tickets) - n_maintenance:,} service; {n_open:,} still open"
    )
    n_late = found.telemetry.late_tickets(tickets)
    if n_late:
        text += f"; {n_late:,} opened after the last poll, not learned from"
    if not n_unknown:
        return text
    text += f"; {n_unknown:,} passed over: their modems were not polled"
    if 2 * n_unknown > len(tickets):
        modem = min(min(modems) for modems in found.telemetry.modems.values() if modems)
        text += (
            f" (are modems named alike? tickets have {printable(_stranger(found, tickets))}, "
            f"polls have {printable(modem)})"
        )
    return text


def _stranger(found: Found, tickets: Tickets) -> str:
    known = found.telemetry.device_ids
    return str(next(name for name in tickets.device_id.tolist() if name not in known))


def _learned_heading(found: Found) -> str:
    if found.tuned_on is None:
        return "learned in an earlier run"
    span = found.tuned_on
    learned = None if found.tickets is None else found.tickets.in_window(span)
    n = 0 if learned is None else len(found.telemetry.of_seen_modems(learned))
    return f"learned from {_count(n, 'ticket')}, {_span_text(span.start_s, span.end_s)}"


def _print_verdicts(console: Console, found: Found) -> None:
    from rich.text import Text

    from faultsight.diagnose.contract import Verdict

    windows = found.diagnosis.windows
    last = windows[-1]
    latest = [n for n in found.diagnosis.nodes if n.window.end_s > last.end_s - _DAY_S]
    newest: dict[str, Any] = {node.fnode: node for node in latest}  # in order of time
    _heading(
        console,
        f"verdicts by {found.model.name}: {_count(len(windows), 'window')} of "
        f"{_length(found.model.look_back_s)}, {_span_text(found.span.start_s, found.span.end_s)}",
    )
    console.print(Text(f"{'':<{_INDENT + 14}}{'modem windows':>15}{'the last window':>18}"))
    for name in _VERDICTS:
        verdict = Verdict[name.upper()]
        n_last = sum(node.count(verdict) for node in newest.values())
        n_all = found.diagnosis.count(verdict)
        console.print(Text(f"{'':<{_INDENT}}{name:<14}{n_all:>15,}{n_last:>18,}"))


def _print_agreement(console: Console, found: Found) -> None:
    """Print what tickets say of the verdicts, if any were given."""
    from faultsight.diagnose.metrics.ticket_agreement import agreement_in_words

    if found.tickets is None:
        return
    if found.agreement is None:
        words = "no ticket of a diagnosed modem was opened in this time: nothing tells who is right"
    else:
        words = " ".join(agreement_in_words(found.agreement))
    console.print()
    _wrapped(console, words)


def _print_dispatch(console: Console, dispatch: Sequence[Dispatch], top: int) -> None:
    from rich.text import Text

    from faultsight.core.printable import printable

    open_ = [line for line in dispatch if line.advice != "ended"]
    n_send = sum(line.advice == "send" for line in open_)
    if not open_:
        _heading(console, "whom to send where: nobody, for no fault goes on")
        return
    first = f", the first {top}" if len(open_) > top else ""
    _heading(
        console,
        f"whom to send where: {_count(n_send, 'visit')}, {len(open_) - n_send:,} to watch{first}",
    )
    for line in open_[:top]:
        fault = line.fault
        who = line.team if line.advice == "send" else f"watch ({line.team})"
        head = Text(f"{line.rank:>3} ", style="bold")
        head.append(f"{who}: {printable(line.where)}", style="bold cyan")
        _put(console, head, hanging=_INDENT)
        _wrapped(console, printable(line.why))
        if line.action:
            _wrapped(console, f"do: {line.action}")
        figures = [
            fault.fault_id,
            _count(len(fault.lasting_members), "modem"),
            f"since {_minute_text(fault.start_s)} UTC",
            _count(len(fault.tickets), "ticket"),
        ]
        figures += [f"comes back {fault.recurrence}"] if fault.recurrence else []
        _wrapped(console, " | ".join(map(printable, figures)), style="dim")


def _print_faults(console: Console, found: Found) -> None:
    shown = [line.fault for line in found.dispatch[:_MOST_FAULTS]]
    n_ongoing = sum(fault.is_ongoing for fault in found.faults)
    if not shown:
        return
    _heading(console, f"{_count(len(found.faults), 'fault')}, {n_ongoing:,} of them going on")
    console.print(_fault_table(shown, console.width))
    if len(found.faults) > len(shown):
        _wrapped(console, f"and {len(found.faults) - len(shown):,} lesser ones; --json lists all")
    from faultsight.diagnose.faults import fault_metrics, wrong_tickets

    if found.agreement is not None:
        for verdict, told in fault_metrics(found.faults).items():
            if told.n_faults:
                _wrapped(console, f"{_count(told.n_faults, f'{verdict.name.lower()} fault')}: "
                         f"{_reporting_in_words(told)}", hanging=2)  # fmt: skip
    wrong = wrong_tickets(found.faults)
    if wrong:
        verb = "asks" if len(wrong) == 1 else "ask"
        _wrapped(
            console,
            f"{_count(len(wrong), 'ticket')} {verb} for the team that cannot repair the fault; "
            "--json lists them",
        )


def _reporting_in_words(told: FaultMetrics) -> str:
    from faultsight.diagnose.report.wording import percent

    return (
        f"{percent(told.reported_share)} were reported, {percent(told.reported_within(24))} within "
        f"a day; of a fault's customers {percent(told.reporting_quantile(0.5))} call (median; in "
        f"90 % of faults at most {percent(told.reporting_quantile(0.9))})"
    )


def _fault_table(faults: Sequence[Fault], width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from faultsight.core.printable import printable

    is_narrow = width < 100
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("fault", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("where", overflow="fold")
    table.add_column("modems", justify="right", no_wrap=True)
    table.add_column("since" if is_narrow else "since, UTC", no_wrap=True)
    table.add_column("lasted", justify="right", no_wrap=True)
    table.add_column("calls", justify="right", no_wrap=True)
    for fault in faults:
        since = _minute_text(fault.start_s)
        table.add_row(
            Text(printable(fault.fault_id)),
            Text(printable(fault.kind or fault.verdict.name.lower())),
            Text(printable(_place(fault))),
            Text(f"{len(fault.lasting_members):,}"),
            Text(since[5:10] if is_narrow else since),
            Text(f"{_length(fault.end_s - fault.start_s)}{'+' if fault.is_ongoing else ''}"),
            Text(f"{len(fault.tickets):,}"),
        )
    return table


def _place(fault: Fault) -> str:
    from faultsight.diagnose.contract import Verdict

    place = fault.place
    if place is not None and place.element_kind not in ("area", "fiber node"):
        return f"{fault.fnode} {place.element}"
    homes = sorted(fault.lasting_members)
    if fault.verdict == Verdict.SERVICE:
        return f"{fault.fnode} {homes[0] if len(homes) == 1 else f'{len(homes)} homes'}"
    return fault.fnode


def _span_text(start_s: int, end_s: int) -> str:
    return f"{_minute_text(start_s)} to {_minute_text(end_s + 59)} UTC"


def _minute_text(seconds: int) -> str:
    """Return a moment without its seconds: of a first or last poll they are no news."""
    return moment_text(seconds // 60 * 60)


def _length(seconds: int) -> str:
    """Return a length that is read at a glance.

    Examples
    --------
    >>> [_length(hours * 3600) for hours in (12, 24, 44, 140, 168)]
    ['12 h', '1 d', '44 h', '5.8 d', '7 d']
    """
    if seconds % _DAY_S == 0:
        return f"{seconds // _DAY_S:,} d"
    return f"{seconds / _HOUR_S:.0f} h" if seconds < 2 * _DAY_S else f"{seconds / _DAY_S:,.1f} d"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _heading(console: Console, text: str) -> None:
    from rich.text import Text

    console.print()
    _put(console, Text(text, style="bold"), hanging=_INDENT)


def _wrapped(
    console: Console, text: str, *, indent: int = _INDENT, hanging: int = 0, style: str = ""
) -> None:
    from rich.text import Text

    _put(console, Text(text, style=style), indent=indent, hanging=hanging)


def _put(console: Console, text: Any, *, indent: int = 0, hanging: int = 0) -> None:
    """Print a text in lines as wide as the terminal; further ones are indented by `hanging`."""
    width = max(console.width - indent - hanging, 20)
    lines = text.wrap(console, console.width - indent)
    first = lines[0]
    rest = text[len(first.plain.rstrip()) :] if len(lines) > 1 else None
    first.rstrip()
    console.print(" " * indent, first, sep="", soft_wrap=True)
    if rest is not None:
        rest.plain = rest.plain.lstrip()
        for line in rest.wrap(console, width):
            line.rstrip()
            console.print(" " * (indent + hanging), line, sep="", soft_wrap=True)
