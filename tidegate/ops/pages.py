"""The pages: ``/metrics``, ``/healthz``, ``/readyz``, and on cores ``/edges.json``. Served by `tidegate.ops.server`."""

import hashlib
import json
from collections.abc import Awaitable, Callable

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.edge_records import edge_records
from tidegate.ops.edges_page import edges_page
from tidegate.ops.metrics import Metrics
from tidegate.ops.observed import Observed

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EDGES_SECONDS = 5
"""How long a launcher, or whatever stands between, may keep the list of edges."""

_log = structlog.get_logger("http")

Page = Callable[[Request], Awaitable[Response]]


class Pages:
    """Makes the pages of one process."""

    def __init__(self, observed: Observed, metrics: Metrics) -> None:
        self._observed = observed
        self._metrics = metrics

    def app(self) -> Starlette:
        """Return the application; each route takes GET and HEAD only."""
        pages: dict[str, Page] = {"/metrics": self._metrics_page, "/healthz": self._healthz, "/readyz": self._readyz}
        if self._observed.core is not None:
            pages["/edges.json"] = self._edges
        routes = [Route(path, self._counted(path, page), methods=["GET"]) for path, page in pages.items()]
        app = Starlette(routes=routes, exception_handlers={404: self._not_found, 405: self._not_allowed})
        app.router.redirect_slashes = False
        return app

    def _counted(self, path: str, page: Page) -> Page:
        async def serve(request: Request) -> Response:
            try:
                response = await page(request)
            except Exception as error:  # a mistake of ours must not look like an answer, nor reach the relay
                _log.error("http_failed", path=path, error=repr(error))
                response = PlainTextResponse("this page cannot be made; the log says why\n", 500)
            self._metrics.requests[path, str(response.status_code)] += 1
            return response

        return serve

    async def _metrics_page(self, request: Request) -> Response:
        del request
        return Response(await self._metrics.page(), media_type=METRICS_TYPE)

    async def _healthz(self, request: Request) -> Response:
        """It answers, so the loop goes round."""
        del request
        return PlainTextResponse("ok\n")

    async def _readyz(self, request: Request) -> Response:
        del request
        relays = {
            role: {"state": health.word, "problems": list(health.problems)}
            for role, health in self._observed.health.items()
        }
        is_ready = all(health.is_serving for health in self._observed.health.values())
        body = json.dumps({"ready": is_ready, **relays}, ensure_ascii=False) + "\n"
        return Response(body, 200 if is_ready else 503, media_type="application/json")

    async def _edges(self, request: Request) -> Response:
        core = self._observed.core
        own = () if core is None else edge_records(core.service.tunnels.values())
        body = edges_page(own, self._observed.fleet_edges())
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {
            "Cache-Control": f"public, max-age={EDGES_SECONDS}",
            "Access-Control-Allow-Origin": "*",
            "ETag": tag,
        }
        asked = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
        if tag in asked or "*" in asked:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    async def _not_found(self, request: Request, error: Exception) -> Response:
        del request, error
        self._metrics.requests["other", "404"] += 1
        return PlainTextResponse("there is no such page\n", 404)

    async def _not_allowed(self, request: Request, error: Exception) -> Response:
        del request, error
        self._metrics.requests["other", "405"] += 1
        return PlainTextResponse("only GET and HEAD are answered\n", 405, {"Allow": "GET, HEAD"})
