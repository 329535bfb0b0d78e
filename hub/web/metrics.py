"""Figures for Prometheus, and the one log line of each request."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hub.logs import log_answer
from hub.web.ocpi import Seen
from ocpi_modules.errors import Unauthenticated

OTHER = "other"
LANES, DUE = "hub_lane_messages", "hub_due_cdrs"
OF_ALL = frozenset({LANES, DUE})  # figures of the hub as a whole, which one of its processes gives

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


class Metrics:
    """The registry of one hub."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._known: dict[tuple[str, str, int, str], tuple[Counter, Histogram]] = {}
        self._requests = Counter(
            "hub_requests",
            "Requests answered",
            ["module", "method", "http_status", "status_class"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "hub_request_seconds",
            "Time to answer, forwarding included",
            ["module", "method"],
            buckets=_SECONDS_BUCKETS,
            registry=self.registry,
        )
        self._lanes = Gauge(LANES, "Messages that wait", ["receiver"], registry=self.registry)
        self._dropped = Gauge("hub_lane_dropped_messages", "Messages dropped since the start", registry=self.registry)
        self._superseded = Gauge(
            "hub_lane_superseded_messages",
            "Messages that a newer one made pointless since the start",
            registry=self.registry,
        )
        self.journal_lost = Gauge(
            "hub_journal_lost_messages",
            "Messages that the journal did not keep since the start",
            registry=self.registry,
        )
        self._due = Gauge(DUE, "CDRs that their payers do not have yet", ["payer"], registry=self.registry)

    def count(self, seen: Seen) -> None:
        """Count one answer."""
        module, method = seen.module_id or OTHER, seen.method if seen.method in _METHODS else OTHER
        kind = (module, method, seen.http_status, status_class(seen.status_code))
        if (known := self._known.get(kind)) is None:
            requests = self._requests.labels(module, method, str(seen.http_status), kind[3])
            known = self._known[kind] = (requests, self._seconds.labels(module, method))
        known[0].inc()
        known[1].observe(seen.seconds)

    def measure(self, lanes: dict[str, int], dropped: int, due: dict[str, int], superseded: int = 0) -> bytes:
        """The exposition text with the gauges as they are now."""
        for gauge, values in ((self._lanes, lanes), (self._due, due)):
            gauge.clear()
            for name, value in values.items():
                gauge.labels(name).set(value)
        self._dropped.set(dropped)
        self._superseded.set(superseded)
        return generate_latest(self.registry)


def status_class(status_code: int) -> str:
    """The class of an OCPI code, ``2xxx`` for example. A forwarded reply may hold any number, and each label is kept for good."""
    return f"{status_code // 1000}xxx" if 1000 <= status_code < 5000 else OTHER


def metrics_router(measure: Callable[[], Awaitable[bytes]], admin_token: str | None) -> APIRouter:
    """`/metrics`, for the loopback interface and for whoever holds the admin token."""
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        if not may_read_figures(request, admin_token):
            raise Unauthenticated
        return Response(await measure(), media_type=CONTENT_TYPE_LATEST)

    return router


def log_seen(seen: Seen) -> None:
    """One line for each request of a partner."""
    log_answer(
        {
            "method": seen.method,
            "module": seen.module_id,
            "caller": seen.caller,
            "sender": seen.sender,
            "receiver": seen.receiver,
            "http_status": seen.http_status,
            "status_code": seen.status_code,
            "milliseconds": round(seen.seconds * 1000, 1),
        }
    )


def may_read_figures(request: Request, admin_token: str | None) -> bool:
    """Whether somebody may know how much the hub has to do: who is on the same machine, or holds the admin token."""
    if request.client is not None and request.client.host in _LOOPBACK and "x-forwarded-for" not in request.headers:
        return True
    given = request.headers.get("authorization", "")
    return admin_token is not None and hmac.compare_digest(given.encode(), f"Bearer {admin_token}".encode())
