"""Models of a feed: where they lie, what they were tuned from, and one action to put them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.contract import Storable
from faultsight.detect.deployed import DeployedConfig, DeployedDetector
from faultsight.detect.model_folder import load_detector
from faultsight.flow.config import FeedConfig
from faultsight.flow.learn.stored_diagnoser import load_diagnoser
from faultsight.stores.operations import ModelRecord, Operations

__all__ = ["load_model", "model_path", "new_detector", "promote", "reject", "revert", "root_of"]

_ANOTUNER = "anotuner"


def model_path(feed: str, version: int) -> str:
    """Return where a version of a feed's model lies, relative to the state folder."""
    return f"models/{feed}/{version:04d}"


def new_detector(rules: FeedConfig, *, checkpoint: Path | None = None) -> Any:
    """Return a detector to be fitted, as the feed's rules say.

    Raises
    ------
    SettingError
        If it has no such setting, or its state cannot be stored.
    UnknownMemberError
        If there is no such detector or threshold.
    MissingExtraError
        If it is AnoTuner and torch is not installed.
    """
    if rules.detector == _ANOTUNER:
        from faultsight import detect

        settings = {"threshold": rules.threshold, **rules.detector_settings}
        plain = detect.AnoTuner.with_settings(settings)
        return detect.AnoTuner(plain.config, checkpoint=checkpoint)
    model = DeployedDetector(
        DeployedConfig(rules.detector, dict(rules.detector_settings), rules.threshold)
    )
    if not isinstance(model.detector, Storable):
        raise SettingError(f"{rules.detector} cannot be stored, and so not be a feed's detector")
    return model


def root_of(ops: Operations, model: ModelRecord) -> ModelRecord:
    """Return the model without marks that a model was tuned from; itself if it is one."""
    root = model.card.get("root")
    return model if root is None else ops.models.get(str(root))


def load_model(folder: Path, record: ModelRecord) -> Any:
    """Return a stored detector of a state folder.

    Raises
    ------
    InputError
        If its folder is missing or damaged.
    MissingExtraError
        If it is AnoTuner and torch is not installed.
    """
    return load_detector(folder / record.path)


def promote(
    ops: Operations, folder: Path | str, model_id: str, *, by: str, why: str
) -> ModelRecord:
    """Put a model to work by hand; who, when and why are kept.

    Raises
    ------
    InputError
        If no reason is given, or the model's folder is missing or damaged.
    NotFoundError, ConflictError
        If there is no such model, or it was rejected.
    """
    _check_reason(why)
    _check_folder(Path(folder), ops.models.get(model_id))
    return ops.models.promote(model_id, by=by, why=why)


def reject(ops: Operations, model_id: str, *, by: str, why: str) -> ModelRecord:
    """Say that a candidate shall not be put to work.

    Raises
    ------
    InputError
        If no reason is given.
    NotFoundError, ConflictError
        If there is no such model, or it is no candidate.
    """
    _check_reason(why)
    return ops.models.reject(model_id, by=by, why=why)


def revert(ops: Operations, folder: Path | str, feed: str, *, by: str, why: str) -> ModelRecord:
    """Put the model before the one at work back to work; its scores are what they were.

    Raises
    ------
    InputError
        If no reason is given, or the earlier model's folder is missing or damaged.
    NotFoundError, ConflictError
        If there is no such feed, or no earlier model.
    """
    _check_reason(why)
    ops.feeds.get(feed)
    with ops.transaction() as tx:
        back = ops.models.revert(feed, by=by, why=why, tx=tx)
        _check_folder(
            Path(folder), back
        )  # an error undoes the transaction: what works goes on working
    return back


def _check_reason(why: str) -> None:
    if not why.strip():
        raise InputError("say why: the decision is kept with its reason")


def _check_folder(folder: Path, record: ModelRecord) -> None:
    if record.member == "telapart":
        load_diagnoser(folder / record.path)
    else:
        load_model(folder, record)
