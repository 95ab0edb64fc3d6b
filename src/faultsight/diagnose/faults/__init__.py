"""Faults: what an operator deals with, made of what windows say.

Read in this order: `fault` is what one is; `tracking` follows it from window to window; `kinds`
tells what it is and `places` where, with `level_shifts` as evidence; `recurrence` at which hours it
comes back; `fault_tickets` who called; `metrics` sums up; `dispatch` says whom to send.
"""

from __future__ import annotations

from faultsight.diagnose.faults.dispatch import Dispatch, dispatch_list
from faultsight.diagnose.faults.fault import (
    Fault,
    FaultMember,
    FaultPlace,
    FaultTicket,
    FeatureEvidence,
)
from faultsight.diagnose.faults.fault_json import faults_from_json, faults_to_json
from faultsight.diagnose.faults.fault_tickets import WrongTicket, with_tickets, wrong_tickets
from faultsight.diagnose.faults.kinds import KINDS, tell_kinds
from faultsight.diagnose.faults.metrics import FaultMetrics, fault_metrics
from faultsight.diagnose.faults.recurrence import tell_recurrence
from faultsight.diagnose.faults.tracking import track_faults

__all__ = [
    "KINDS",
    "Dispatch",
    "Fault",
    "FaultMember",
    "FaultMetrics",
    "FaultPlace",
    "FaultTicket",
    "FeatureEvidence",
    "WrongTicket",
    "dispatch_list",
    "fault_metrics",
    "faults_from_json",
    "faults_to_json",
    "tell_kinds",
    "tell_recurrence",
    "track_faults",
    "with_tickets",
    "wrong_tickets",
]
