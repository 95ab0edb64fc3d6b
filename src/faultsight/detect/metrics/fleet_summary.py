"""Every metric of a fleet at once, as reports and leaderboards print them."""

from __future__ import annotations

from collections.abc import Mapping

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.metrics._rows import Pair, as_pair, mean_of_known
from faultsight.detect.metrics.affiliation import affiliation
from faultsight.detect.metrics.average_precision import average_precision
from faultsight.detect.metrics.counts import count_rows, fleet_f1
from faultsight.detect.metrics.events import count_events, pool_events
from faultsight.detect.metrics.point_adjusted_k import f1_pa_k_area
from faultsight.detect.metrics.point_adjustment import best_fleet_f1, point_adjusted
from faultsight.detect.metrics.vus import vus_pr

__all__ = ["summary"]

_DAY_S = 86_400
_VUS_WINDOW = 100


def summary(
    pairs: Mapping[str, Pair], levels: Mapping[str, float], *, interval_s: int
) -> dict[str, float]:
    """Return all metrics of a fleet: as deployed, and free of any level.

    ============================  ==================================================================
    key                           what it is
    ============================  ==================================================================
    f1_deployed                   point-adjusted F1 at the deployed levels, of the averages over
                                  entities (`fleet_f1`; AnoTuner paper, appendix C)
    precision_deployed            its averaged precision
    recall_deployed               its averaged recall
    f1_point_adjusted             the same at each entity's best level, found with the labels
                                  (`best_fleet_f1`): the paper's own number
    f1_pointwise_deployed         as f1_deployed, without adjustment (`pointwise_counts`)
    f1_pa_k                       area over K of PA%K at the deployed level (`f1_pa_k_area`;
                                  Kim et al., AAAI '22), mean over entities with anomalies
    average_precision             row by row, no level (`average_precision`), same mean
    vus_pr                        forgives near misses, no level (`vus_pr`; Paparrizos et al.,
                                  VLDB '22; window 100 or a day), same mean
    affiliation_precision         nearness of alarms to anomalies (`affiliation`; Huet et al.,
                                  KDD '22), mean over entities with anomalies and alarms
    affiliation_recall            nearness of anomalies to alarms, mean over entities with anomalies
    event_precision               share of the fleet's alarm events that overlap an anomaly
    event_recall                  share of the fleet's anomalies that an alarm overlaps
    delay_rows                    mean rows from an anomaly's start to its first alarmed row, of
                                  the anomalies found
    false_alarms_per_entity_day   alarm events that overlap no anomaly
    ============================  ==================================================================

    Parameters
    ----------
    pairs : mapping of str to (score, truth)
        Entity to arrays of shape (time,). Higher scores are more anomalous, NaN never alarms;
        truth is 0 or 1.
    levels : mapping of str to float
        Entity to the deployed level; scores above it alarm.
    interval_s : int
        Seconds from row to row.

    Returns
    -------
    dict of str to float
        NaN where a metric is not defined, as recall is without any anomaly.

    Raises
    ------
    InputError
        If there is no entity, one has no level, lengths differ, or truth holds another value
        than 0 and 1.
    SettingError
        If `interval_s` is not above 0.

    Examples
    --------
    >>> fleet = {"cell-1": ([0.0, 1.0, 9.0, 2.0], [0, 0, 1, 1]), "cell-2": ([7.0, 0.0], [0, 0])}
    >>> found = summary(fleet, {"cell-1": 5.0, "cell-2": 5.0}, interval_s=3600)
    >>> found["precision_deployed"], found["recall_deployed"], found["event_precision"]
    (0.5, 1.0, 0.5)
    >>> found["f1_point_adjusted"], found["false_alarms_per_entity_day"]
    (1.0, 4.0)
    """
    if not pairs:
        raise InputError("there is no entity to judge")
    if not interval_s > 0:
        raise SettingError(f"interval_s must be above 0, not {interval_s}")
    rows = {}
    for entity, (score, truth) in pairs.items():
        if entity not in levels:
            raise InputError("has no level", source=entity)
        try:
            rows[entity] = as_pair(score, truth)
        except InputError as error:
            raise InputError(error.problem, source=entity) from error
    alarms = {entity: score > levels[entity] for entity, (score, _) in rows.items()}
    truths = {entity: truth for entity, (_, truth) in rows.items()}
    adjusted = fleet_f1(
        count_rows(point_adjusted(alarms[entity], truth), truth) for entity, truth in truths.items()
    )
    pointwise = fleet_f1(count_rows(alarms[entity], truth) for entity, truth in truths.items())
    events = pool_events(count_events(alarms[entity], truth) for entity, truth in truths.items())
    # A slope longer than a day would make nearly all rows of hourly series near an anomaly.
    window = max(min(_VUS_WINDOW, _DAY_S // interval_s), 1)
    near = [affiliation(alarms[entity], truth) for entity, truth in truths.items()]
    return {
        "f1_deployed": adjusted.f1,
        "precision_deployed": adjusted.precision,
        "recall_deployed": adjusted.recall,
        "f1_point_adjusted": best_fleet_f1(rows).f1,
        "f1_pointwise_deployed": pointwise.f1,
        "f1_pa_k": mean_of_known(
            f1_pa_k_area(score, truth, levels[entity]) for entity, (score, truth) in rows.items()
        ),
        "average_precision": mean_of_known(average_precision(*pair) for pair in rows.values()),
        "vus_pr": mean_of_known(vus_pr(*pair, window=window) for pair in rows.values()),
        "affiliation_precision": mean_of_known(entity.precision for entity in near),
        "affiliation_recall": mean_of_known(entity.recall for entity in near),
        "event_precision": events.precision,
        "event_recall": events.recall,
        "delay_rows": events.mean_delay_rows,
        "false_alarms_per_entity_day": events.false_alarms_per_entity_day(interval_s),
    }
