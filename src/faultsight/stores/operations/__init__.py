"""What operators see and decide, in SQL: SQLite in one file, or PostgreSQL.

`Operations` holds one topic a file, in this folder; `schema` the tables; `migrations` how a
database of an earlier version becomes one of this version.
"""

from __future__ import annotations

from faultsight.stores.operations._database import Clock, Transaction
from faultsight.stores.operations._operations import Operations
from faultsight.stores.operations._paging import Page
from faultsight.stores.operations.alarms import AlarmFilter, AlarmHistory, Changes
from faultsight.stores.operations.audit import AuditEntry
from faultsight.stores.operations.entities import Entity
from faultsight.stores.operations.feeds import DirtyWindows, Feed, Watermark
from faultsight.stores.operations.files import IngestedFile
from faultsight.stores.operations.incidents import IncidentFilter, IncidentHistory
from faultsight.stores.operations.jobs import Job, JobState
from faultsight.stores.operations.models import ModelDecision, ModelRecord, ModelState
from faultsight.stores.operations.outbox import Message, MessageState
from faultsight.stores.operations.settings import Setting
from faultsight.stores.operations.suppressions import Suppression
from faultsight.stores.operations.tasks import Answer, Task, TaskState
from faultsight.stores.operations.users import ApiToken, Role, User
from faultsight.stores.operations.watching import AlarmChange, Counts

__all__ = [
    "AlarmChange", "AlarmFilter", "AlarmHistory", "Answer", "ApiToken", "AuditEntry", "Changes",
    "Clock", "Counts", "DirtyWindows", "Entity", "Feed", "IncidentFilter", "IncidentHistory",
    "IngestedFile", "Job", "JobState", "Message", "MessageState", "ModelDecision", "ModelRecord",
    "ModelState", "Operations", "Page", "Role", "Setting", "Suppression", "Task", "TaskState",
    "Transaction", "User", "Watermark",
]  # fmt: skip
