"""The schema: SQL that PostgreSQL takes too, and what the migrations make of an empty database."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations as Alembic
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from faultsight.core.errors import StoreError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations, Role, migrations, schema
from faultsight.stores.operations._database import Database
from faultsight.stores.operations._topic import touching

POSTGRES: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
STEPS = sorted(path.stem for path in Path(migrations.__file__).parent.glob("versions/[0-9]*.py"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "fresh.sqlite")
    yield database
    database.close()


def tables(database: Database) -> set[str]:
    with database.reading() as tx:
        return set(sa.inspect(tx).get_table_names())


@pytest.mark.parametrize("table", schema.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_compiles_for_postgres(table: sa.Table) -> None:
    text = str(CreateTable(table).compile(dialect=POSTGRES))
    text += "".join(str(CreateIndex(index).compile(dialect=POSTGRES)) for index in table.indexes)
    assert f"CREATE TABLE {table.name}" in text
    for word in ("AUTOINCREMENT", "DATETIME", "WITHOUT ROWID", "INTEGER"):
        assert word not in text
    if "id" in table.c and isinstance(table.c.id.type, sa.BigInteger):
        assert "id BIGSERIAL NOT NULL" in text


def test_conditions_of_unique_indexes_hold_in_both_databases() -> None:
    for table in (schema.models, schema.jobs):
        (index,) = (one for one in table.indexes if one.unique)
        texts = [
            re.sub(r"\s+", " ", str(CreateIndex(index).compile(dialect=dialect)))
            for dialect in (POSTGRES, sa.create_engine("sqlite://").dialect)
        ]
        conditions = [text.partition(" WHERE ")[2] for text in texts]
        assert conditions[0] == conditions[1] != ""


def test_times_are_whole_seconds_and_texts_are_checked() -> None:
    """No column has a type that the two databases read differently."""
    for table in schema.metadata.sorted_tables:
        for column in table.columns:
            allowed = (sa.BigInteger, sa.JSON, sa.Boolean, sa.Double, schema.Words)
            assert isinstance(column.type, allowed), f"{table.name}.{column.name}"
            if column.name.endswith("_s"):
                assert isinstance(column.type, sa.BigInteger)


@contextmanager
def steps_as_sql(dialect: str) -> Iterator[tuple[io.StringIO, Any]]:
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=dialect, opts={"as_sql": True, "output_buffer": buffer}
    )
    with Alembic.context(context):
        yield buffer, context


@pytest.mark.parametrize("step", STEPS)
def test_every_step_compiles_for_postgres_forth_and_back(step: str) -> None:
    spec = importlib.util.spec_from_file_location(
        step, Path(migrations.__file__).parent / "versions" / f"{step}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with steps_as_sql("postgresql") as (buffer, _):
        module.upgrade()
        module.downgrade()
    text = buffer.getvalue()
    assert text.count("CREATE TABLE") == text.count("DROP TABLE") == len(schema.metadata.tables)
    assert "BIGSERIAL" in text


def test_statements_of_every_topic_compile_for_postgres(ops: Operations) -> None:
    """What the topics execute is taken down and compiled for the other database."""
    statements: list[Any] = []

    def take_down(_connection: Any, statement: Any, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(ops._database.engine, "before_execute", take_down)
    sa.event.listen(ops._database._writer, "before_execute", take_down)
    use_everything(ops)
    texts = {str(statement.compile(dialect=POSTGRES)) for statement in statements}
    assert len(texts) > 50
    kinds = {text.split()[0] for text in texts}
    assert kinds == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    for text in texts:
        assert "?" not in text
        assert "OR REPLACE" not in text
        assert "OR IGNORE" not in text


def test_a_long_history_is_not_read_for_a_window(ops: Operations) -> None:
    if not ops._database.is_sqlite:
        pytest.skip("reads the plan of SQLite")
    window = TimeWindow(1_000_000, 2_000_000)
    for table in (schema.alarms, schema.incidents):
        query = touching(sa.select(table).where(table.c.feed == "cells"), table, window)
        text = query.compile(ops._database.engine, compile_kwargs={"literal_binds": True})
        with ops.snapshot() as tx:
            plan = [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
        searches = [step.partition(" USING ")[2] for step in plan if step.startswith("SEARCH")]
        index = f"INDEX ix_{table.name}_feed_end_s"
        assert searches == [f"{index} (feed=? AND end_s>?)", f"{index} (feed=? AND end_s=?)"]


def use_everything(ops: Operations) -> None:
    hour = TimeWindow(0, 3600)
    ops.feeds.mark_dirty("cells", {"a": hour})
    ops.feeds.clear_dirty("cells", ops.feeds.dirty("cells").through)
    ops.feeds.set_watermark("cells", data_until_s=1)
    ops.feeds.set_settings("cells", {"a": 1})
    ops.files.record("cells", "k", "p", 1, 1, {"r": 1})
    ops.files.quarantined("cells")
    ops.entities.put("cells", {"a": {}, "b": {}})
    ops.entities.put("cells", {"a": {"x": "y"}})
    page = ops.entities.page("cells", limit=1)
    ops.entities.page("cells", after=page.next)
    first = ops.models.add("cells", "pca", "p", by="ana")
    second = ops.models.add("cells", "pca", "p", by="ana", parent=first.id)
    for model in (first, second):
        ops.models.promote(model.id, by="ana", why="w")
    ops.models.revert("cells", by="ana", why="w")
    ops.models.decisions(feed="cells", model_id=first.id)
    job = ops.jobs.enqueue("tune", by="ana")
    ops.jobs.lease("w", ["tune"], 60)
    ops.jobs.heartbeat(job.id, "w", 60)
    ops.jobs.finish(job.id, "w")
    task = ops.tasks.add("cells", "a", hour)
    ops.tasks.answer(task.id, "yes", by="ana")  # type: ignore[arg-type]
    ops.tasks.answers(job.id, feed="cells")
    rule = ops.suppressions.add("cells", start_s=0, reason="x", by="ana")
    ops.suppressions.active(hour, feed="cells")
    ops.suppressions.revoke(rule.id, by="ana")
    ops.users.add("ana", "$argon2id$x", Role.ADMIN)
    ops.users.open_session("ana", "ab" * 32, 2_000_000)
    ops.users.session("ab" * 32)
    ops.users.close_session("ab" * 32)
    token = ops.users.add_token("ana", "ci", "ab" * 32, role=Role.VIEWER)
    ops.users.token("ab" * 32)
    ops.users.revoke_token(token.id)
    ops.outbox.put("log", "00ff", {})
    (message,) = ops.outbox.due(1, lease_s=1, owner="p")
    ops.outbox.failed(message.id, "x", 0)
    ops.outbox.postpone([message.id], 0)
    ops.outbox.delivered(message.id)
    ops.settings.set("a", 1, by="ana")
    ops.settings.set("a", 2, by="ana")
    ops.audit.page(by="ana")


def test_the_steps_make_the_tables_that_the_code_uses(database: Database) -> None:
    migrations.upgrade(database)
    with database.reading() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_the_head_is_the_newest_step() -> None:
    folder = str(Path(migrations.__file__).parent)
    assert ScriptDirectory(folder).get_current_head() == migrations.HEAD == STEPS[-1][:4]


def test_every_step_can_be_taken_back_and_forth(database: Database) -> None:
    assert migrations.revision(database) is None
    migrations.upgrade(database)
    whole = tables(database)
    assert whole == {*schema.metadata.tables, "alembic_version"}
    for step in reversed(STEPS):
        assert migrations.revision(database) == step[:4]
        migrations.downgrade(database)
    assert migrations.revision(database) is None
    assert tables(database) == {"alembic_version"}
    migrations.upgrade(database)
    assert tables(database) == whole


def test_a_step_that_fails_leaves_the_schema_as_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Alembic.create_table
    made = []

    def fail_at_the_tenth(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        made.append(name)
        if len(made) == 10:
            raise RuntimeError("power cut")
        return create(self, name, *args, **kwargs)

    monkeypatch.setattr(Alembic, "create_table", fail_at_the_tenth)
    with pytest.raises(RuntimeError, match="power cut"):
        migrations.upgrade(database)
    assert tables(database) == set()
    monkeypatch.undo()
    migrations.upgrade(database)
    assert migrations.revision(database) == migrations.HEAD


def test_a_database_of_a_newer_release_is_refused_untouched(database: Database) -> None:
    migrations.upgrade(database)
    with database.writing() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    path = Path(database.place)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"written by a newer FaultSight \(schema 9999\)"):
        Operations.open(path)
    assert path.read_bytes() == before


def test_opening_what_is_up_to_date_takes_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "operations.sqlite"
    first = Operations.open(path)
    with first.transaction():
        second = Operations.open(path)  # would wait for the writer, and in vain
        second.close()
    first.close()
