"""What every runner must satisfy, ours and anybody's.

Run them on your own member::

    import pytest
    from faultsight.runners import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
    def test_my_runner(check):
        check(MyRunner)
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from faultsight.core.errors import InputError
from faultsight.core.seed import random_stream
from faultsight.runners._contract import Runner
from faultsight.runners.serial import Serial

__all__ = ["CHECKS"]

MakeRunner = Callable[[], Runner]
Check = Callable[[MakeRunner], None]


def _digest(part: tuple[int, int]) -> str:
    """Return the digest of some floating-point work: last bits count."""
    seed, size = part
    table = random_stream(seed, "runner").standard_normal((size, size))
    return hashlib.sha256(np.asarray(table @ table.T).tobytes()).hexdigest()


def _refused(part: int) -> int:
    if part % 2:
        raise InputError(f"part {part} is odd")
    return part


def _grown(part: list[int]) -> list[int]:
    part.append(1)
    return part


def _lost_once(part: tuple[int, str, int]) -> int:
    """Return a number; kill the worker at the first try, unless it is the caller itself."""
    number, folder, caller = part
    tried = Path(folder) / f"tried-{number}"
    if number == 2 and os.getpid() != caller and not tried.exists():
        tried.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def check_results_are_in_order(make: MakeRunner) -> None:
    """However long a part takes, its result is at its place."""
    parts = [(seed, 8 if seed % 3 else 96) for seed in range(12)]
    with make() as runner:
        assert runner.map(_digest, parts) == [_digest(part) for part in parts]


def check_same_bytes_as_serial(make: MakeRunner) -> None:
    """Results are those of the serial runner, to the last bit, on every call."""
    parts = [(seed, 64) for seed in range(5)]
    expected = Serial().map(_digest, parts)
    with make() as runner:
        assert runner.map(_digest, parts) == expected
        assert runner.map(_digest, reversed(parts)) == expected[::-1]


def check_nothing_to_do(make: MakeRunner) -> None:
    """No part, no result; an iterator of parts is as good as a list."""
    with make() as runner:
        assert runner.map(abs, []) == []
        assert runner.map(abs, iter([-1])) == [1]


def check_the_first_error_is_raised(make: MakeRunner) -> None:
    """What the function raises arrives with its type and text; the runner goes on working."""
    with make() as runner:
        told = ""
        try:
            runner.map(_refused, [0, 2, 3, 4, 5])
        except InputError as error:
            told = str(error)
        assert told == "part 3 is odd", "the error was lost"
        assert runner.map(_refused, [0, 2]) == [0, 2]


def check_results_do_not_share(make: MakeRunner) -> None:
    """Parts that are one object give results of their own content."""
    with make() as runner:
        assert [part[0] for part in runner.map(_grown, [[7], [8]])] == [7, 8]


def check_a_lost_worker_does_not_lose_the_run(make: MakeRunner) -> None:
    """A worker that is killed costs time and nothing else."""
    with TemporaryDirectory() as folder, make() as runner:
        parts = [(number, folder, os.getpid()) for number in range(6)]
        assert runner.map(_lost_once, parts) == [n * n for n in range(6)]


def check_it_works_again_after_close(make: MakeRunner) -> None:
    """Closing lets go what is held; the next call engages it again."""
    runner = make()
    assert runner.map(abs, [-3]) == [3]
    runner.close()
    runner.close()
    assert runner.map(abs, [-4]) == [4]
    runner.close()


CHECKS: Sequence[Check] = tuple(
    value for name, value in sorted(globals().items()) if name.startswith("check_")
)
"""Every check, by name."""
