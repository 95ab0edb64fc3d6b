"""Every diagnoser against every contract check; a new member is tested without an edit here."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import pytest

from faultsight.diagnose import DIAGNOSERS
from faultsight.diagnose.checks import CHECKS, Check, run_check
from faultsight.diagnose.contract import Diagnoser
from faultsight.diagnose.telapart import TelApart, TelApartConfig


class PaperTelApart(TelApart):
    """TelApart as published."""

    excused: ClassVar[Mapping[str, str]] = {
        "check_names_change_nothing": "six slots leave seven similarities of misses, so that most "
        "merges are tied, and ties are broken by name"
    }

    def __init__(self) -> None:
        super().__init__(TelApartConfig.paper())


_MAKERS: dict[str, Callable[[], Diagnoser]] = {"telapart-paper": PaperTelApart}
_MAKERS |= {name: DIAGNOSERS.load(name) for name in DIAGNOSERS.names()}


@pytest.mark.parametrize("name", sorted(_MAKERS))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_diagnoser(name: str, check: Check) -> None:
    run_check(check, _MAKERS[name])


@pytest.mark.parametrize("name", sorted(_MAKERS))
def test_every_excuse_names_a_check(name: str) -> None:
    known = {check.__name__ for check in CHECKS}
    assert set(_MAKERS[name]().excused) <= known
