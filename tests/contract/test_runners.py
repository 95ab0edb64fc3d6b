"""Every runner against every contract check; a new member is tested without an edit here."""

import pytest

from faultsight.runners import CHECKS, RUNNERS
from faultsight.runners._checks import Check


@pytest.mark.parametrize("name", RUNNERS.names())
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_runner(name: str, check: Check) -> None:
    check(RUNNERS.load(name))
