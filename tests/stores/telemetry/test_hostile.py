"""Names are data: they come back as they were, and are never a path, a pattern or a command."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.stores.telemetry import KpiStore

NOW = 1_767_571_200
NAMES = (
    'a"; DROP TABLE alarms;--', "' OR 1=1 --", "../../etc/passwd", "/etc/passwd", "..\\..\\x",
    "C:\\con", "a\0b", "\0", "=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "{{7*7}}", "${jndi:x}",
    "<script>alert(1)</script>", "$(reboot)", "`id`", "; rm -rf /", "%00", "%2e%2e%2f", "*", "?",
    "[a]", "^.*$", "^cell-.*$", ".", "..", "-", "--help", " ", "\t", "\n", "\r\n", "\u202etxt",
    "\ufeff", "ﬁ", "é", "e\u0301", "😀", "CON", "nul.parquet", "bucket=03", "a,b", 'a""b', "null",
    "NaN", "None", "007", "1e5", "x" * 1000,
)  # fmt: skip
STORABLE = tuple(name for name in NAMES if "\0" not in name)


def everything(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


def test_entities_come_back_as_they_were(tmp_path: Path, store: KpiStore) -> None:
    sent = pl.DataFrame({"entity": NAMES, "timestamp": NOW, "drops": range(len(NAMES))})
    told = store.append(sent, source="../../x\0.csv", received_at_s=2e9)
    # No database holds a NUL in a text; all others are names as good as any.
    assert (told.n_rows, told.quarantined) == (len(STORABLE), {"name_with_nul": 2})
    assert store.entities == sorted(STORABLE)
    found = {frame.entity: frame.values[0, 0] for frame in store.frames()}
    assert found == {name: float(i) for i, name in enumerate(NAMES) if name in STORABLE}
    for name in STORABLE:
        assert [frame.entity for frame in store.frames(entities=[name])] == [name]
    store.compact(before_s=2e9, grace_s=0.0)
    store.compact(before_s=2e9, grace_s=0.0)
    assert store.table()["entity"].to_list() == sorted(STORABLE)
    # Files are named by bucket, day and number only.
    assert everything(tmp_path) <= {
        "cells", "cells/feed.json", "cells/.lock", "cells/.compact.lock",
        "cells/names.000000.parquet", "cells/quarantine", "cells/quarantine/000000.parquet",
        *(f"cells/bucket={b:02d}{file}" for b in range(4)
          for file in ("", "/2026-01-05.0000.parquet")),
    }  # fmt: skip


def test_columns_come_back_as_they_were(store: KpiStore) -> None:
    names = [name for name in NAMES if name not in ("entity", "timestamp")]
    sent = pl.DataFrame({"entity": ["a"], "timestamp": [NOW], **dict.fromkeys(names, 1.5)})
    assert store.append(sent, received_at_s=2e9).ignored == ()
    assert store.columns == tuple(names)
    (frame,) = store.frames()
    assert frame.kpis == tuple(names)
    assert frame.values.tolist() == [[1.5] * len(names)]
    # A name that looks like a pattern is that name, and no other.
    for name in names:
        (frame,) = store.frames(kpis=[name])
        assert (frame.kpis, frame.values.tolist()) == ((name,), [[1.5]])
        assert store.table(columns=[name]).columns == ["timestamp", "entity", name]
    later = sent.with_columns(timestamp=pl.lit(NOW + 3600))
    store.append(later, received_at_s=2e9)
    store.compact(before_s=2e9)
    assert store.frames()[0].values.shape == (2, len(names))


def test_columns_called_like_our_own(store: KpiStore) -> None:
    names = ["bucket", "day", "_bucket", "row", "rule", "source", "element", "attribute", "index",
             "literal", "content", "number"]  # fmt: skip
    sent = pl.DataFrame({"entity": ["a", "b"], "timestamp": [NOW, None], **dict.fromkeys(names, 1)})
    told = store.append(sent, received_at_s=2e9)
    assert (told.n_rows, told.quarantined) == (1, {"no_timestamp": 1})
    assert store.columns == tuple(names)
    assert store.table().row(0)[2:] == (1.0,) * len(names)


def test_attributes_and_elements_come_back_as_they_were(tmp_path: Path) -> None:
    attributes = [name for name in NAMES if name.strip()][:20]
    cube = KpiStore.create(tmp_path, name="cdn", kind="cube", interval_s=60, attributes=attributes)
    sent = pl.DataFrame({"timestamp": [NOW] * len(STORABLE), "requests": range(len(STORABLE)),
                         **dict.fromkeys(attributes, pl.Series(STORABLE))})  # fmt: skip
    assert cube.append(sent, received_at_s=2e9).n_rows == len(STORABLE)
    for name in attributes:
        assert cube.elements(name) == sorted(STORABLE)
        assert cube.table()[name].to_list() == sorted(STORABLE)


def test_what_is_set_aside_comes_back_as_it_was(store: KpiStore) -> None:
    sent = pl.DataFrame({
        "entity": NAMES, "timestamp": [None] * len(NAMES), "text": NAMES, "bytes": b"\xff\0",
        "parts": [[1, 2]] * len(NAMES), "^.*$": 1,
    })  # fmt: skip
    told = store.append(sent, source="=cmd()\0", received_at_s=2e9)
    assert told.quarantined == {"no_timestamp": len(NAMES)}
    rows = store.quarantine.rows()
    contents = rows["content"].str.json_decode(
        pl.Struct({"entity": pl.String, "text": pl.String, "bytes": pl.String, "parts": pl.String})
    )
    assert contents.struct.field("text").to_list() == list(NAMES)
    assert contents.struct.field("bytes").unique().to_list() == ["ff00"]
    assert contents.struct.field("parts").unique().to_list() == ["[1, 2]"]
    assert rows["source"].unique().to_list() == ["=cmd()\0"]


def test_what_is_set_aside_takes_little_room(
    store: KpiStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name of a megabyte, told again and again: all rows are counted, few are kept whole."""
    monkeypatch.setattr("faultsight.stores.telemetry.quarantine._MOST_WHOLE", 3)
    sent = pl.DataFrame({"entity": ["x" * 1_000_000] * 5, "timestamp": NOW, "drops": 1.0,
                         "bytes": b"\1" * 1_000_000})  # fmt: skip
    assert store.append(sent, received_at_s=2e9).quarantined == {"name_too_long": 5}
    rows = store.quarantine.rows()
    assert rows["row"].to_list() == [1, 2, 3, 4, 5]
    assert rows["content"].is_null().to_list() == [False] * 3 + [True] * 2
    assert 2000 < rows["content"].str.len_bytes().max() < 2300  # type: ignore[operator]


@settings(deadline=None, max_examples=40)
@given(st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1,
            max_size=20),
    min_size=1, max_size=6, unique=True,
))  # fmt: skip
def test_any_text_is_a_name(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    store = KpiStore.create(tmp_path_factory.mktemp("t"), name="cells", interval_s=60, n_buckets=2)
    sent = pl.DataFrame({"entity": names, "timestamp": NOW, "drops": range(len(names))})
    store.append(sent, received_at_s=2e9)
    assert [frame.entity for frame in store.frames()] == sorted(names)
    assert store.entities == sorted(names)


@pytest.mark.parametrize("folder", ["[a]", "a*", "^b$", "bucket=07", "ünï", "a b", "-"])
def test_a_folder_of_any_name(tmp_path: Path, folder: str) -> None:
    store = KpiStore.create(tmp_path / folder, name="cells", interval_s=60)
    sent = pl.DataFrame({"entity": ["a", None], "timestamp": NOW, "drops": 1.0})
    store.append(sent, received_at_s=2e9)
    assert len(store.frames()) == store.quarantine.rows().height == 1
    assert store.entities == ["a"]
