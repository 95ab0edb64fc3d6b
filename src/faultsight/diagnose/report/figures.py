"""Faults in numbers: how long they last, who calls, and whether tickets agree with all that."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from faultsight.core.svg import escaped
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.faults import Fault, fault_metrics
from faultsight.diagnose.metrics.ticket_agreement import (
    LEAST_FNODES,
    TicketAgreement,
    agreement_in_words,
)
from faultsight.diagnose.metrics.ticketing_rates import KINDS, Interval
from faultsight.diagnose.report.dispatch_table import team_chip
from faultsight.diagnose.report.svg import table
from faultsight.diagnose.report.wording import MINUS, duration, number, percent

__all__ = ["section"]

_VERDICTS = (Verdict.MAINTENANCE, Verdict.SERVICE)


def section(faults: Sequence[Fault], agreement: TicketAgreement | None) -> str:
    """Return durations and reporting, as the paper tells them of its network, and the rates.

    Without an agreement there is no ticket of the time looked at, and who called is not known.
    """
    rows = []
    for verdict, told in fault_metrics(faults).items():
        if not told.n_faults:
            continue
        calls = (
            percent(told.reported_share), percent(told.reported_within(24)),
            percent(told.reporting_quantile(0.5)), percent(told.reporting_quantile(0.9)),
            f"{told.n_tickets:,}", percent(told.wrong_share),
        )  # fmt: skip
        rows.append(
            (
                team_chip(verdict), f"{told.n_faults:,}",
                duration(float(np.median(told.duration_h))), duration(told.duration_h_p80),
                *(calls if agreement is not None else [number(None)] * len(calls)),
            )
        )  # fmt: skip
    parts = []
    if rows:
        columns = (
            "verdict", "faults", "median duration", "80 % last at most", "anybody called",
            "within a day", "customers who call, median",
            "in 90 % at most", "tickets", "for the wrong team",
        )  # fmt: skip
        parts.append(
            "<p class=quiet>All faults of the time looked at, ended or not. Durations count whole "
            f"windows.</p>{table(columns, rows, numeric=range(1, len(columns)))}"
        )
    if agreement is not None:
        parts.append(_agreement(agreement))
    if not parts:
        return ""
    return f"<section id=figures><h2>Faults in numbers</h2>{''.join(parts)}</section>"


def _agreement(told: TicketAgreement) -> str:
    rates = [
        (
            f"diagnosed {verdict.name.lower()}",
            *(_with_bounds(told.rates[kind, verdict]) for kind in KINDS),
        )
        for verdict in _VERDICTS
    ]
    differences = [
        (escaped(name.replace("R_", "").replace("-", MINUS)), _with_bounds(one), _holds(one))
        for name, one in told.invariants.items()
    ]
    listing = (
        table(("", *(f"{kind} tickets" for kind in KINDS)), rates, numeric=(1, 2), is_small=True),
        table(("invariant", "difference", "holds"), differences, numeric=(1,), is_small=True),
    )
    return (
        f"<h3>Do tickets agree?</h3><p>{escaped(' '.join(agreement_in_words(told)))}</p>"
        f"<div class=tables>{''.join(listing)}</div>"
        "<p class=quiet>How many times as densely as by chance tickets gather in the time of "
        "modems with a verdict: 1 is what verdicts that know nothing get. m and s are tickets of "
        "maintenance and of service, M and S the verdicts; each difference should be above 0. In "
        "brackets the 95 % interval over fiber nodes, where there are tickets enough, and faults, "
        f"in at least {LEAST_FNODES} of them.</p>"
    )


def _with_bounds(told: Interval) -> str:
    bounds = "" if math.isnan(told.low) else f" ({number(told.low)} to {number(told.high)})"
    return f"{number(told.value)}{bounds}"


def _holds(told: Interval) -> str:
    if math.isnan(told.value):
        return number(None)
    if not told.value > 0:
        return "no"
    return "surely" if told.low > 0 else "yes"
