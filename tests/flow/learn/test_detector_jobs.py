"""The weekly tuning and the training from scratch, as jobs."""

import json
from pathlib import Path
from typing import Any

import pytest

from faultsight.core.errors import ConflictError, FaultSightError, InputError
from faultsight.core.feedback import FeedbackEvent, FeedbackKind
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.learn import BackTestRule, load_model, promote, reject, revert
from faultsight.stores.operations import JobState, ModelState
from tests.flow.learn.conftest import DAY_S, START_S, State


def test_the_first_model_has_nothing_to_pass(state: State) -> None:
    job = state.first_model()
    assert (job.state, job.result["decision"]) == (JobState.DONE, "promoted")
    active = state.ops.models.active("cells")
    assert active is not None
    assert (active.id, active.parent, active.path) == ("cells/1", None, "models/cells/0001")
    model = load_model(state.folder, active)
    assert model.trained == TimeWindow(START_S, START_S + 7 * DAY_S)
    assert [d.by for d in state.ops.models.decisions(feed="cells")] == ["ana", "ana"]
    assert not list((state.folder / "models/cells").glob(".job-*"))
