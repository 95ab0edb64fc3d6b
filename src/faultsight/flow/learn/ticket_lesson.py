"""What a diagnoser learns from tickets, and how its verdicts agree with those of a later span."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.metrics.ticketing_rates import count_tickets, ticketing_rates
from faultsight.diagnose.telapart import TelApart, TelApartConfig
from faultsight.flow.config import FeedConfig

__all__ = [
    "MEMBER",
    "fit_to_tickets",
    "ticket_figures",
    "tickets_of",
    "told_thresholds",
    "unfitted",
]

MEMBER = "telapart"
"""The diagnoser whose thresholds are learned."""


def unfitted(rules: FeedConfig) -> TelApart:
    """Return a diagnoser to be fitted, as the feed's rules say.

    Raises
    ------
    SettingError
        If it has nothing to be learned, or no such setting.
    """
    if rules.diagnoser != MEMBER:
        raise SettingError(f"{rules.diagnoser} has no thresholds to be learned; {MEMBER} has")
    try:
        return TelApart(TelApartConfig(**rules.diagnoser_settings))
    except TypeError as error:
        raise SettingError(f"a setting of {MEMBER} cannot be: {error}") from error


def tickets_of(folder: Path, rules: FeedConfig) -> Tickets:
    """Return the tickets of a feed.

    Raises
    ------
    InputError
        If there are none.
    """
    path = rules.tickets_in(folder)
    if not path.is_file():
        raise InputError("there are no tickets to learn from", source=str(path))
    return read_tickets(read_table(path, as_text=True), source=str(path))


def fit_to_tickets(
    folder: Path,
    rules: FeedConfig,
    window: TimeWindow,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> TelApart:
    """Return a diagnoser with thresholds from the tickets and polls of a window.

    Raises
    ------
    SettingError
        As `unfitted`.
    InputError
        If there are no polls or no tickets, or too few.
    """
    model = unfitted(rules)
    tickets = tickets_of(folder, rules)
    telemetry = TelemetryFolder(folder / "telemetry" / rules.name)
    progress("learning from tickets")
    return model.fit(telemetry, tickets, window=window, workers=1, progress=progress)


def ticket_figures(
    model: TelApart, folder: Path, rules: FeedConfig, window: TimeWindow
) -> dict[str, Any]:
    """Return how a diagnoser's verdicts in a window agree with the tickets opened there.

    Returns
    -------
    dict
        ``tickets``, how many; ``invariants``, how many of the four hold; ``rate``, how densely
        maintenance tickets gather in diagnosed maintenance, 1 for chance, None where nothing was.
    """
    tickets = tickets_of(folder, rules).in_window(window)
    telemetry = TelemetryFolder(folder / "telemetry" / rules.name)
    diagnosis = model.diagnose(telemetry, window=window, step_s=rules.step_s, workers=1)
    rates = ticketing_rates(count_tickets(diagnosis, tickets), n=100)
    rate = rates.rates["maintenance", Verdict.MAINTENANCE].value
    return {
        "tickets": len(tickets),
        "invariants": rates.n_holding,
        "rate": None if math.isnan(rate) else float(f"{rate:.6g}"),
    }


def told_thresholds(model: Mapping[str, Any]) -> dict[str, float]:
    """Return the learned thresholds of `TelApart.to_dict`, each under a name for people.

    Examples
    --------
    >>> told_thresholds({"scores": {"snr": {"value": 2.0}},
    ...                  "similarity": {"snr": {"similarity": 0.6}}})
    {'score of snr': 2.0, 'similarity of snr': 0.6}
    """
    scores = {f"score of {f}": told["value"] for f, told in sorted(model["scores"].items())}
    return scores | {
        f"similarity of {f}": told["similarity"] for f, told in sorted(model["similarity"].items())
    }
