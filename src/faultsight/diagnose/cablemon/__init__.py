"""CableMon (NSDI '20): faults of single modems by thresholds that tickets choose."""

from faultsight.diagnose.cablemon.config import CableMonConfig
from faultsight.diagnose.cablemon.decision import Events, decide, events_of
from faultsight.diagnose.cablemon.event_metrics import (
    EventTally,
    RateTally,
    tally_events,
    tally_rates,
)
from faultsight.diagnose.cablemon.fit import fit_cablemon
from faultsight.diagnose.cablemon.selection import SelectedFeature, TrrCurve
from faultsight.diagnose.cablemon.thresholds import CableMonThresholds

__all__ = [
    "CableMonConfig",
    "CableMonThresholds",
    "EventTally",
    "Events",
    "RateTally",
    "SelectedFeature",
    "TrrCurve",
    "decide",
    "events_of",
    "fit_cablemon",
    "tally_events",
    "tally_rates",
]
