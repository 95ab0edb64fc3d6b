"""Models on disk: the same verdicts, and no damage that is not named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faultsight.core.errors import FaultSightError, InputError
from faultsight.core.polls import PollTable
from faultsight.core.seed import random_stream
from faultsight.diagnose.contract import Diagnosis
from faultsight.diagnose.telapart import TelApart, TelApartConfig

MODES = ("default", "paper")


def as_bytes(diagnosis: Diagnosis) -> list[bytes]:
    return [
        part
        for node in diagnosis.nodes
        for part in (
            node.verdict.tobytes(),
            node.covered_s.tobytes(),
            *(group.members.tobytes() for group in node.groups),
            *(np.float64(group.similarity).tobytes() for group in node.groups),
        )
    ]


@pytest.fixture(params=MODES)
def model(request: pytest.FixtureRequest) -> TelApart:
    fitted: TelApart = request.getfixturevalue(request.param)
    return fitted


class TestRoundTrip:
    def test_the_same_verdicts(self, model: TelApart, training: Any, tmp_path: Path) -> None:
        path = model.save(tmp_path / "deep" / "model.json")
        again = TelApart.load(path)
        assert again.is_fitted
        assert again.config == model.config
        assert (again.metrics, again.history_s) == (model.metrics, model.history_s)
        first, second = (m.diagnose(training.telemetry, workers=1) for m in (model, again))
        assert as_bytes(first) == as_bytes(second)
        assert path.read_text() == again.save(tmp_path / "again.json").read_text()

    def test_settings_may_be_whole_numbers(self, training: Any, tmp_path: Path) -> None:
        config = TelApartConfig(quorum=0, noise_db=1, interval_s=14_400, shrunk_by=2)
        fitted = TelApart(config).fit(training.telemetry, training.tickets, workers=1)
        assert TelApart.load(fitted.save(tmp_path / "model.json")).config == config

    def test_there_is_nothing_to_save_before_it_is_fitted(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="not fitted"):
            TelApart().save(tmp_path / "model.json")
        assert list(tmp_path.iterdir()) == []


def places(told: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where each value of a model file stands; of long lists the first two."""
    if path:
        yield path
    if isinstance(told, dict):
        for key, value in told.items():
            yield from places(value, (*path, key))
    elif isinstance(told, list):
        for key, value in list(enumerate(told))[:2]:
            yield from places(value, (*path, key))


def changed(told: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with another value at a place, or without the place where it is told so."""
    copy = json.loads(json.dumps(told))
    inside = copy
    for key in path[:-1]:
        inside = inside[key]
    if value is KeyError:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return copy


HOSTILE: list[Any] = [
    KeyError, None, True, "x", "", [], {}, [[]], -1, 0, 0.5, 10**30, 1e308, float("nan"),
    float("inf"), [None], {"x": 1}, ["snr", "snr"],
]  # fmt: skip


class TestDamage:
    @pytest.mark.parametrize("seed", range(6))
    def test_a_hostile_file_is_named_or_does_no_harm(
        self, model: TelApart, quiet_plant: Any, tmp_path: Path, seed: int
    ) -> None:
        told = model.to_dict()
        polls = PollTable([quiet_plant.node().polls])
        path = tmp_path / "model.json"
        stream = random_stream(seed, "hostile")
        everywhere = list(places(told))
        n_named = 0
        for place in stream.choice(len(everywhere), 60):
            value = HOSTILE[int(stream.integers(len(HOSTILE)))]
            path.write_text(json.dumps(changed(told, everywhere[place], value)))
            try:
                said = TelApart.load(path).diagnose(polls, workers=1)
                assert len(said) == 1
            except FaultSightError as error:
                # Some settings can be, though nothing can be said under them.
                is_named = isinstance(error, InputError) and error.source == str(path)
                n_named += is_named
        assert n_named > 20

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            (("config",), KeyError),
            (("config", "quorum"), KeyError),
            (("config", "unknown"), 1),
            (("config", "quorum"), "half"),
            (("config", "quorum"), float("nan")),
            (("config", "usual_quantile"), 7.0),
            (("config", "least_history"), 0),
            (("config", "look_back_s"), 1.5),
            (("config", "features"), "snr"),
            (("config", "features"), ["colour"]),
            (("config", "evidence"), "guess"),
            (("config", "interval_s"), 1e-9),
            (("config", "guards", "smoothing"), 0),
            (("config", "cablemon", "metrics"), ["colour"]),
            (("similarity", "snr"), KeyError),
            (("similarity", "snr", "similarity"), float("nan")),
            (("similarity", "snr", "similarity"), None),
            (("scores", "missing"), KeyError),
            (("scores", "missing", "value"), float("inf")),
            (("scores", "colour"), {"value": 1.0}),
            (("rhythms", "FN000"), [14_400.0, 21_600.0]),
            (("rhythms", "FN000"), [0.0, 21_600.0, 0.0, None]),
            (("rhythms", "FN000"), [14_400.0, 1.0, 0.0, None]),
            (("rhythms", "FN000"), [14_400.0, 21_600.0, None, None]),
            (("rhythms", "FN000"), [14_400.0, 21_600.0, -5.0, None]),
            (("rhythms",), []),
            (("cablemon",), {}),
            (("format",), "faultsight telapart 2"),
        ],
    )
    def test_the_file_is_named(
        self, model: TelApart, tmp_path: Path, place: tuple[str, ...], value: Any
    ) -> None:
        path = tmp_path / "model.json"
        path.write_text(json.dumps(changed(model.to_dict(), place, value)))
        with pytest.raises(InputError) as caught:
            TelApart.load(path)
        assert caught.value.source == str(path)

    @pytest.mark.parametrize(
        "data",
        [
            b"", b"{", b"null", b"[]", b"7", b'"text"', b"{}", b'{"format": 1}', b"\xff\xfe\x00",
            b"[" * 100_000, b'{"format": "faultsight telapart 1"}',
            b'{"format": "faultsight telapart 1", "config": {"guards": 3}}',
        ],
    )  # fmt: skip
    def test_what_is_no_model_at_all(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "model.json"
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            TelApart.load(path)
        assert caught.value.source == str(path)

    def test_a_truncated_file(self, model: TelApart, tmp_path: Path) -> None:
        path = model.save(tmp_path / "model.json")
        text = path.read_text()
        for share in (0.1, 0.5, 0.99):
            path.write_text(text[: int(share * len(text))])
            with pytest.raises(InputError, match="cannot be read as a model"):
                TelApart.load(path)

    def test_no_file(self, tmp_path: Path) -> None:
        for path in (tmp_path / "nowhere.json", tmp_path):
            with pytest.raises(InputError, match="cannot be read as a model") as caught:
                TelApart.load(path)
            assert caught.value.source == str(path)
