"""RobustSpot's layout: the alarm's minute against the minutes before it, nothing else."""

from pathlib import Path

import pytest

from faultsight.core.errors import InputError, MissingDataError
from faultsight.localize.data import CaseDataset, open_dataset

_ROWS = """min,cdn,p2p,value,cnt
60,5,1,2,100
60,7,1,1,50
120,5,1,4,100
120,7,1,3,70
180,5,1,40,100
180,9,0,6,10
240,5,1,90,100
"""
_LABEL = "- data: one\n  timestamp: 180\n  cause: {'cdn':5, 'p2p':1}\n"


def _write(root: Path, rows: str = _ROWS, label: str = _LABEL) -> CaseDataset:
    folder = root / "localize" / "rs_robustspot"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one.csv").write_text(rows)
    (folder / "anomaly.yaml").write_text(label)
    dataset = open_dataset("rs_robustspot", root)
    assert isinstance(dataset, CaseDataset)
    return dataset


def test_baseline_is_the_mean_of_the_earlier_minutes(tmp_path: Path) -> None:
    (case,) = _write(tmp_path).cases()
    cube = case.cube
    assert cube.attributes == ("cdn", "p2p")
    assert cube.to_frame().select("cdn", "p2p").rows() == [("5", "1"), ("7", "1"), ("9", "0")]
    # 5: (2 + 4) / 2 before, 40 at the alarm; 7 is gone at the alarm; 9 was never seen before.
    assert cube.measure("value")[0].tolist() == [40.0, 0.0, 6.0]
    assert cube.measure("value")[1].tolist() == [3.0, 2.0, 0.0]
    assert cube.measure("cnt")[0].tolist() == [100.0, 0.0, 10.0]
    assert cube.measure("cnt")[1].tolist() == [100.0, 60.0, 0.0]
    assert [(kpi.name, kpi.measures, kpi.is_ratio) for kpi in cube.kpis] == [
        ("stall_ratio", ("value", "cnt"), True)
    ]


def test_a_leaf_missing_in_a_minute_counts_zero_there(tmp_path: Path) -> None:
    (case,) = _write(tmp_path, _ROWS.replace("120,7,1,3,70\n", "")).cases()
    assert case.cube.measure("value")[1].tolist() == [3.0, 0.5, 0.0]


def test_later_minutes_are_never_looked_at(tmp_path: Path) -> None:
    (with_later,) = _write(tmp_path / "a").cases()
    (without,) = _write(tmp_path / "b", _ROWS.replace("240,5,1,90,100\n", "")).cases()
    assert with_later.cube.to_frame().equals(without.cube.to_frame())


def test_one_root_or_a_list_of_roots(tmp_path: Path) -> None:
    (case,) = _write(tmp_path).cases()
    assert sorted(map(str, case.truth)) == ["cdn=5&p2p=1"]
    two = "- data: one\n  timestamp: 180\n  cause: [{'cdn': 5}, {'cdn': 7, 'p2p': no}]\n"
    (case,) = _write(tmp_path, label=two).cases()
    assert sorted(map(str, case.truth)) == ["cdn=5", "cdn=7&p2p=no"]


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no earlier time"):
        list(_write(tmp_path, label=_LABEL.replace("180", "60")).cases())
    with pytest.raises(InputError, match="no row at '200'"):
        list(_write(tmp_path, label=_LABEL.replace("180", "200")).cases())
    with pytest.raises(InputError, match="no timestamp and cause"):
        list(_write(tmp_path, label="- data: one\n  timestamp: 180\n").cases())
    with pytest.raises(InputError, match="usable cause"):
        list(_write(tmp_path, label="- data: one\n  timestamp: 180\n  cause: cdn\n").cases())
    with pytest.raises(InputError, match="not a column"):
        list(_write(tmp_path, label=_LABEL.replace("p2p", "isp")).cases())
    with pytest.raises(InputError, match="list of cases"):
        list(_write(tmp_path, label="{a: [").cases())
    with pytest.raises(MissingDataError, match="FRPv6/RobustSpot"):
        list(_write(tmp_path, label="[]").cases())


def test_the_shipped_cases_are_there_and_say_who_made_them() -> None:
    dataset = open_dataset("shipped")
    assert isinstance(dataset, CaseDataset)
    assert dataset.is_present
    cases = list(dataset.cases())
    assert len(cases) == 6
    for case in cases:
        assert all(case.cube.leaves_of(root).size for root in case.truth)
        assert case.cube.measure("value")[0].sum() > 0
    assert "MIT License" in (dataset.path / "LICENSE").read_text()
    assert "FRPv6/RobustSpot" in (dataset.path / "README.md").read_text()
