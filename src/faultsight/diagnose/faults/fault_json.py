"""Faults as JSON: what one run found, for the next run to go on from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.faults.fault import (
    Fault,
    FaultMember,
    FaultPlace,
    FaultTicket,
    FeatureEvidence,
)

__all__ = ["faults_from_json", "faults_to_json"]

_FORMAT = "faultsight faults 1"


def faults_to_json(faults: Iterable[Fault]) -> str:
    """Return faults as text; the same faults give the same text.

    Examples
    --------
    >>> window = TimeWindow(0, 86_400)
    >>> fault = Fault("f1", "F", Verdict.SERVICE, (FaultMember("a", 0, 86_400, 1),), 0, 86_400,
    ...               True, (window,), 250, 0, (FeatureEvidence("snr", 1, 1, 1, 1),))
    >>> str(faults_from_json(faults_to_json([fault]))) == str([fault])
    True
    """
    lines = [json.dumps(_told(fault), allow_nan=False, separators=(",", ":")) for fault in faults]
    rows = ",\n".join(lines)  # a fault on a line: short, and what changed is seen in a diff
    return f'{{"format": {json.dumps(_FORMAT)}, "faults": [\n{rows}\n]}}\n'


def faults_from_json(text: str, *, source: str | None = None) -> list[Fault]:
    """Return the faults of a text that `faults_to_json` wrote.

    Parameters
    ----------
    text : str
        JSON.
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If it is not such a text.
    """
    try:
        told = json.loads(text)
        if told["format"] != _FORMAT:
            raise InputError(f"its format is not {_FORMAT!r}", source=source)
        return [_read(fault) for fault in told["faults"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("cannot be read as faults", source=source) from error


def _told(fault: Fault) -> dict[str, Any]:
    told = {
        name: value
        for name, value in vars(fault).items()
        if name not in ("members", "windows", "evidence", "place", "tickets")
    }
    return told | {
        "verdict": fault.verdict.name.lower(),
        "channels": list(fault.channels),
        # Hundreds of modems and windows: a row each, without the names of columns.
        "members": [
            [m.device_id, m.first_seen_s, m.last_seen_s, m.n_windows] for m in fault.members
        ],
        "windows": [[w.start_s, w.end_s] for w in fault.windows],
        "evidence": [_finite(asdict(told)) for told in fault.evidence],
        "place": None if fault.place is None else asdict(fault.place),
        "tickets": [asdict(ticket) for ticket in fault.tickets],
    }


def _finite(told: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in told.items()
    }


def _read(told: Mapping[str, Any]) -> Fault:
    windows = tuple(TimeWindow(int(start), int(end)) for start, end in told["windows"])
    if not windows or not told["members"]:
        raise InputError("a fault has a window and a member at least")
    verdict = Verdict[str(told["verdict"]).upper()]
    place = told["place"]
    return Fault(
        fault_id=_text(told["fault_id"]),
        fnode=_text(told["fnode"]),
        verdict=verdict,
        members=tuple(
            sorted(FaultMember(_text(d), int(a), int(b), int(n)) for d, a, b, n in told["members"])
        ),
        start_s=int(told["start_s"]),
        end_s=int(told["end_s"]),
        is_ongoing=bool(told["is_ongoing"]),
        windows=windows,
        n_node_modems=int(told["n_node_modems"]),
        n_maintenance_windows=int(told["n_maintenance_windows"]),
        evidence=tuple(_evidence(e) for e in told["evidence"]),
        kind=_text(told["kind"]),
        place=None if place is None else FaultPlace(**place),
        reason=_text(told["reason"]),
        confidence=_text(told["confidence"]),
        channels=tuple(_text(channel) for channel in told["channels"]),
        recurrence=_text(told["recurrence"]),
        tickets=tuple(FaultTicket(**ticket) for ticket in told["tickets"]),
    )


def _evidence(told: Mapping[str, Any]) -> FeatureEvidence:
    numbers = {k: math.nan if told[k] is None else told[k] for k in ("similarity", "deviation")}
    return FeatureEvidence(**{**told, **numbers})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
