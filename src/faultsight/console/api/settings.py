"""Settings: each with its default, its value, and who changed it when and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import Field

from faultsight.console.access import Admin, App
from faultsight.console.etags import IfMatch, expected_version, tag
from faultsight.console.problems import responses
from faultsight.console.shapes import PREFIX, Given, Reason, Told, example

routes = APIRouter(prefix=f"{PREFIX}/settings", tags=["settings"])

Key = Annotated[str, Path(max_length=64, pattern=r"^[a-z_]+(\.[a-z_]+)?$")]


class Setting(Told):
    """One setting."""

    key: str = Field(examples=["limits.page_rows"])
    value: object
    default: object
    description: str
    editable: bool = Field(description="Whether it can be changed while the service runs.")
    changed_by: str | None
    changed_s: int | None
    why: str | None
    version: int


class SettingChange(Given):
    """A new value, and why."""

    model_config = example({"value": 200, "why": "small screens"})

    value: bool | int | float | str = Field(examples=[200])
    why: Reason


@routes.get("", responses=responses())
def list_settings(_: Admin, app: App) -> list[Setting]:
    """Return all settings."""
    return [Setting.model_validate(setting) for setting in app.setting_list.all()]


@routes.get("/{key}", responses=responses(404))
def get_setting(key: Key, _: Admin, app: App, response: Response) -> Setting:
    """Return one setting."""
    setting = app.setting_list.get(key)
    tag(response, setting.version)
    return Setting.model_validate(setting)


@routes.put("/{key}", responses=responses(404, 409, 428))
def change_setting(
    key: Key,
    given: SettingChange,
    who: Admin,
    app: App,
    response: Response,
    if_match: IfMatch = None,
) -> Setting:
    """Change a setting that may be changed while the service runs."""
    setting = app.setting_list.change(
        key, given.value, who, why=given.why, expected_version=expected_version(if_match)
    )
    tag(response, setting.version)
    return Setting.model_validate(setting)
