"""How models learn from what operators say: tuned weekly, trained anew quarterly, put back at once.

A job takes the marks that stand, tunes a copy of the feed's model, checks it on marks and a quiet
window that it has not seen, and promotes it or says why not. Who decided what, when and why is
kept with every model.
"""

from __future__ import annotations

from faultsight.flow.learn.back_test import BackTestRule
from faultsight.flow.learn.learn_config import LearnConfig
from faultsight.flow.learn.learner import Learner
from faultsight.flow.learn.model_versions import load_model, promote, reject, revert
from faultsight.flow.learn.rejected_patterns import rejected_patterns
from faultsight.flow.learn.stored_diagnoser import load_diagnoser

__all__ = [
    "BackTestRule",
    "LearnConfig",
    "Learner",
    "load_diagnoser",
    "load_model",
    "promote",
    "reject",
    "rejected_patterns",
    "revert",
]
