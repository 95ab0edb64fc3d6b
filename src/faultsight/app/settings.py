"""Every setting of the service in one typed list, each with its default and what it is.

Values come, the first that is given, from the command line, environment variables
``FAULTSIGHT_SECTION__NAME``, the file ``faultsight.toml`` in the state folder, and the defaults
below. A key that is not known is an error, wherever it stands. Those marked *editable* may be
changed while the service runs; who changed them, when and why is kept in the operations store, and
such a change stands above the file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from faultsight.core.errors import InputError, SettingError

__all__ = [
    "FeedSettings",
    "LearningSettings",
    "LimitSettings",
    "LoopSettings",
    "NotifierSettings",
    "ServerSettings",
    "SettingInfo",
    "Settings",
    "every_setting",
    "load_settings",
]

FILE = "faultsight.toml"
_OTHER_VARIABLES = {"FAULTSIGHT_DATA"}
"""Variables of FaultSight that are no settings of the service."""

FEED_NAME = r"^[a-z][a-z0-9_-]{0,63}$"
_EDITABLE: dict[str, JsonValue] = {"editable": True}
_DAY_S = 86_400


def _no_slash(host: str) -> str:
    if "/" in host or not host:
        raise ValueError("a host is a name or an address, without scheme or path")
    return host.lower()


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Section):
    """Where the API listens, and who is let in."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8080, ge=0, le=65_535, description="Port to listen on; 0 takes a free one."
    )
    allowed_hosts: tuple[Annotated[str, AfterValidator(_no_slash)], ...] = Field(
        default=(),
        description="Names by which clients may call this service (the Host header), besides "
        "localhost and the address that it listens on.",
    )
    local_admin: bool = Field(
        default=True,
        description="Before the first user exists, whoever reaches the service from this machine "
        "is admin. Off: nobody is until `faultsight users add`.",
    )
    secure_cookies: bool = Field(
        default=False, description="Send the session cookie over HTTPS only; on behind a TLS proxy."
    )
    session_s: int = Field(
        default=12 * 3600, ge=60, le=30 * _DAY_S, description="How long a login lasts, in seconds."
    )
    base_url: str = Field(
        default="", description="Where the console is reached, for links in notifications."
    )
    stop_s: float = Field(
        default=20.0,
        gt=0,
        le=600,
        description="How long requests may still run after SIGTERM, in seconds.",
    )


class LimitSettings(_Section):
    """What one request may cost."""

    body_bytes: int = Field(
        default=1_000_000, ge=1_000, description="Largest body of a request that is no upload."
    )
    upload_bytes: int = Field(default=256_000_000, ge=1_000, description="Largest upload.")
    upload_rows: int = Field(default=5_000_000, ge=1, description="Most rows of one upload.")
    upload_columns: int = Field(default=1_000, ge=2, description="Most columns of one upload.")
    upload_cells: int = Field(
        default=100_000_000, ge=2, description="Most rows times columns of one upload, unpacked."
    )
    upload_values: int = Field(
        default=200_000, ge=1, description="Most distinct values of one text column of an upload."
    )
    receive_s: float = Field(
        default=15.0,
        gt=0,
        le=600,
        description="Longest wait for the head of a request, or for the next part of its body.",
    )
    request_s: float = Field(
        default=30.0, gt=0, le=3600, description="Longest time an answer may take; then 504."
    )
    upload_s: float = Field(default=600.0, gt=0, le=7200, description="Longest time of one upload.")
    page_rows: int = Field(
        default=500, ge=1, le=1_000, description="Most items of one page of a list.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip
    export_rows: int = Field(
        default=1_000_000, ge=1, description="Most rows of one export.", json_schema_extra=_EDITABLE
    )
    series_points: int = Field(
        default=5_000, ge=10, le=100_000, description="Most points of one curve.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip
    series_days: int = Field(
        default=400, ge=1, le=10_000, description="Longest span of one curve, in days.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip
    cube_rows: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Most rows of one cube slice.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip
    connections: int = Field(default=512, ge=4, description="Most connections at one time.")
    event_streams: int = Field(default=64, ge=1, description="Most open event streams at one time.")
    login_failures: int = Field(
        default=10, ge=1, description="Failed logins of one name within a minute; then 429."
    )


class LoopSettings(_Section):
    """How the work behind the API is done."""

    enabled: bool = Field(
        default=True, description="Collect, watch, learn and notify; off: the API alone answers."
    )
    tick_s: float = Field(
        default=10.0, gt=0, le=86_400, description="Seconds from one look at a feed to the next.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip
    lease_s: float = Field(
        default=60.0,
        ge=2,
        le=3600,
        description="A worker that is silent for so long has lost its work.",
    )
    runner: str = Field(default="serial", description="Runner of the stages: serial or processes.")
    processes: int | None = Field(
        default=None, ge=1, le=1024, description="Processes of that runner; all cores if not given."
    )
    retain_days: int = Field(
        default=400, ge=1, description="Days that telemetry is kept.", json_schema_extra=_EDITABLE
    )


class LearningSettings(_Section):
    """When models learn."""

    tune_every_days: float = Field(
        default=7.0, ge=0, description="Days from one tuning to the next; 0: only when asked.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip
    retrain_every_days: float = Field(
        default=91.0, ge=0,
        description="Days from one training from scratch to the next; 0: only when asked.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip
    history_days: float = Field(
        default=28.0, gt=0, description="Days of the past that a model is trained on.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip
    least_history_days: float = Field(
        default=7.0, gt=0, description="Days of data after which a feed gets its first model.",
        json_schema_extra=_EDITABLE,
    )  # fmt: skip


class FeedSettings(_Section):
    """One feed: where its telemetry comes from and what is done with it."""

    name: str = Field(pattern=FEED_NAME, description="Name of the feed.")
    kind: str = Field(default="kpi", description="kpi, cube or polls.")
    interval_s: int = Field(gt=0, le=_DAY_S, description="Seconds from one sample to the next.")
    watch: Path | None = Field(default=None, description="Folder whose files are taken in.")
    flow: dict[str, Any] = Field(
        default_factory=dict,
        description="Its rules: detector, threshold, grouping, cube ...; the reference lists all.",
    )


class NotifierSettings(_Section):
    """One receiver of notifications."""

    name: str = Field(pattern=FEED_NAME, description="Name of the receiver.")
    kind: str = Field(description="Kind of notifier: log, webhook.")
    options: dict[str, Any] = Field(default_factory=dict, description="What this kind needs.")


class Settings(BaseSettings):
    """All settings of the service.

    Examples
    --------
    >>> Settings().server.port
    8080
    """

    model_config = SettingsConfigDict(
        env_prefix="FAULTSIGHT_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    state_dir: Path = Field(
        default=Path("faultsight-state"), description="Folder of everything that the service keeps."
    )
    database: str | None = Field(
        default=None,
        description="SQLAlchemy address of the operations store; SQLite in the state folder if not "
        "given.",
    )  # fmt: skip
    server: ServerSettings = Field(default=ServerSettings(), description="Where the API listens.")
    limits: LimitSettings = Field(default=LimitSettings(), description="What one request may cost.")
    loop: LoopSettings = Field(default=LoopSettings(), description="How the work is done.")
    learning: LearningSettings = Field(default=LearningSettings(), description="When models learn.")
    feeds: tuple[FeedSettings, ...] = Field(default=(), description="Feeds that always exist.")
    notifiers: tuple[NotifierSettings, ...] = Field(default=(), description="Receivers.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given, then the environment; no dotenv file and no folder of secrets."""
        return init_settings, env_settings

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Return these settings with editable ones changed, by dotted key.

        Raises
        ------
        SettingError
            If a key is not known or not editable, or a value is not possible.

        Examples
        --------
        >>> Settings().changed({"loop.tick_s": 5}).loop.tick_s
        5.0
        """
        editable = {info.key for info in every_setting() if info.editable}
        sections = {name: getattr(self, name).model_dump() for name in _SECTIONS}
        for key, value in changes.items():
            if key not in editable:
                raise SettingError(f"{key} is no setting that can be changed while running")
            section, _, name = key.partition(".")
            sections[section][name] = value
        try:
            made = {name: kind.model_validate(sections[name]) for name, kind in _SECTIONS.items()}
        except ValidationError as error:
            raise SettingError(_told(error)) from error
        return self.model_copy(update=made)


_SECTIONS: Mapping[str, type[_Section]] = {
    "server": ServerSettings,
    "limits": LimitSettings,
    "loop": LoopSettings,
    "learning": LearningSettings,
}


@dataclass(frozen=True)
class SettingInfo:
    """One setting, as documents and the API show it.

    Attributes
    ----------
    key : str
        Section and name, such as ``limits.page_rows``.
    default : object
        Its default.
    description : str
        What it is.
    editable : bool
        Whether it can be changed while the service runs.
    """

    key: str
    default: Any
    description: str
    editable: bool


def every_setting() -> Iterator[SettingInfo]:
    """Yield every setting, in the order of the list.

    Examples
    --------
    >>> [info.key for info in every_setting()][:3]
    ['state_dir', 'database', 'server.host']
    """
    for name, item in Settings.model_fields.items():
        if name not in _SECTIONS:
            yield SettingInfo(name, item.default, item.description or "", editable=False)
            continue
        for part, inner in _SECTIONS[name].model_fields.items():
            extra = inner.json_schema_extra
            editable = isinstance(extra, dict) and bool(extra.get("editable"))
            told = inner.description or ""
            yield SettingInfo(f"{name}.{part}", inner.default, told, editable)


def load_settings(state_dir: Path | str | None = None, **given: Any) -> Settings:
    """Return the settings of a state folder.

    Parameters
    ----------
    state_dir : path, optional
        The folder; else ``FAULTSIGHT_STATE_DIR``, else ``./faultsight-state``.
    **given
        Sections or settings that stand above the environment and the file, as the command line
        gives them: ``server={"port": 0}``.

    Raises
    ------
    SettingError
        If a key is not known or a value is not possible; names where it stands.
    InputError
        If the file cannot be read or is not TOML.

    Examples
    --------
    >>> load_settings("nowhere", server={"port": 9000}).server.port
    9000
    """
    folder = Path(state_dir or os.environ.get("FAULTSIGHT_STATE_DIR") or "faultsight-state")
    _refuse_unknown_variables()
    path = folder / FILE
    values = _read(path)

    class WithFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            above = super().settings_customise_sources(settings_cls, *args, **sources)
            return *above, InitSettingsSource(settings_cls, values)

    try:
        return WithFile(state_dir=folder, **given)
    except (ValidationError, SettingsError) as error:
        told = _told(error) if isinstance(error, ValidationError) else str(error)
        raise SettingError(f"{path if values else 'settings'}: {told}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as TOML: {error}", source=str(path)) from error
    if "state_dir" in values:
        raise SettingError(f"{path}: state_dir is where this file lies; it is not told in it")
    return values


def _refuse_unknown_variables() -> None:
    known = {"FAULTSIGHT_" + info.key.upper().replace(".", "__") for info in every_setting()}
    known |= {"FAULTSIGHT_" + name.upper() for name in _SECTIONS} | _OTHER_VARIABLES
    for name in sorted(os.environ):
        if name.upper().startswith("FAULTSIGHT_") and name.upper() not in known:
            raise SettingError(f"the environment variable {name} names no setting")


def _told(error: ValidationError) -> str:
    """Return what is wrong, without the values: one may be a secret."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: "
        + ("no such setting" if item["type"] == "extra_forbidden" else item["msg"])
        for item in error.errors(include_url=False, include_input=False)
    )
