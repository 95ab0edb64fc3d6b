"""The labelled datasets that a run was asked for, of those that can be read."""

from __future__ import annotations

from collections.abc import Iterator

from faultsight.bench.engine import Context
from faultsight.core.errors import MissingDataError, SettingError
from faultsight.localize.data import DATASETS, CaseDataset, open_dataset

__all__ = ["labelled_datasets"]


def labelled_datasets(context: Context, notes: list[str]) -> Iterator[CaseDataset]:
    """Yield the labelled sets to run on, and note those that are left out.

    Unless sets are named, these are the sets of kind ``folder`` that are on this machine.

    Raises
    ------
    MissingDataError
        If a named set is not on this machine, or none is.
    SettingError
        If a named set has no labelled cases.
    UnknownMemberError
        If there is no set of that name.
    """
    found = []
    for name in context.datasets or DATASETS.names():
        dataset = open_dataset(
            name, context.data_dir, seed=context.seed, n_cases=context.cases or 100
        )
        if not isinstance(dataset, CaseDataset):
            if context.datasets:
                raise SettingError(f"{dataset.name} is a stream without labelled cases")
            continue
        if not context.datasets and dataset.kind != "folder":
            continue
        if dataset.is_present:
            found.append(dataset)
        elif context.datasets:
            raise dataset.missing()
        else:
            notes.append(f"left out: {dataset.missing()}")
            context.progress(notes[-1])
    if not found:
        raise MissingDataError(
            "none of the labelled datasets is on this machine; name their folder with --data, or "
            "name simulated ones with --datasets, such as sim_riskloc_S"
        )
    yield from found
