"""Processes that write to one database, some of them killed; run by the tests, which read the JSON.

All is imported once, then each child is a fork. No connection is open when forking.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401  # once, not in every child
import sqlalchemy as sa

from faultsight.core.alarm import AlarmKind, AlarmRecord
from faultsight.core.feedback import FeedbackEvent, FeedbackKind
from faultsight.core.incident import IncidentRecord, IncidentState, Severity
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import Operations, schema

WINDOW = TimeWindow(0, 3600)
ENTITIES = [f"cell-{number}" for number in range(6)]
Say = Callable[[Any], None]


def child(work: Callable[[Say], None]) -> tuple[int, int]:
    """Fork; return the process and the end of a pipe that holds a line for all that it says."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    os.close(reader)
    status = 1
    try:
        with os.fdopen(writer, "w", buffering=1) as pipe:
            work(lambda what: print(json.dumps(what), file=pipe))
        status = 0
    except BaseException:  # noqa: BLE001  # a fork must never return into the parent's code
        traceback.print_exc()
    finally:
        os._exit(status)


def said(reader: int) -> list[Any]:
    with os.fdopen(reader) as pipe:
        return [json.loads(line) for line in pipe]


def event(by: str, number: int) -> FeedbackEvent:
    return FeedbackEvent(
        at_s=number,
        by=by,
        kind=FeedbackKind.MISSED,
        feed="cells",
        entity="cell-1",
        window=WINDOW,
        body={"number": number},
    )


def writers(path: Path, processes: int, writes: int) -> dict[str, Any]:
    """Let processes write feedback at once, each with one connection of its own."""

    def work(by: str) -> Callable[[Say], None]:
        def write(say: Say) -> None:
            ops = Operations.open(path)
            for number in range(writes):
                say(ops.feedback.append(event(by, number)).id)

        return write

    made(path)
    children = [child(work(f"operator-{number}")) for number in range(processes)]
    ids = [one for _, reader in children for one in said(reader)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _ in children]
    ops = Operations.open(path)
    events = ops.feedback.events()
    kept = Counter((one.by, one.body["number"]) for one in events)
    ops.close()
    return {
        "exit_codes": codes,
        "ids_told": sorted(ids),
        "ids_kept": [one.id for one in events],
        "writes": [[by, number, count] for (by, number), count in sorted(kept.items())],
    }


def workers(path: Path, processes: int, jobs: int) -> dict[str, Any]:
    """Let processes lease and finish jobs at once."""

    def work(owner: str) -> Callable[[Say], None]:
        def run(say: Say) -> None:
            ops = Operations.open(path)
            while (job := ops.jobs.lease(owner, ["tune"], 3600)) is not None:
                say(job.id)
                ops.jobs.finish(job.id, owner)

        return run

    made(path)
    ops = Operations.open(path)
    with ops.transaction() as tx:
        for number in range(jobs):
            ops.jobs.enqueue("tune", str(number), by="test", tx=tx)
    ops.close()
    children = [child(work(f"worker-{number}")) for number in range(processes)]
    leased = [said(reader) for _, reader in children]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _ in children]
    ops = Operations.open(path)
    states = Counter((one.state.value, one.attempts) for one in ops.jobs.page(limit=1000).items)
    ops.close()
    return {
        "exit_codes": codes,
        "leased": leased,
        "states": [[state, attempts, count] for (state, attempts), count in states.items()],
    }


def openers(path: Path, processes: int) -> dict[str, Any]:
    """Let processes open a database that is not there yet, all at once."""

    def work(say: Say) -> None:
        ops = Operations.open(path)
        say(len(ops.feeds.list()))

    children = [child(work) for _ in range(processes)]
    told = [said(reader) for _, reader in children]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _ in children]
    return {"exit_codes": codes, "told": told}


def made(path: Path) -> None:
    ops = Operations.open(path)
    ops.feeds.add("cells", "kpi", 60)
    ops.close()


def kill(work: Callable[[Say], None], after_s: float) -> list[Any]:
    """Run a child, kill it so long after its first word, and return all that it said after."""
    pid, reader = child(work)
    first = b""
    while not first.endswith(b"\n"):
        byte = os.read(reader, 1)
        if not byte:
            raise RuntimeError("the child ended before its first word")
        first += byte
    time.sleep(after_s)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return said(reader)


def was_interrupted(path: Path) -> bool:
    """Whether a transaction is left to be taken back; looks before anybody opens the database."""
    journals = [Path(f"{path}-journal"), Path(f"{path}-wal")]
    return any(journal.exists() and journal.stat().st_size for journal in journals)


def check_sound(path: Path) -> None:
    with sqlite3.connect(path, timeout=60) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def killed_feedback(path: Path, rounds: int, chance: random.Random) -> dict[str, Any]:
    """Kill a writer of feedback: what it was told is kept is there once, and at most one more."""
    made(path)
    told: list[int] = []
    n_interrupted = 0
    n_untold = 0
    for number in range(rounds):

        def write(say: Say, number: int = number) -> None:
            ops = Operations.open(path)
            say("ready")
            for count in range(1_000_000):
                say(ops.feedback.append(event(f"round-{number}", count)).id)

        told += kill(write, chance.uniform(0, 0.12))
        n_interrupted += was_interrupted(path)
        check_sound(path)
        ops = Operations.open(path)
        kept = [one.id for one in ops.feedback.events()]
        of_round = [
            one.body["number"] for one in ops.feedback.events() if one.by == f"round-{number}"
        ]
        ops.close()
        assert len(set(kept)) == len(kept)
        assert set(told) <= set(kept), "a write that was told as done is lost"
        assert len(kept) <= len(told) + 1
        assert of_round == list(range(len(of_round))), "a write is doubled or left out"
        n_untold += len(kept) - len(told)
        told = kept
    return {"rounds": rounds, "kept": len(told), "interrupted": n_interrupted, "untold": n_untold}


def killed_reconcile(path: Path, rounds: int, chance: random.Random) -> dict[str, Any]:
    """Kill a loop that writes alarms, an incident, a message and the watermark together."""
    made(path)
    n_interrupted = 0
    step = 0

    def write(say: Say) -> None:
        ops = Operations.open(path)
        done = ops.feeds.watermark("cells").scored_until_s or 0
        say("ready")
        for number in range(done + 1, done + 1_000_000):
            # Now and then an alarm is not wanted, so that it is withdrawn and comes back.
            names = ENTITIES if number % 3 else ENTITIES[:-1]
            wanted = [
                AlarmRecord(
                    feed="cells", entity=name, kind=AlarmKind.KPI, start_s=60, peak=1.0,
                    payload={"step": number},
                )
                for name in names
            ]  # fmt: skip
            with ops.transaction() as tx:
                ops.alarms.reconcile("cells", WINDOW, None, wanted, tx=tx)
                ops.incidents.upsert(incident(number), tx=tx)
                ops.outbox.put("log", str(number), {}, tx=tx)
                ops.feeds.set_watermark("cells", scored_until_s=number, tx=tx)
            say(number)

    for _ in range(rounds):
        told = kill(write, chance.uniform(0, 0.15))
        n_interrupted += was_interrupted(path)
        check_sound(path)
        step = check_whole(path, told[-1] if told else step)
    return {"rounds": rounds, "steps": step, "interrupted": n_interrupted}


def incident(number: int) -> IncidentRecord:
    return IncidentRecord(
        id="00ff", feed="cells", title=str(number), severity=Severity.MINOR, start_s=60,
        state=IncidentState.OPEN,
    )  # fmt: skip


def check_whole(path: Path, told: int) -> int:
    """Check that all parts of the database are at the same step, told or one more."""
    ops = Operations.open(path)
    step = ops.feeds.watermark("cells").scored_until_s or 0
    assert told <= step <= told + 1
    alarms = ops.alarms.find()
    with ops.snapshot() as tx:
        versions = dict(tx.execute(sa.select(schema.alarms.c.id, schema.alarms.c.version)).all())
        history = Counter(tx.execute(sa.select(schema.alarm_history.c.alarm_id)).scalars())
        messages = tx.execute(sa.select(schema.outbox.c.fingerprint)).scalars().all()
    if step:
        assert {alarm.payload["step"] for alarm in alarms} == {step}
        assert len(alarms) == (len(ENTITIES) if step % 3 else len(ENTITIES) - 1)
        assert ops.incidents.get("00ff").title == str(step)
        assert ops.incidents.get("00ff").version == len(ops.incidents.history("00ff")) == step
    assert versions == dict(history)
    assert sorted(map(int, messages)) == list(range(1, step + 1))
    ops.close()
    return step


def killed_migration(path: Path, rounds: int, chance: random.Random) -> dict[str, Any]:
    """Kill the first opening: the schema is not there or complete, and the next one succeeds."""
    outcomes: Counter[str] = Counter()
    n_interrupted = 0
    tables = {*schema.metadata.tables, "alembic_version"}
    for number in range(rounds):
        fresh = path.with_name(f"fresh-{number}.sqlite")

        def write(say: Say, fresh: Path = fresh) -> None:
            say("ready")
            Operations.open(fresh)
            say("done")
            time.sleep(60)

        told = kill(write, chance.uniform(0, 0.2))
        n_interrupted += was_interrupted(fresh)
        check_sound(fresh)
        with sqlite3.connect(fresh) as connection:
            names = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
            found = {name for (name,) in connection.execute(names)}
        connection.close()
        assert found in (set(), tables), f"half a schema: {sorted(found)}"
        assert found == tables or not told, "the schema was told as done and is not there"
        outcomes["complete" if found else "nothing"] += 1
        made(fresh)
        for file in fresh.parent.glob(f"{fresh.name}*"):
            file.unlink()
    return {"rounds": rounds, "interrupted": n_interrupted, **outcomes}


def main() -> None:
    what, path, *numbers = sys.argv[1:]
    killed = {
        "killed_feedback": killed_feedback,
        "killed_reconcile": killed_reconcile,
        "killed_migration": killed_migration,
    }
    if what in killed:
        rounds, seed = map(int, numbers)
        result = killed[what](Path(path), rounds, random.Random(seed))
    else:
        several: dict[str, Callable[..., dict[str, Any]]] = {
            "writers": writers, "workers": workers, "openers": openers,
        }  # fmt: skip
        result = several[what](Path(path), *map(int, numbers))
    print(json.dumps(result))  # noqa: T201  # read by the test


if __name__ == "__main__":
    main()
