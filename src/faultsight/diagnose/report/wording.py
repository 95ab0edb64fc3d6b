"""Names and figures as the page shows them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from faultsight.diagnose.faults import Fault

__all__ = [
    "FEATURES",
    "MINUS",
    "day",
    "decibels",
    "duration",
    "fault_title",
    "listed",
    "moment",
    "number",
    "percent",
    "plural",
]

MINUS = "\N{MINUS SIGN}"

FEATURES = {"snr": "SNR", "tx_power": "transmit power", "missing": "missing polls"}


def number(value: float | None) -> str:
    r"""Return a figure that is read at a glance; a dash where there is none.

    Examples
    --------
    >>> [number(v) for v in (0.0, 0.12345, 12345.0)], number(None) == "\N{EN DASH}"
    (['0', '0.123', '12,345'], True)
    """
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    size = abs(value)
    text = f"{size:.3g}" if 0 < size < 999.5 else f"{size:,.0f}"
    return f"{MINUS}{text}" if value < 0 else text


def decibels(value: float) -> str:
    """Return a change in dB with its sign; a dash where there is none.

    Examples
    --------
    >>> decibels(2.25), decibels(-0.04)
    ('+2.2', '0.0')
    """
    if not math.isfinite(value):
        return "\N{EN DASH}"
    text = f"{abs(value):.1f}"
    return text if text == "0.0" else ("+" if value > 0 else MINUS) + text


def percent(share: float) -> str:
    """Return a share as a percentage; a dash for NaN.

    Examples
    --------
    >>> [percent(v) for v in (0.0, 0.0004, 0.0511, 1.0)]
    ['0 %', '<0.1 %', '5.1 %', '100 %']
    """
    if not math.isfinite(share):
        return "\N{EN DASH}"
    size = abs(share) * 100
    if size == 0:
        return "0 %"
    if size < 0.1:
        return "<0.1 %"
    return f"{size:,.0f} %" if size >= 99.95 else f"{f'{size:.1f}'.removesuffix('.0')} %"


def plural(count: int, noun: str) -> str:
    """Return a count of things.

    Examples
    --------
    >>> plural(1, "modem"), plural(2400, "modem")
    ('1 modem', '2,400 modems')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(parts: list[str]) -> str:
    """Return parts as one phrase.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def moment(seconds: float, *, with_year: bool = True) -> str:
    """Return a moment in UTC.

    Examples
    --------
    >>> moment(86_400), moment(86_400, with_year=False)
    ('1970-01-02 00:00', '01-02 00:00')
    """
    form = "%Y-%m-%d %H:%M" if with_year else "%m-%d %H:%M"
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def day(seconds: float, *, with_year: bool = True) -> str:
    """Return a day in UTC.

    Examples
    --------
    >>> day(86_400)
    '1970-01-02'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d" if with_year else "%m-%d")


def duration(hours: float) -> str:
    """Return a length of time.

    Examples
    --------
    >>> duration(0.3), duration(5), duration(24), duration(60)
    ('18 min', '5 h', '1 day', '2.5 days')
    """
    if not math.isfinite(hours):
        return "\N{EN DASH}"
    if hours < 1:
        return f"{60 * hours:.0f} min"
    if hours < 24:
        return f"{f'{hours:.1f}'.removesuffix('.0')} h"
    days = f"{hours / 24:.1f}".removesuffix(".0")
    return f"{days} day{'' if days == '1' else 's'}"


def fault_title(fault: Fault) -> str:
    """Return a fault's name in plain words.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import TimeWindow
    >>> from faultsight.diagnose.contract import Verdict
    >>> from faultsight.diagnose.faults import FaultMember
    >>> fault_title(Fault("f1", "F7", Verdict.SERVICE, (FaultMember("a", 0, 9, 1),), 0, 9, True,
    ...             (TimeWindow(0, 9),), 250, 0, (), kind="drop"))
    'Drop, F7, home a'
    """
    kind = fault.kind or fault.verdict.name.lower()
    homes = sorted(fault.lasting_members)
    place = fault.place
    if place is not None and place.element_kind in ("amplifier", "tap"):
        where = f", {place.element_kind} {place.element}"
    elif fault.kind == "ingress" or (place is not None and place.element_kind == "fiber node"):
        where = ", whole fiber node"
    elif len(homes) == 1:
        where = f", home {homes[0]}"
    else:
        where = f", {len(homes)} modems"
    return f"{kind[0].upper()}{kind[1:]}, {fault.fnode}{where}"
