"""Processes: what is killed is run again, what kills every time is named."""

import os
import signal
import time
from pathlib import Path

import pytest

from faultsight.core.errors import SettingError
from faultsight.runners import RunnerError
from faultsight.runners.processes import Processes, ProcessesConfig


def _deadly(part: int) -> int:
    if part == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return part


def _noted(part: tuple[int, str]) -> int:
    number, folder = part
    time.sleep(0.05)
    (Path(folder) / f"{number}-{os.getpid()}").touch()
    return number


def _pid(_part: int) -> int:
    time.sleep(0.05)
    return os.getpid()


@pytest.fixture(autouse=True)
def _found_by_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import this file by its name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


def test_a_part_that_kills_every_worker_is_named() -> None:
    with (
        Processes(ProcessesConfig(workers=2, most_losses=2)) as runner,
        pytest.raises(RunnerError, match="part 4 of 6 has cost 2 workers"),
    ):
        runner.map(_deadly, range(6))


def test_the_pool_is_kept_between_calls() -> None:
    with Processes(ProcessesConfig(workers=1)) as runner:
        assert runner.map(_pid, [0]) == runner.map(_pid, [0])
        assert runner.map(_pid, [0]) != [os.getpid()]


def test_workers_killed_from_outside_do_not_lose_the_run(tmp_path: Path) -> None:
    with Processes(ProcessesConfig(workers=2)) as runner:
        for worker in set(runner.map(_pid, range(4))):
            os.kill(worker, signal.SIGKILL)
        parts = [(number, str(tmp_path)) for number in range(8)]
        assert runner.map(_noted, parts) == list(range(8))


def test_settings() -> None:
    with pytest.raises(SettingError):
        ProcessesConfig(workers=0)
    with pytest.raises(SettingError):
        ProcessesConfig(most_losses=0)
    assert Processes(ProcessesConfig(workers=7)).workers == 7
