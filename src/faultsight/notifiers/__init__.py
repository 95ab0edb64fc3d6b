"""Who tells the shift: notifiers, and the pump that brings each message at least once.

>>> NOTIFIERS.names()
['log', 'webhook']
"""

from __future__ import annotations

from faultsight.core.family import Family
from faultsight.notifiers._checks import CHECKS, Rig
from faultsight.notifiers._contract import Notification, Notifier
from faultsight.notifiers._pump import Drained, Outbox, Pump, PumpConfig

__all__ = [
    "CHECKS", "NOTIFIERS", "Drained", "Notification", "Notifier", "Outbox", "Pump", "PumpConfig",
    "Rig",
]  # fmt: skip

NOTIFIERS: Family[Notifier] = Family(
    kind="notifier",
    base=Notifier,
    packages=("faultsight.notifiers",),
    entry_point_group="faultsight.notifiers",
)
"""Every notifier by name."""
