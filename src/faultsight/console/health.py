"""Whether the service lives, whether it can work, and its figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from faultsight.app.application import Application
from faultsight.console.access import Anyone, App, Viewer
from faultsight.console.problems import problem, responses
from faultsight.console.shapes import Told

routes = APIRouter(tags=["health"])


class Health(Told):
    """Whether it is well."""

    status: Literal["ok"] = "ok"


@routes.get("/healthz")
async def get_health(_: Anyone) -> Health:
    """Return that the process answers; it touches nothing else."""
    return Health()


@routes.get("/readyz", responses={503: responses(503)[503]})
def get_readiness(_: Anyone, app: App, request: Request) -> Response:
    """Return whether requests can be served: the stores answer and nothing is being stopped."""
    if request.app.state.stopping.is_set():
        return problem(503, "the service is stopping")
    if not app.status.is_ready():
        return problem(503, "a store does not answer")
    return JSONResponse({"status": "ok"})


@routes.get("/metrics", response_class=PlainTextResponse, responses=responses())
def get_metrics(_: Viewer, app: App, request: Request) -> Response:
    """Return figures of requests, feeds, alarms, jobs and the outbox."""
    state = request.app.state
    lines = generate_latest(state.registry) + generate_latest(_Figures(app))
    return Response(lines, media_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """The service's own figures, taken when asked for."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def collect(self) -> Iterable[Metric]:
        overview = self._app.status.overview()
        for name, told in (
            ("raised_alarms", "Alarms that are raised."),
            ("open_incidents", "Incidents that nobody has resolved."),
            ("open_tasks", "Tasks that wait for an answer."),
            ("unfinished_jobs", "Jobs that are queued or running."),
            ("undelivered", "Notifications that wait in the outbox."),
        ):
            yield GaugeMetricFamily(
                f"faultsight_{name}", told, value=float(getattr(overview, name))
            )
        data = GaugeMetricFamily(
            "faultsight_feed_data_until_seconds", "Data are seen up to here.", labels=["feed"]
        )
        scored = GaugeMetricFamily(
            "faultsight_feed_scored_until_seconds", "Data are scored up to here.", labels=["feed"]
        )
        for feed in overview.feeds:
            data.add_metric([feed.feed], float(feed.data_until_s or 0))
            scored.add_metric([feed.feed], float(feed.scored_until_s or 0))
        yield from (data, scored)
