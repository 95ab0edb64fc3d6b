"""Models: exactly one at work, every decision kept, one action to go back."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
import sqlalchemy as sa

from faultsight.core.errors import ConflictError, NotFoundError
from faultsight.stores.operations import ModelRecord, ModelState, Operations, schema


def add(ops: Operations, parent: str | None = None) -> ModelRecord:
    return ops.models.add(
        "cells", "ridge_var", "models/cells/x", parent=parent, card={"rows": 5}, by="ana"
    )


def states(ops: Operations) -> dict[str, str]:
    return {model.id: model.state.value for model in ops.models.page().items}


def test_versions_count_up_and_a_model_begins_as_candidate(ops: Operations) -> None:
    first, second = add(ops), add(ops)
    assert (first.id, first.version, first.state) == ("cells/1", 1, ModelState.CANDIDATE)
    assert second.id == "cells/2"
    assert ops.models.active("cells") is None
    assert ops.models.get("cells/1") == first


def test_a_reserved_version_is_nobody_elses(ops: Operations) -> None:
    version = ops.models.reserve_version("cells")
    assert add(ops).version == version + 1
    mine = ops.models.add("cells", "pca", "p", by="ana", version=version)
    assert mine.id == f"cells/{version}"
    for taken in (version, 99, 0):
        with pytest.raises(ConflictError, match="taken or was not reserved"):
            ops.models.add("cells", "pca", "p", by="ana", version=taken)


def test_promoting_retires_the_one_before_and_says_who_when_and_why(ops: Operations) -> None:
    first, second = add(ops), add(ops)
    ops.models.promote(first.id, by="ana", why="first")
    ops.models.promote(second.id, by="bob", why="better F1")
    assert states(ops) == {"cells/1": "retired", "cells/2": "active"}
    told = [
        (one.model_id, one.by, one.action, one.why, one.at_s)
        for one in ops.models.decisions(feed="cells")[2:]
    ]
    assert told == [
        ("cells/1", "ana", "promoted", "first", 1_000_000),
        ("cells/1", "bob", "retired", "better F1", 1_000_000),
        ("cells/2", "bob", "promoted", "better F1", 1_000_000),
    ]
    assert ops.models.promote(second.id, by="bob", why="again") == ops.models.active("cells")
    assert len(ops.models.decisions(feed="cells")) == 5


def test_going_back_is_one_action_and_goes_on_to_the_grandparent(ops: Operations) -> None:
    first = add(ops)
    second = add(ops, first.id)
    third = add(ops, second.id)
    for model in (first, second, third):
        ops.models.promote(model.id, by="ana", why="w")
    assert ops.models.revert("cells", by="ana", why="worse").id == second.id
    assert ops.models.revert("cells", by="ana", why="worse").id == first.id
    with pytest.raises(ConflictError, match="no earlier model"):
        ops.models.revert("cells", by="ana", why="worse")
    assert states(ops) == {"cells/1": "active", "cells/2": "retired", "cells/3": "retired"}
    assert [one.action for one in ops.models.decisions(model_id="cells/1")] == [
        "added", "promoted", "retired", "reverted",
    ]  # fmt: skip
    assert [one.id for one in ops.models.lineage(third.id)] == ["cells/3", "cells/2", "cells/1"]


def test_what_was_rejected_is_not_promoted(ops: Operations) -> None:
    first = add(ops)
    ops.models.reject(first.id, by="job", why="misses 3 of 9 marks")
    with pytest.raises(ConflictError, match="was rejected"):
        ops.models.promote(first.id, by="ana", why="w")
    second = add(ops)
    ops.models.promote(second.id, by="ana", why="w")
    with pytest.raises(ConflictError, match="no candidate"):
        ops.models.reject(second.id, by="ana", why="w")


def test_feeds_have_each_their_own(ops: Operations) -> None:
    ops.feeds.add("other", "kpi", 60)
    mine = add(ops)
    other = ops.models.add("other", "pca", "p", by="ana")
    for model in (mine, other):
        ops.models.promote(model.id, by="ana", why="w")
    assert set(states(ops).values()) == {"active"}
    with pytest.raises(ConflictError, match="another feed"):
        add(ops, other.id)
    with pytest.raises(NotFoundError):
        ops.models.add("nope", "pca", "p", by="ana")


def test_the_database_itself_refuses_a_second_active_model(ops: Operations) -> None:
    for _ in range(2):
        add(ops)
    with pytest.raises(sa.exc.IntegrityError), ops.transaction() as tx:
        tx.execute(schema.models.update().values(state="active"))
    assert set(states(ops).values()) == {"candidate"}


def test_exactly_one_is_active_whoever_promotes_at_once(ops: Operations) -> None:
    models = [add(ops) for _ in range(8)]
    seen: list[int] = []

    def promote(model: ModelRecord) -> None:
        ops.models.promote(model.id, by=model.id, why="race")
        seen.append(Counter(states(ops).values())["active"])

    threads = [threading.Thread(target=promote, args=[model]) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 8
    assert Counter(states(ops).values()) == {"active": 1, "retired": 7}
