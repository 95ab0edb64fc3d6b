"""A database for each test: SQLite, or the PostgreSQL that FAULTSIGHT_TEST_POSTGRES names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from faultsight.stores.operations import Operations, migrations


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database with one feed, ``cells``, that each test copies."""
    path = tmp_path_factory.mktemp("made") / "operations.sqlite"
    ops = Operations.open(path, clock=Clock())
    ops.feeds.add("cells", "kpi", 60)
    ops.close()
    return path


@pytest.fixture
def ops(tmp_path: Path, clock: Clock, made_once: Path) -> Iterator[Operations]:
    """Return a database with one feed, ``cells``."""
    url = os.environ.get("FAULTSIGHT_TEST_POSTGRES")
    path = tmp_path / "operations.sqlite"
    shutil.copy(made_once, path)
    ops = Operations.open(url or path, clock=clock)
    ops.feeds.add("cells", "kpi", 60)
    yield ops
    if url:
        migrations.downgrade(ops._database, "base")
    ops.close()
