"""SQLite's rules: which journal, who waits for whom, what is said when nothing can be written."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from pathlib import Path

import pytest

from faultsight.core.errors import InputError, StoreError
from faultsight.core.feedback import FeedbackEvent, FeedbackKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations, _database
from faultsight.stores.operations._database import Database, may_use_wal


def event(number: int) -> FeedbackEvent:
    return FeedbackEvent(
        at_s=number,
        by="ana",
        kind=FeedbackKind.MISSED,
        feed="cells",
        entity="a",
        window=TimeWindow(0, 60),
        body={"text": "x" * 500},
    )


def pragma(database: Database, name: str) -> object:
    with database.reading() as tx:
        return tx.exec_driver_sql(f"PRAGMA {name}").scalar()


@pytest.fixture
def only_sqlite(ops: Operations) -> Operations:
    if not ops._database.is_sqlite:
        pytest.skip("these are rules of SQLite")
    return ops


@pytest.mark.parametrize(
    ("version", "may"),
    [
        ((3, 7, 0), False), ((3, 40, 1), False), ((3, 44, 5), False), ((3, 44, 6), True),
        ((3, 45, 0), False), ((3, 46, 1), False), ((3, 50, 6), False), ((3, 50, 7), True),
        ((3, 51, 0), False), ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)  # fmt: skip
def test_the_log_is_used_where_it_loses_no_commit(version: tuple[int, int, int], may: bool) -> None:
    assert may_use_wal(version) is may


@pytest.mark.parametrize(("may", "mode"), [(True, "wal"), (False, "delete")])
def test_the_guard_decides_also_on_a_database_made_with_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may: bool, mode: str
) -> None:
    path = tmp_path / "operations.sqlite"
    for answer in (not may, may):
        monkeypatch.setattr(_database, "may_use_wal", lambda _version, answer=answer: answer)
        database = Database(path)
        found = pragma(database, "journal_mode")
        database.close()
    assert found == mode


def test_this_sqlite_is_used_as_the_guard_says(only_sqlite: Operations) -> None:
    mode = "wal" if may_use_wal(sqlite3.sqlite_version_info[:3]) else "delete"
    assert pragma(only_sqlite._database, "journal_mode") == mode


def test_every_connection_keeps_foreign_keys_and_commits_to_disk(only_sqlite: Operations) -> None:
    database = only_sqlite._database
    with database.reading() as first, database.reading() as second:
        found = [
            tx.exec_driver_sql(f"PRAGMA {name}").scalar()
            for tx in (first, second)
            for name in ("foreign_keys", "synchronous")
        ]
    assert found == [1, 2, 1, 2]


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "operations.sqlite"
    Operations.open(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name", ["a?b=c#d.sqlite", "a%20b%.sqlite", "file:x.sqlite", "电 信.sqlite"]
)
def test_the_path_may_hold_any_character(tmp_path: Path, name: str) -> None:
    Operations.open(tmp_path / name).close()
    assert (tmp_path / name).stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_readers_go_on_while_somebody_writes(only_sqlite: Operations) -> None:
    ops = only_sqlite
    with ops.transaction() as tx:
        ops.feedback.append(event(1), tx=tx)
        seen: list[int] = []
        reader = threading.Thread(target=lambda: seen.append(len(ops.feedback.events())))
        reader.start()
        reader.join()  # would not end if it waited for the writer
        assert seen == [0], "and sees only what is committed"
    assert len(ops.feedback.events()) == 1


def test_a_snapshot_stays_the_same_state(only_sqlite: Operations) -> None:
    ops = only_sqlite
    done = threading.Event()

    def write() -> None:
        ops.feedback.append(event(1))
        done.set()

    writer = threading.Thread(target=write)
    with ops.snapshot() as tx:
        assert ops.feedback.events(tx=tx) == []
        writer.start()
        done.wait(0.2)  # with the rollback journal the commit waits until we have read
        assert ops.feedback.events(tx=tx) == []
    writer.join()
    assert len(ops.feedback.events()) == 1


def test_who_waits_too_long_is_told(
    only_sqlite: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_database, "_BUSY_TIMEOUT_S", 0.05)
    other = Operations.open(only_sqlite._database.place)
    with only_sqlite.transaction(), pytest.raises(StoreError, match="database is locked"):
        other.feedback.append(event(1))
    other.close()


def test_a_full_disk_is_told_and_nothing_is_half_written(only_sqlite: Operations) -> None:
    ops = only_sqlite
    pages = pragma(ops._database, "page_count")
    with ops._database.reading() as tx:
        tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")  # SQLite's own way to be full

    def fill() -> None:
        for number in itertools.count():
            with ops.transaction() as tx:
                tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")
                ops.outbox.put("log", str(number), {}, tx=tx)
                for _ in range(20):
                    ops.feedback.append(event(number), tx=tx)

    with pytest.raises(StoreError, match=r"operations\.sqlite: database or disk is full"):
        fill()
    again = Operations.open(ops._database.place)
    events = again.feedback.events()
    assert len(events) == 20 * len(again.outbox.page().items)
    assert pragma(again._database, "integrity_check") == "ok"
    again.close()


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough" * 40, b"SQLite format 3\0" * 64]
)
def test_what_is_no_database_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "operations.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"operations\.sqlite: "):
        Operations.open(path)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Operations.open(tmp_path / "file" / "operations.sqlite")
    with pytest.raises(StoreError, match="unable to open"):
        Operations.open(tmp_path)


def test_an_error_in_a_transaction_comes_through_as_it_is(ops: Operations) -> None:
    with pytest.raises(InputError, match="mine"), ops.transaction():
        raise InputError("mine")
    ops.feedback.append(event(1))  # and the lock is free again


# --- backup


def test_a_backup_while_others_write_is_one_state(only_sqlite: Operations, tmp_path: Path) -> None:
    ops = only_sqlite
    stop = threading.Event()
    written = []

    def write() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            with ops.transaction() as tx:
                ops.feedback.append(event(number), tx=tx)
                ops.outbox.put("log", str(number), {}, tx=tx)
            written.append(number)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    counts = []
    for number in range(4):
        before = len(ops.feedback.events())
        path = ops.backup(tmp_path / "backup" / f"{number}.sqlite")
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()
        copy = Operations.open(path)
        counts.append(len(copy.feedback.events()))
        told = {event.at_s for event in copy.feedback.events()}
        assert told == {int(message.fingerprint) for message in copy.outbox.page(limit=1000).items}
        assert counts[-1] >= before
        copy.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert counts[-1] > counts[0], "nobody wrote meanwhile: nothing is tested"
    assert len(ops.feedback.events()) == len(written)
    names = {path.name for path in (tmp_path / "backup").iterdir()}
    assert names == {f"{number}.sqlite" for number in range(4)}


def test_a_backup_that_fails_leaves_the_old_one(only_sqlite: Operations, tmp_path: Path) -> None:
    path = only_sqlite.backup(tmp_path / "backup.sqlite")
    old = path.read_bytes()
    place = Path(only_sqlite._database.place)
    damaged = bytearray(place.read_bytes())
    damaged[5000:9000] = b"\xff" * 4000
    place.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        only_sqlite.backup(path)
    assert path.read_bytes() == old
    assert [one.name for one in tmp_path.glob("*.tmp")] == []
