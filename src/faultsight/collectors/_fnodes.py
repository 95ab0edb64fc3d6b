"""Which fiber node a modem hangs on, from a table of the operator's."""

from __future__ import annotations

from pathlib import Path

from faultsight.collectors._device_ids import DeviceIds
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.exported_tables import read_export

__all__ = ["read_fnodes"]


def read_fnodes(path: Path | str, ids: DeviceIds) -> dict[str, str]:
    r"""Return the fiber node of each device.

    Parameters
    ----------
    path : path
        CSV or Parquet with the columns ``mac`` (or ``device_id``, as it stands in telemetry) and
        ``fnode``.
    ids : DeviceIds
        How a MAC address becomes a device id.

    Raises
    ------
    InputError
        If a column is missing, or a row has no MAC address or fiber node; names column and row.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "fnodes.csv"
    >>> _ = file.write_text("mac,fnode\n00:11:00:00:00:01,FN7\n")
    >>> read_fnodes(file, DeviceIds(hashed=False))
    {'00:11:00:00:00:01': 'FN7'}
    """
    table = read_export(path)
    by = "mac" if "mac" in table.columns else "device_id"
    for column in (by, "fnode"):
        if column not in table.columns:
            raise MissingColumnError(column, table.columns, source=str(path))
    fnodes: dict[str, str] = {}
    for row, (device, fnode) in enumerate(table.select(by, "fnode").iter_rows(), start=1):
        if not fnode:
            raise InputError("no fiber node", source=str(path), column="fnode", row=row)
        if not device:
            raise InputError("no device", source=str(path), column=by, row=row)
        try:
            name = ids.of(str(device)) if by == "mac" else str(device)
        except ValueError as error:
            raise InputError(str(error), source=str(path), column=by, row=row) from error
        fnodes[name] = str(fnode)
    return fnodes
