import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi


def test_a_ratio_of_nothing_is_zero() -> None:
    ratio = Kpi.ratio("stall_ratio", "stalls", "viewers")
    assert ratio.value(np.array([3.0, 1.0]), np.array([12.0, 0.0])).tolist() == [0.25, 0.0]


def test_a_derived_kpi_names_its_measures() -> None:
    with pytest.raises(SettingError, match="'delay' names no measure"):
        Kpi.derived("delay", (), np.log1p)


def test_only_sums_add_up() -> None:
    assert Kpi.additive("requests").is_additive
    assert not Kpi.ratio("hit_ratio", "hits", "requests").is_additive
