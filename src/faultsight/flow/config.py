"""What the loop does with a feed: every rule with its default and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from faultsight.core.alarm import AlarmKind
from faultsight.core.errors import SettingError
from faultsight.core.incident import Severity
from faultsight.core.kpi import Kpi

__all__ = ["CubeConfig", "CubeKpi", "FeedConfig", "Measure", "SeverityRule"]

_DAY_S, _HOUR_S = 86_400, 3600
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_KINDS = ("kpi", "cube", "polls")


@dataclass(frozen=True)
class Measure:
    """A fundamental KPI of the cube: a column, or the difference of two.

    Parameters
    ----------
    name : str
        What the cube calls it.
    column : str
        The telemetry's column; as the name if empty.
    minus : str
        The column that is taken off, row by row; none if empty. Requests less successes are
        failures: what is rare carries the evidence of a ratio.

    Examples
    --------
    >>> Measure("drops").column
    'drops'
    """

    name: str
    column: str = ""
    minus: str = ""

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)


@dataclass(frozen=True)
class CubeKpi:
    """What is localized: a measure, or the ratio of two.

    Parameters
    ----------
    name : str
        The KPI; of a plain measure the measure's own name.
    numerator, denominator : str
        Measures. Both are summed before the division; the numerator counts failures. A KPI
        without a denominator is its numerator (or the measure of its name).

    Examples
    --------
    >>> CubeKpi("drop_ratio", "drops", "calls").kpi().measures
    ('drops', 'calls')
    """

    name: str
    numerator: str = ""
    denominator: str = ""

    def kpi(self) -> Kpi:
        """Return it in the core's words."""
        if self.denominator:
            return Kpi.ratio(self.name, self.numerator or self.name, self.denominator)
        return Kpi.additive(self.numerator or self.name)


@dataclass(frozen=True)
class CubeConfig:
    """The cube in which incidents are localized.

    Parameters
    ----------
    attributes : tuple of str
        Of a ``kpi`` feed, attributes of its entities; of a ``cube`` feed, columns of its rows.
    measures : tuple of Measure
        The fundamental KPIs.
    kpis : tuple of CubeKpi
        What is localized, and, of a ``cube`` feed, watched as a whole; every measure if empty.
    localizer : str
        A name of `LOCALIZERS`.
    season_s, seasons : int
        What is expected: the mean of so many earlier seasons at the same moment of the season,
        all before the incident. Three days: one alone may hold a fault itself.
    window_s : int
        At most so much of an incident, from its start, is localized: later rows mix in repairs.
    most_patterns : int
        How many patterns an incident keeps.
    """

    attributes: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    kpis: tuple[CubeKpi, ...] = ()
    localizer: str = "scan"
    season_s: int = _DAY_S
    seasons: int = 3
    window_s: int = 6 * _HOUR_S
    most_patterns: int = 5

    def __post_init__(self) -> None:
        if self.seasons < 1 or not 0 < self.window_s <= self.season_s:
            raise SettingError("seasons is at least 1, and window_s lies within one season")
        known = {measure.name for measure in self.measures}
        for kpi in self.kpis:
            for name in kpi.kpi().measures:
                if name not in known:
                    raise SettingError(f"the KPI {kpi.name!r} needs the measure {name!r}")

    @property
    def told_kpis(self) -> tuple[Kpi, ...]:
        """The KPIs in the core's words."""
        chosen = self.kpis or tuple(CubeKpi(measure.name) for measure in self.measures)
        return tuple(kpi.kpi() for kpi in chosen)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the telemetry that the measures need, each once."""
        names = [c for m in self.measures for c in (m.column, m.minus) if c]
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class SeverityRule:
    """How bad an incident is, by two numbers: how many entities, and how far over the level.

    Critical from `critical_entities` entities on; major from `major_entities`, or from a peak of
    `major_peak` times the level; minor from two entities, or from `minor_peak`; else a warning.

    Examples
    --------
    >>> rule = SeverityRule()
    >>> [rule.of(n, peak).value for n, peak in ((1, 1.2), (1, 3.0), (4, 1.2), (12, 1.2))]
    ['warning', 'minor', 'major', 'critical']
    """

    critical_entities: int = 10
    major_entities: int = 3
    major_peak: float = 10.0
    minor_peak: float = 2.0

    def of(self, n_entities: int, peak: float) -> Severity:
        """Return the severity."""
        if n_entities >= self.critical_entities:
            return Severity.CRITICAL
        if n_entities >= self.major_entities or peak >= self.major_peak:
            return Severity.MAJOR
        if n_entities > 1 or peak >= self.minor_peak:
            return Severity.MINOR
        return Severity.WARNING


@dataclass(frozen=True)
class FeedConfig:
    """Every rule for one feed.

    Parameters
    ----------
    name, kind, interval_s
        As the feed is stored; kind is ``kpi``, ``cube`` or ``polls``.
    detector, detector_settings, threshold
        What is fitted when the feed gets its first model and when it is retrained; scoring uses
        the model that is active.
    level_factor : float
        A row alarms above so many times its model's level. 1; for trying out in a back-test.
    raise_rows : int
        An alarm is raised after so many rows in a row above the level; a missing row breaks them.
    clear_rows : int
        It is cleared after so many known rows in a row not above; a missing row tells neither.
    flap_gap_s : int
        An alarm that comes back within this time after its end is the same alarm, flapping.
    history_s : int
        How much of the past the detector sees before the block of rows that it scores.
    block_s : int
        Rows are scored in blocks on this fixed grid, each with its history, whether they come one
        by one or all at once: so results do not depend on when the loop runs. It divides a day.
    lateness_s : int
        How long a row is waited for before it counts as missing.
    horizon_s : int
        Rows that come later than this are kept, but alarms are not changed for them any more.
    since_s : int, optional
        Rows before this moment are history alone and never scored.
    group_by : tuple of str
        Attributes that alarms of one incident share; if an entity has none of them, it is an
        incident of its own. Empty: all alarms close in time are one incident.
    gap_s : int
        Alarms that start within this time after another one join its incident...
    longest_s : int
        ...if they start within this time after its first one.
    severity : SeverityRule
        How bad an incident is.
    cube : CubeConfig, optional
        Where incidents are localized; nowhere if not given. A ``cube`` feed needs one.
    diagnoser, diagnoser_settings
        Of a ``polls`` feed; fitted when the feed gets its first model.
    step_s : int
        Of a ``polls`` feed: how far diagnosed windows are apart, on a fixed grid.
    tickets, topology : str
        Of a ``polls`` feed: files in the state folder with trouble tickets and where modems hang;
        ``tickets.csv`` and ``topology.csv`` beside its polls if empty.
    notifiers : tuple of str
        Whom incidents are told through.
    notify_from : Severity
        Incidents below this severity are not told.

    Raises
    ------
    SettingError
        If a value is not possible.

    Examples
    --------
    >>> feed = FeedConfig("cells", interval_s=3600)
    >>> FeedConfig.from_dict(feed.to_dict()) == feed
    True
    """

    name: str
    kind: str = "kpi"
    interval_s: int = _HOUR_S
    detector: str = "ridge_var"
    detector_settings: Mapping[str, Any] = field(default_factory=dict)
    threshold: str = "quantile"
    level_factor: float = 1.0
    raise_rows: int = 1
    clear_rows: int = 2
    flap_gap_s: int = 6 * _HOUR_S
    history_s: int = _DAY_S
    block_s: int = _DAY_S
    lateness_s: int = 0
    horizon_s: int = 3 * _DAY_S
    since_s: int | None = None
    group_by: tuple[str, ...] = ()
    gap_s: int = 2 * _HOUR_S
    longest_s: int = 12 * _HOUR_S
    severity: SeverityRule = field(default_factory=SeverityRule)
    cube: CubeConfig | None = None
    diagnoser: str = "telapart"
    diagnoser_settings: Mapping[str, Any] = field(default_factory=dict)
    step_s: int = _DAY_S
    tickets: str = ""
    topology: str = ""
    notifiers: tuple[str, ...] = ("log",)
    notify_from: Severity = Severity.MINOR

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingError(f"a feed is called [a-z][a-z0-9_-]*, not {self.name!r}")
        if self.kind not in _KINDS:
            raise SettingError(f"a feed is of kind {', '.join(_KINDS)}, not {self.kind!r}")
        for name in ("interval_s", "raise_rows", "clear_rows", "block_s", "step_s", "horizon_s"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is at least 1, not {getattr(self, name)}")
        for name in ("flap_gap_s", "history_s", "lateness_s", "gap_s", "longest_s"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} is at least 0, not {getattr(self, name)}")
        if not self.level_factor > 0:
            raise SettingError(f"level_factor is above 0, not {self.level_factor}")
        if _DAY_S % self.block_s or self.block_s % self.interval_s:
            raise SettingError("block_s divides a day and holds whole intervals")
        if self.history_s % self.interval_s:
            raise SettingError("history_s holds whole intervals")
        if self.kind == "cube" and (self.cube is None or not self.cube.measures):
            raise SettingError("a cube feed needs a cube with measures")
        for file in (self.tickets, self.topology):
            if file and not _is_inside(file):
                raise SettingError(f"{file!r} is no file of the state folder")
        object.__setattr__(self, "notify_from", Severity(self.notify_from))

    def tickets_in(self, folder: Path) -> Path:
        """Return where the tickets of a ``polls`` feed lie in a state folder, if there are any."""
        return folder / (self.tickets or f"telemetry/{self.name}/tickets.csv")

    def topology_in(self, folder: Path) -> Path:
        """Return where the topology of a ``polls`` feed lies in a state folder, if it is known."""
        return folder / (self.topology or f"telemetry/{self.name}/topology.csv")

    @property
    def alarm_kind(self) -> AlarmKind:
        """What its alarms are raised on."""
        return AlarmKind.CABLE if self.kind == "polls" else AlarmKind(self.kind)

    @property
    def quiet_s(self) -> int:
        """So long after the last row of an alarm nothing can add to it any more."""
        return self.flap_gap_s + (self.raise_rows + 1) * self.interval_s

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "notify_from": self.notify_from.value}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> FeedConfig:
        """Return the rules that `to_dict` told; what is not said has its default.

        Raises
        ------
        SettingError
            If a key is not known or a value not possible.
        """
        known = _known(cls, told)
        if known.get("severity") is not None:
            known["severity"] = SeverityRule(**_known(SeverityRule, known["severity"]))
        if known.get("cube") is not None:
            cube = _known(CubeConfig, known["cube"])
            cube["measures"] = tuple(
                Measure(**_known(Measure, measure)) for measure in cube.get("measures", ())
            )
            cube["kpis"] = tuple(CubeKpi(**_known(CubeKpi, kpi)) for kpi in cube.get("kpis", ()))
            cube["attributes"] = tuple(cube.get("attributes", ()))
            known["cube"] = CubeConfig(**cube)
        for name in ("group_by", "notifiers"):
            if name in known:
                known[name] = tuple(known[name])
        try:
            return cls(**known)
        except (TypeError, ValueError) as error:
            raise SettingError(f"the settings of the feed cannot be used: {error}") from error


def _known(kind: type[Any], told: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    for key in told:
        if key not in names:
            raise SettingError(
                f"a {kind.__name__} has no {key!r}; it has {', '.join(sorted(names))}"
            )
    return dict(told)


def _is_inside(file: str) -> bool:
    r"""Whether a path, as settings tell it, stays inside the folder that it is relative to.

    Examples
    --------
    >>> [_is_inside(file) for file in ("plant/t.csv", "../t.csv", "/t.csv", "c:/t", r"a\..")]
    [True, False, False, False, False]
    """
    parts = file.split("/")
    return not (any(part in ("", ".", "..") for part in parts) or any(c in file for c in "\\:\0"))
