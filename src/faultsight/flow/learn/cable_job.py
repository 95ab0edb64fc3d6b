"""The job on a diagnoser: TelApart's thresholds learned anew from tickets, and told if they move.

The end of the polls is held out. The new model and the one at work both diagnose it, and the
tickets opened there tell whether the new one is not worse: as many of the four invariants hold, and
maintenance tickets gather in diagnosed maintenance at least nine tenths as densely as before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faultsight.core.alarm import stable_id
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.telapart import TelApart
from faultsight.flow.config import FeedConfig
from faultsight.flow.learn.job_run import JobRun
from faultsight.flow.learn.learn_config import LearnConfig
from faultsight.flow.learn.lesson_plan import LessonPlan, feed_config, plan_lesson
from faultsight.flow.learn.model_versions import model_path
from faultsight.flow.learn.stored_diagnoser import (
    load_diagnoser,
    read_diagnoser_card,
    save_diagnoser,
)
from faultsight.flow.learn.ticket_lesson import (
    MEMBER,
    fit_to_tickets,
    ticket_figures,
    tickets_of,
    unfitted,
)
from faultsight.stores.operations import Job

__all__ = ["drifted", "tune_cable"]

_LEAST_RATE = 0.9


def tune_cable(run: JobRun, folder: Path, config: LearnConfig) -> Job:
    """Fit TelApart to the tickets of the recent past, and promote it if it passes.

    Raises
    ------
    InputError
        If there are no polls or no tickets, or too few to hold any out.
    SettingError
        If the feed's diagnoser is another one.
    """
    ops = run.ops
    rules = feed_config(ops, str(run.job.payload["feed"]))
    unfitted(rules)  # what cannot be is told before anything is read
    plan = plan_lesson(run, folder, config, n_versions=1)
    path = model_path(plan.feed, plan.versions[0])
    if not (folder / path / "model.json").is_file():
        _fit(run, folder, config, rules, plan)
    card = read_diagnoser_card(folder / path)
    model_id = f"{plan.feed}/{plan.versions[0]}"
    with ops.transaction() as tx:
        now = ops.models.active(plan.feed, tx=tx)
        ops.models.add(
            plan.feed, MEMBER, path, parent=plan.active, card=card, by=run.job.created_by,
            version=plan.versions[0], why=f"job {run.job.id}: {card['step']}", tx=tx,
        )  # fmt: skip
        test = card["back_test"]
        passed, why = bool(test["passed"]), str(test["why"])
        if (None if now is None else now.id) != plan.active:
            passed = False
            why = "another model was put to work meanwhile; this one was compared with the earlier"
        decide = ops.models.promote if passed else ops.models.reject
        decide(model_id, by=run.job.created_by, why=f"job {run.job.id}: {why}", tx=tx)
        if card["drift"]:
            _tell_drift(run, rules, model_id, card["drift"], tx)
        result = {
            "feed": plan.feed, "decision": "promoted" if passed else "rejected",
            "model": model_id, "why": why, "back_test": test, "drift": card["drift"],
            "tickets_set_aside": card.get("tickets_set_aside", {}),
            "tickets_noticed": card.get("tickets_noticed", {}),
        }  # fmt: skip
        job = ops.jobs.finish(run.job.id, run.owner, result, tx=tx)
    run.clear()
    return job


def drifted(
    before: Mapping[str, Any], after: Mapping[str, Any], config: LearnConfig
) -> list[dict[str, Any]]:
    """Return the thresholds that moved by more than the settings allow.

    Parameters
    ----------
    before, after : mapping
        `TelApart.to_dict` of the model at work and of the new one.
    config : LearnConfig
        How far a threshold may move.

    Examples
    --------
    >>> old = {"scores": {"snr": {"value": 2.0}}, "similarity": {"snr": {"similarity": 0.6}}}
    >>> new = {"scores": {"snr": {"value": 4.0}}, "similarity": {"snr": {"similarity": 0.65}}}
    >>> drifted(old, new, LearnConfig())
    [{'threshold': 'score of snr', 'before': 2.0, 'after': 4.0}]
    """
    found = []
    for feature, told in sorted(after["scores"].items()):
        was = before["scores"].get(feature, told)["value"]
        now = told["value"]
        if was > 0 and now > 0 and abs(math.log(now / was)) > math.log(config.drift_factor):
            found.append({"threshold": f"score of {feature}", "before": was, "after": now})
    for feature, told in sorted(after["similarity"].items()):
        was = before["similarity"].get(feature, told)["similarity"]
        now = told["similarity"]
        if abs(now - was) > config.drift_similarity:
            found.append({"threshold": f"similarity of {feature}", "before": was, "after": now})
    return found


def _fit(
    run: JobRun, folder: Path, config: LearnConfig, rules: FeedConfig, plan: LessonPlan
) -> None:
    learned = TimeWindow(plan.window.start_s, plan.quiet.start_s)
    model = fit_to_tickets(folder, rules, learned, progress=run.progress)
    tickets = tickets_of(folder, rules)
    card: dict[str, Any] = {
        "step": "fit" if plan.active is None else "tune_cable",
        "root": None,
        "job": run.job.id,
        "by": run.job.created_by,
        "data": [learned.start_s, learned.end_s],
        "held_out": [plan.quiet.start_s, plan.quiet.end_s],
        "replaces": plan.active,
        "tickets": len(tickets.in_window(learned)),
        "tickets_set_aside": {note.reason: note.rows for note in tickets.set_aside},
        # By column too: opening and closing are read alike.
        "tickets_noticed": {f"{note.column}: {note.reason}": note.rows for note in tickets.noticed},
        "drift": [],
    }
    if plan.active is None:
        card["back_test"] = {"passed": True, "why": "the first model of the feed"}
    else:
        at_work = load_diagnoser(folder / run.ops.models.get(plan.active).path)
        card["drift"] = drifted(at_work.to_dict(), model.to_dict(), config)
        card["back_test"] = _back_test(run, at_work, model, folder, plan, rules)
    save_diagnoser(model, folder / model_path(plan.feed, plan.versions[0]), card)


def _back_test(
    run: JobRun,
    before: TelApart,
    after: TelApart,
    folder: Path,
    plan: LessonPlan,
    rules: FeedConfig,
) -> dict[str, Any]:
    """Return how both models' verdicts on the polls held out agree with the tickets there."""
    run.progress("back-test")
    told = {
        name: ticket_figures(model, folder, rules, plan.quiet)
        for name, model in (("before", before), ("after", after))
    }
    was, now = told["before"], told["after"]
    passed, why = True, "no fewer invariants hold on the polls held out"
    if now["invariants"] < was["invariants"]:
        passed = False
        why = (
            f"{now['invariants']} of the 4 invariants hold on the polls held out, with the model "
            f"at work {was['invariants']}"
        )
    elif was["rate"] is not None and (now["rate"] or 0.0) < _LEAST_RATE * was["rate"]:
        passed = False
        rate = "none" if now["rate"] is None else f"{now['rate']:.3g}"
        why = (
            "maintenance tickets gather less in diagnosed maintenance: normalized rate "
            f"{rate}, with the model at work {was['rate']:.3g}"
        )
    return {"passed": passed, "why": why, **told}


def _tell_drift(
    run: JobRun, rules: FeedConfig, model_id: str, drift: list[dict[str, Any]], tx: Any
) -> None:
    """Tell operators that thresholds moved: the plant, or how tickets are written, has changed."""
    moved = "; ".join(f"{d['threshold']} {d['before']:g} -> {d['after']:g}" for d in drift)
    now_s = run.ops.now_s()
    fingerprint = stable_id("drift", model_id)
    payload = {
        "fingerprint": fingerprint, "status": "firing", "feed": rules.name, "kind": "drift",
        "title": f"thresholds of {rules.name} have drifted: {moved}", "severity": "warning",
        "verdict": "", "scope": [], "start_s": now_s, "end_s": None, "n_alarms": 0, "alarms": [],
        "patterns": [], "model": model_id, "drift": drift,
    }  # fmt: skip
    for notifier in rules.notifiers:
        run.ops.outbox.put(notifier, fingerprint, payload, tx=tx)
    run.ops.audit.append(
        run.job.created_by, "drift", f"model {model_id}", why=moved, detail={"drift": drift}, tx=tx
    )
