"""Every localizer against every contract check; a new member is tested without an edit here."""

import pytest

from faultsight.localize import LOCALIZERS
from faultsight.localize.checks import CHECKS, Check, run_check


@pytest.mark.parametrize("name", LOCALIZERS.names())
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_localizer(name: str, check: Check) -> None:
    run_check(check, LOCALIZERS.load(name))


@pytest.mark.parametrize("name", LOCALIZERS.names())
def test_every_excuse_names_a_check(name: str) -> None:
    known = {check.__name__ for check in CHECKS}
    assert set(LOCALIZERS.load(name).excused) <= known
