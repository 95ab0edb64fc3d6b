"""The tables, in SQL that SQLite and PostgreSQL both speak.

Times are whole seconds since 1970 UTC in BigInteger columns; lists and mappings are JSON. Texts
come from data: whatever could not be stored in both databases, or would not come back as it was
given, is refused (`Words`, `Json`). Each table's file in this folder says what its rows mean.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from faultsight.core.errors import InputError

__all__ = ["Json", "Words", "canonical_json", "metadata"]


class _RefusedError(DontWrapMixin, InputError):
    """An InputError that passes through SQLAlchemy as it is."""


def canonical_json(value: Any) -> str:
    """Return the one text of a JSON value: keys sorted, no NaN, no infinity.

    Raises
    ------
    InputError
        If the value is not JSON, or holds text that cannot be stored.
    """
    try:
        text = json.dumps(
            value, allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
    except (TypeError, ValueError) as error:
        raise _RefusedError(f"cannot be stored as JSON: {error}") from None
    return _encodable(text)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _RefusedError(f"{text[:80]!r} is not Unicode text and cannot be stored") from None
    return text


class Words(TypeDecorator[str]):
    """Text of any content and length, as it was given; no NUL, which PostgreSQL cannot hold."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Refuse what would not come back."""
        if value is not None and "\0" in value:
            raise _RefusedError(f"{value[:80]!r} holds a NUL character and cannot be stored")
        return None if value is None else _encodable(value)


Json = sa.JSON()

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _counter() -> sa.Column[int]:
    """Return an id that the database counts up and never gives twice."""
    return sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    )


def _words(name: str, *args: Any, **kwargs: Any) -> sa.Column[Any]:
    return sa.Column(name, Words(), *args, **{"nullable": False, **kwargs})


def _whole(name: str, **kwargs: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), **{"nullable": False, **kwargs})


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, Json, nullable=False)


def _feed(**kwargs: Any) -> sa.Column[Any]:
    return _words("feed", sa.ForeignKey("feeds.name"), **kwargs)


feeds = sa.Table(
    "feeds",
    metadata,
    _words("name", primary_key=True),
    _words("kind"),
    _whole("interval_s"),
    _json("settings"),
    _whole("data_until_s", nullable=True),
    _whole("scored_until_s", nullable=True),
    _whole("last_model_version"),
    _whole("created_s"),
    _whole("version"),
)

dirty_windows = sa.Table(
    "dirty_windows",
    metadata,
    _counter(),
    _feed(index=True),
    _words("entity"),
    _whole("start_s"),
    _whole("end_s"),
    sqlite_autoincrement=True,
)

entities = sa.Table(
    "entities",
    metadata,
    _feed(primary_key=True),
    _words("name", primary_key=True),
    _json("attributes"),
)

ingested_files = sa.Table(
    "ingested_files",
    metadata,
    _feed(primary_key=True),
    _words("key", primary_key=True),
    _words("path"),
    _whole("n_rows"),
    _whole("n_quarantined"),
    _whole("at_s"),
)

quarantined = sa.Table(
    "quarantined",
    metadata,
    _words("feed", primary_key=True),
    _words("key", primary_key=True),
    _words("reason", primary_key=True),
    _whole("n_rows"),
    sa.ForeignKeyConstraint(["feed", "key"], ["ingested_files.feed", "ingested_files.key"]),
)

alarms = sa.Table(
    "alarms",
    metadata,
    _words("id", primary_key=True),
    _feed(),
    _words("entity"),
    _words("kind"),
    _whole("start_s"),
    _whole("end_s", nullable=True),
    sa.Column("peak", sa.Double(), nullable=False),
    _json("kpis"),
    _words("state"),
    _words("muted_by", nullable=True),
    _words("mute_reason"),
    _whole("flaps"),
    _words("model_id", nullable=True),
    _words("incident_id", nullable=True, index=True),
    _whole("version"),
    _json("payload"),
    sa.Index("ix_alarms_feed_end_s", "feed", "end_s"),
    sa.Index("ix_alarms_feed_start_s_id", "feed", "start_s", "id"),
    sa.Index("ix_alarms_state_start_s", "state", "start_s"),
    sa.Index("ix_alarms_start_s_id", "start_s", "id"),
)

alarm_history = sa.Table(
    "alarm_history",
    metadata,
    _counter(),
    _words("alarm_id", sa.ForeignKey("alarms.id"), index=True),
    _whole("version"),
    _whole("at_s"),
    _words("action"),
    _words("why"),
    _json("changes"),
    sqlite_autoincrement=True,
)

incidents = sa.Table(
    "incidents",
    metadata,
    _words("id", primary_key=True),
    _feed(),
    _json("scope"),
    _words("title"),
    _words("severity"),
    _words("state"),
    _words("state_by", nullable=True),
    _whole("start_s"),
    _whole("end_s", nullable=True),
    _json("alarm_ids"),
    _json("patterns"),
    _words("verdict"),
    _json("evidence"),
    _words("assigned_to", nullable=True),
    _whole("version"),
    sa.Index("ix_incidents_feed_end_s", "feed", "end_s"),
    sa.Index("ix_incidents_feed_start_s_id", "feed", "start_s", "id"),
    sa.Index("ix_incidents_state_start_s", "state", "start_s"),
    sa.Index("ix_incidents_start_s_id", "start_s", "id"),
)

incident_history = sa.Table(
    "incident_history",
    metadata,
    _counter(),
    _words("incident_id", sa.ForeignKey("incidents.id"), index=True),
    _whole("version"),
    _whole("at_s"),
    _words("by"),
    _words("action"),
    _words("why"),
    _json("changes"),
    sqlite_autoincrement=True,
)

feedback = sa.Table(
    "feedback",
    metadata,
    _counter(),
    _whole("at_s"),
    _words("by"),
    _words("kind"),
    _feed(index=True),
    _words("entity", nullable=True),
    _whole("start_s", nullable=True),
    _whole("end_s", nullable=True),
    _json("kpis"),
    _words("alarm_id", nullable=True, index=True),
    _words("incident_id", nullable=True, index=True),
    _json("body"),
    _words("reason"),
    sa.Column("undoes", sa.BigInteger(), sa.ForeignKey("feedback.id"), nullable=True),
    sqlite_autoincrement=True,
)

models = sa.Table(
    "models",
    metadata,
    _words("id", primary_key=True),
    _feed(),
    _whole("version"),
    _words("member"),
    _words("path"),
    _words("parent", sa.ForeignKey("models.id"), nullable=True),
    _json("card"),
    _words("state"),
    _words("created_by"),
    _whole("created_s"),
    sa.UniqueConstraint("feed", "version"),
)
# The database itself refuses a second active model.
sa.Index(
    "uq_models_active",
    models.c.feed,
    unique=True,
    sqlite_where=models.c.state == "active",
    postgresql_where=models.c.state == "active",
)

model_decisions = sa.Table(
    "model_decisions",
    metadata,
    _counter(),
    _words("model_id", sa.ForeignKey("models.id"), index=True),
    _whole("at_s"),
    _words("by"),
    _words("action"),
    _words("why"),
    sqlite_autoincrement=True,
)

jobs = sa.Table(
    "jobs",
    metadata,
    _counter(),
    _words("kind"),
    _words("key"),
    _json("payload"),
    _words("state"),
    _whole("run_at_s"),
    _whole("attempts"),
    _whole("max_attempts"),
    _words("owner", nullable=True),
    _whole("lease_until_s", nullable=True),
    sa.Column("is_cancelled", sa.Boolean(), nullable=False),
    _json("progress"),
    _json("result"),
    _words("error"),
    _words("created_by"),
    _whole("created_s"),
    _whole("finished_s", nullable=True),
    sa.Index("ix_jobs_state_run_at_s", "state", "run_at_s"),
    sqlite_autoincrement=True,
)
sa.Index(
    "uq_jobs_unfinished",
    jobs.c.kind,
    jobs.c.key,
    unique=True,
    sqlite_where=jobs.c.state.in_(["queued", "running"]),
    postgresql_where=jobs.c.state.in_(["queued", "running"]),
)

tasks = sa.Table(
    "tasks",
    metadata,
    _counter(),
    _feed(index=True),
    _words("entity"),
    _whole("start_s"),
    _whole("end_s"),
    _json("kpis"),
    _json("body"),
    sa.Column("job_id", sa.BigInteger(), sa.ForeignKey("jobs.id"), nullable=True, index=True),
    _words("state"),
    _words("answer", nullable=True),
    _words("answered_by", nullable=True),
    _whole("answered_s", nullable=True),
    _whole("created_s"),
    _whole("version"),
    sqlite_autoincrement=True,
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    _counter(),
    _feed(nullable=True),
    _json("scope"),
    _words("entity", nullable=True),
    _whole("start_s"),
    _whole("end_s", nullable=True),
    _words("reason"),
    _words("created_by"),
    _whole("created_s"),
    _words("revoked_by", nullable=True),
    _words("revoke_reason"),
    _whole("revoked_s", nullable=True),
    _whole("version"),
    sqlite_autoincrement=True,
)

users = sa.Table(
    "users",
    metadata,
    _words("name", primary_key=True),
    _words("password_hash"),
    _words("role"),
    sa.Column("is_disabled", sa.Boolean(), nullable=False),
    _whole("created_s"),
    _whole("version"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    _words("token_sha256", primary_key=True),
    _words("user", sa.ForeignKey("users.name"), index=True),
    _whole("created_s"),
    _whole("expires_s"),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    _counter(),
    _words("user", sa.ForeignKey("users.name"), index=True),
    _words("name"),
    _words("token_sha256", unique=True),
    _words("role"),
    _whole("created_s"),
    _whole("expires_s", nullable=True),
    _whole("revoked_s", nullable=True),
    sqlite_autoincrement=True,
)

outbox = sa.Table(
    "outbox",
    metadata,
    _counter(),
    _words("notifier"),
    _words("fingerprint"),
    _json("payload"),
    _words("state"),
    _whole("attempts"),
    _whole("next_try_s"),
    _words("owner", nullable=True),
    _words("error"),
    _whole("created_s"),
    _whole("delivered_s", nullable=True),
    sa.UniqueConstraint("notifier", "fingerprint"),
    sa.Index("ix_outbox_state_next_try_s", "state", "next_try_s"),
    sqlite_autoincrement=True,
)

settings = sa.Table(
    "settings",
    metadata,
    _words("key", primary_key=True),
    _json("value"),
    _words("by"),
    _whole("at_s"),
    _whole("version"),
)

audit = sa.Table(
    "audit",
    metadata,
    _counter(),
    _whole("at_s"),
    _words("by"),
    _words("action"),
    _words("subject"),
    _words("why"),
    _json("detail"),
    sa.Index("ix_audit_subject", "subject"),
    sqlite_autoincrement=True,
)
