"""Settings: one list; where values come from; what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultsight.app.settings import Settings, every_setting, load_settings
from faultsight.core.errors import InputError, SettingError


def write(folder: Path, text: str) -> Path:
    (folder / "faultsight.toml").write_text(text)
    return folder


def test_the_command_line_goes_before_the_environment_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "[server]\nport = 1\nhost = '127.0.0.2'\nsession_s = 100\n")
    monkeypatch.setenv("FAULTSIGHT_SERVER__PORT", "2")
    monkeypatch.setenv("FAULTSIGHT_SERVER__HOST", "127.0.0.3")
    server = load_settings(tmp_path, server={"port": 3}).server
    assert (server.port, server.host, server.session_s) == (3, "127.0.0.3", 100)
    assert server.stop_s == Settings().server.stop_s


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour = 1", "colour: no such setting"),
        ("[server]\nprot = 1", "server.prot: no such setting"),
        ("[[feeds]]\nname = 'cells'\ninterval_s = 60\ncolour = 1", "feeds.0.colour: no such"),
        ("[server]\nport = 70000", "server.port"),
        ("[[feeds]]\nname = '../x'\ninterval_s = 60", "feeds.0.name"),
        ("state_dir = '/tmp'", "state_dir"),
    ],
)
def test_what_is_not_known_or_not_possible(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingError, match=r"faultsight\.toml") as caught:
        load_settings(write(tmp_path, text))
    assert told in str(caught.value)


def test_values_are_not_repeated_in_messages(tmp_path: Path) -> None:
    text = "[[notifiers]]\nname = 'x'\nkind = 'webhook'\ntoken = 'hunter2'\n"
    with pytest.raises(SettingError) as caught:
        load_settings(write(tmp_path, text))
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="TOML"):
        load_settings(write(tmp_path, "[server"))


def test_a_variable_that_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULTSIGHT_SERVER__PROT", "1")
    with pytest.raises(SettingError, match="FAULTSIGHT_SERVER__PROT"):
        load_settings(tmp_path)


def test_every_setting_tells_what_it_is() -> None:
    listed = list(every_setting())
    assert len({info.key for info in listed}) == len(listed) > 30
    assert all(len(info.description) > 8 for info in listed)


def test_only_editable_ones_change_while_it_runs() -> None:
    settings = Settings()
    assert settings.changed({"limits.page_rows": 7}).limits.page_rows == 7
    assert settings.limits.page_rows == 500
    for key in ("server.host", "no.such", "state_dir"):
        with pytest.raises(SettingError):
            settings.changed({key: 1})
    with pytest.raises(SettingError, match="page_rows"):
        settings.changed({"limits.page_rows": 0})
