"""``--set key=value``: a member's config from text, each value by the type of its field."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from faultsight.core.errors import SettingError

__all__ = ["configured"]

T = TypeVar("T")


def configured(member: type[T], settings: Sequence[str]) -> T:
    """Return a member with the settings given as ``key=value``.

    Raises
    ------
    SettingError
        If a key is no field of the member's config, or a value is not of its type.

    Examples
    --------
    >>> from faultsight.localize import RAPMiner
    >>> configured(RAPMiner, ["t_conf=0.6", "k=3", "early_stop=no"]).config.k
    3
    """
    if not settings:
        return member()
    config: Any = getattr(member(), "config", None)
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise SettingError(f"{member.__name__} has no settings")
    kinds = get_type_hints(type(config))
    fields = [field.name for field in dataclasses.fields(config) if field.init]
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not equals:
            raise SettingError(f"{setting!r} is not of the form key=value")
        if key not in fields:
            raise SettingError(
                f"{member.__name__} has no setting {key!r}; it has {', '.join(sorted(fields))}"
            )
        values[key] = _typed(text.strip(), kinds[key], key)
    make: Any = member
    made: T = make(config=dataclasses.replace(config, **values))
    return made


def _typed(text: str, kind: Any, key: str) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if type(None) in parts and text.lower() in ("none", ""):
            return None
        return _typed(text, next(part for part in parts if part is not type(None)), key)
    if origin is Literal:
        if text in parts:
            return text
        raise SettingError(f"{key} must be one of {', '.join(map(str, parts))}, not {text!r}")
    if origin is tuple:
        return tuple(
            _typed(part.strip(), parts[0], key) for part in text.split(",") if part.strip()
        )
    if kind is bool:
        known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() in known:
            return known[text.lower()]
    elif kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    elif kind is str:
        return text
    raise SettingError(f"{key} must be of type {getattr(kind, '__name__', kind)}, not {text!r}")
