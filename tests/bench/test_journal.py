"""Cells in processes: the order of rows, and what a journal keeps of a run that was interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from faultsight.bench.engine import Context, Row, run_scenario
from faultsight.bench.journal import Cell, Ended, Journal, run_cells
from faultsight.core.errors import InputError, SettingError

ROOT = Path(__file__).parents[2]
EARLIER = "earlier starts: the seconds of the whole run are those of the last start alone"
BUDGET = "no method is begun on a set after 60 s"
CELLS: list[Cell] = [{"dataset": name, "seed": seed} for name in ("A", "B") for seed in (0, 1)]


def _work(cell: Cell, done: Path, fails: str = "", kills: str = "", bug: str = "") -> list[Row]:
    """Leave a trace that this cell was run; the first ends last."""
    if cell == CELLS[0]:
        time.sleep(0.5)
    name = f"{cell['dataset']}{cell['seed']}"
    with (done / name).open("a") as file:
        file.write("x")
    if name == fails:
        raise InputError("too odd")
    if name == kills:
        os.kill(os.getpid(), signal.SIGKILL)
    if name == bug:
        raise ZeroDivisionError
    row: Row = {"dataset": str(cell["dataset"]), "seed": str(cell["seed"]), "f1": 0.1 + 0.2}
    return [row | {"part": "first", "nothing": float("nan")}, row | {"part": "second"}]


def _sleeps(cell: Cell, done: Path) -> list[Row]:
    """Return one row at once for the first cell; sleep in every other."""
    (done / f"{cell['dataset']}{cell['seed']}").write_text(f"by {os.getpid()}")
    if cell != CELLS[0]:
        time.sleep(600)
    return [{"dataset": str(cell["dataset"]), "f1": 0.5}]


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except OSError:
        return False


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def _threads(_cell: Cell) -> list[Row]:
    return [{"threads": os.environ["OMP_NUM_THREADS"], "pid": os.getpid()}]


@pytest.fixture(autouse=True)
def _found_by_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import this file by its name."""
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """Return the folder in which each cell leaves a trace."""
    folder = tmp_path / "done"
    folder.mkdir()
    return folder


def _run(
    work: Callable[[Cell], list[Row]], journal: Path | None = None, **asked: float | None
) -> tuple[list[Row], list[str], list[str]]:
    lines: list[str] = []
    context = Context(
        journal=journal, progress=lines.append, seed=int(asked.get("seed") or 0),
        budget_s=asked.get("budget_s"), workers=2,
    )  # fmt: skip
    rows, notes = run_cells(
        "detect/example", CELLS, work, context, budget_s=60.0, told=lambda row: f"f1 {row['f1']}"
    )
    return rows, notes, lines


def test_cells_that_take_long_are_named_meanwhile(
    done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faultsight.bench.journal._SILENCE_S", 0.05)
    _, _, lines = _run(partial(_work, done=done))
    waiting = [line for line in lines if line.startswith("still running after ")]
    assert any("A, seed 0" in line for line in waiting)
    assert len([line for line in lines if line.startswith("cell ")]) == len(CELLS)


def test_rows_come_in_the_order_of_cells_and_progress_as_they_end(done: Path) -> None:
    rows, notes, lines = _run(partial(_work, done=done))
    assert notes == [BUDGET]
    assert [(row["dataset"], row["seed"], row["part"]) for row in rows] == [
        (d, s, part) for d in "AB" for s in "01" for part in ("first", "second")
    ]
    assert (rows[0]["f1"], rows[0]["nothing"]) == (0.1 + 0.2, None)
    assert "4 cells, 0 of them in the journal; 2 at once" in lines[0]
    assert "60 s" in lines[0]
    assert sorted(line.split(":")[0] for line in lines[1:]) == [
        "cell 1 of 4, A, seed 0", "cell 2 of 4, A, seed 1", "cell 3 of 4, B, seed 0",
        "cell 4 of 4, B, seed 1",
    ]  # fmt: skip
    assert all("gone" in line and "left" in line for line in lines[1:])


def test_workers_have_one_thread_and_serve_many_cells() -> None:
    context = Context(workers=2)
    before = dict(os.environ)
    rows, _ = run_cells("detect/example", CELLS, _threads, context, budget_s=60.0, told=str)
    assert dict(os.environ) == before
    assert {row["threads"] for row in rows} == {"1"}
    pids = {row["pid"] for row in rows}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2


def test_an_interrupted_run_does_what_is_missing_and_gives_the_same_rows(
    done: Path, tmp_path: Path
) -> None:
    work, journal = partial(_work, done=done), tmp_path / "run.jsonl"
    whole, _, _ = _run(work, journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + len(CELLS)
    # Two cells ended, the third line was torn off by a crash.
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    rows, notes, told = _run(work, journal)
    assert (rows, notes) == (whole, [BUDGET, f"2 of 4 cells are of {EARLIER}"])
    assert "2 of them in the journal" in told[0]
    assert sorted(path.read_text() for path in done.iterdir()) == ["x", "x", "xx", "xx"]
    assert journal.read_bytes().startswith(b"".join(lines[:3]))
    assert _run(work, journal)[0] == whole
    assert sorted(path.read_text() for path in done.iterdir()) == ["x", "x", "xx", "xx"]


def test_a_killed_run_takes_its_workers_along_and_is_gone_on_with(
    done: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    script = (
        "import sys; from functools import partial; from pathlib import Path;"
        "from tests.bench import test_journal as t;"
        "t._run(partial(t._sleeps, done=Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    run = subprocess.Popen([sys.executable, "-c", script, done, journal], cwd=ROOT)
    _until(lambda: len(list(done.iterdir())) == 3)  # the first has ended, two sleep
    _until(lambda: journal.read_bytes().count(b"\n") == 2)
    run.kill()
    run.wait()
    workers = [int(path.read_text().split()[-1]) for path in done.iterdir()]
    _until(lambda: not any(map(_is_alive, workers)))
    rows, notes, lines = _run(partial(_work, done=done), journal)
    assert "1 of them in the journal" in lines[0]
    assert len(rows) == 1 + 2 * (len(CELLS) - 1)
    assert notes == [BUDGET, f"1 of 4 cells are of {EARLIER}"]


def test_a_journal_of_which_only_the_start_was_written_begins_anew(
    done: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    journal.write_bytes(b'{"journal": 1, "scen')
    rows, _, _ = _run(partial(_work, done=done), journal)
    assert len(rows) == 2 * len(CELLS)
    assert json.loads(journal.read_bytes().splitlines()[0])["scenario"] == "detect/example"


def test_the_journal_of_another_run_is_refused_and_left_as_it_is(
    done: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    _run(partial(_work, done=done), journal)
    before = journal.read_bytes()
    with pytest.raises(InputError, match=r"run\.jsonl.*seed was 0 and is 3"):
        _run(partial(_work, done=done), journal, seed=3)
    for text in (before.replace(b'"python": "', b'"python": "0'), b'{"scenario": "a"}\n', b"x"):
        journal.write_bytes(text)
        with pytest.raises(InputError, match=r"run\.jsonl"):
            _run(partial(_work, done=done), journal)
        assert journal.read_bytes() == text
    # A line in the midst is never torn: something else wrote it.
    journal.write_bytes(before.replace(b'{"cell"', b'"cell"', 1))
    with pytest.raises(InputError, match=r"run\.jsonl, row 1"):
        _run(partial(_work, done=done), journal)


def test_no_cell_starts_when_the_budget_is_spent_and_a_later_run_adds_them(
    done: Path, tmp_path: Path
) -> None:
    work, journal = partial(_work, done=done), tmp_path / "run.jsonl"
    rows, notes, lines = _run(work, journal, budget_s=0.0)
    assert rows == []
    assert "after 0 s" in lines[0]
    assert notes == [
        "no method is begun on a set after 0 s",
        "the budget of 0 s was spent: 4 of 4 cells have no row: A, seed 0; A, seed 1; B, seed 0; "
        "B, seed 1",
    ]
    assert len(_run(work, journal, budget_s=60.0)[0]) == 2 * len(CELLS)


def test_a_cell_that_fails_is_a_note_also_when_it_stands_in_the_journal(
    done: Path, tmp_path: Path
) -> None:
    for earlier in ([], [f"4 of 4 cells are of {EARLIER}"]):
        rows, notes, _ = _run(partial(_work, done=done, fails="B0"), tmp_path / "run.jsonl")
        assert notes == [BUDGET, "no row for B, seed 0: too odd", *earlier]
        assert [row["seed"] for row in rows if row["part"] == "first"] == ["0", "1", "1"]
    assert (done / "B0").read_text() == "x"


def test_a_killed_worker_costs_its_cell_alone_which_is_run_again(
    done: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    rows, notes, _ = _run(partial(_work, done=done, kills="A1"), journal)
    assert notes[0] == BUDGET
    assert len(notes) == 2
    assert notes[1].startswith("no row for A, seed 1: its process was killed")
    assert len(rows) == 2 * (len(CELLS) - 1)
    again, notes, _ = _run(partial(_work, done=done), journal)
    assert len(again) == 2 * len(CELLS)
    assert notes == [BUDGET, f"3 of 4 cells are of {EARLIER}"]


def test_a_bug_in_a_cell_is_raised_when_the_others_have_ended(done: Path, tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    with pytest.raises(ZeroDivisionError) as caught:
        _run(partial(_work, done=done, bug="A1"), journal)
    assert caught.value.__notes__[-1] == "in the cell A, seed 1"
    rows, _, lines = _run(partial(_work, done=done), journal)
    assert "3 of them in the journal" in lines[0]
    assert len(rows) == 2 * len(CELLS)


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    for cells, workers in (([CELLS[0], CELLS[0]], 1), (CELLS, 0)):
        with pytest.raises(SettingError):
            run_cells(
                "detect/example", cells, _threads, Context(workers=workers), budget_s=1.0, told=str
            )
    with pytest.raises(SettingError, match="keeps no journal"):
        run_scenario("localize/speed", Context(journal=tmp_path / "run.jsonl"))
    with pytest.raises(SettingError, match="small or large"):
        Context(preset="huge")


def test_a_cell_is_on_the_disk_as_soon_as_it_is_added(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Journal(path, {"scenario": "a"}) as journal:
        journal.add({"dataset": "A"}, Ended([{"f1": 0.5}], 1.0))
        assert json.loads(path.read_bytes().splitlines()[1])["rows"] == [{"f1": 0.5}]
        with Journal(path, {"scenario": "a"}) as other:
            assert other.get({"dataset": "A"}) == Ended([{"f1": 0.5}], 1.0)
