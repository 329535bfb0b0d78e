"""Figures for Prometheus: counted by bounded labels, and read by the operator only."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from hub.web.errors import on_ocpi_error
from hub.web.metrics import Metrics, metrics_router, status_class
from hub.web.ocpi import Seen
from ocpi_modules.errors import OcpiError

ADMIN_TOKEN = "the-admin-token"


def seen(module_id: str = "locations", method: str = "PUT", status_code: int = 1000, seconds: float = 0.2) -> Seen:
    return Seen(method, module_id, "P1", "DE/CP1", "NL/MS1", 200, status_code, seconds)


def samples(text: bytes) -> dict[str, float]:
    """The value of each sample by its name and the values of its labels, in the order of the labels' names."""
    families = text_string_to_metric_families(text.decode())
    found = [one for family in families for one in family.samples]
    return {" ".join([one.name, *(one.labels[name] for name in sorted(one.labels))]): one.value for one in found}


def test_answers_are_counted_by_module_method_and_class_of_code() -> None:
    metrics = Metrics()
    for one in (seen(), seen(), seen(status_code=2001), seen("", "GET")):
        metrics.count(one)
    found = samples(metrics.measure({}, 0, {}))
    assert found["hub_requests_total 200 PUT locations 1xxx"] == 2
    assert found["hub_requests_total 200 PUT locations 2xxx"] == 1
    assert found["hub_requests_total 200 GET other 1xxx"] == 1
    assert found["hub_request_seconds_sum PUT locations"] == pytest.approx(0.6)


def test_gauges_are_what_is_now_and_forget_what_is_gone() -> None:
    metrics = Metrics()
    metrics.measure({"NL/MS1": 3}, 1, {"NL/MS1": 2})
    found = samples(metrics.measure({"BE/MS2": 1}, 7, {}))
    assert found["hub_lane_messages BE/MS2"] == 1
    assert found["hub_lane_dropped_messages"] == 7
    assert [key for key in found if "NL/MS1" in key] == []


@pytest.mark.parametrize(
    ("status_code", "label"),
    [
        pytest.param(1000, "1xxx", id="success"),
        pytest.param(2003, "2xxx", id="the client's fault"),
        pytest.param(3999, "3xxx", id="a server's own code"),
        pytest.param(4002, "4xxx", id="the hub's"),
        pytest.param(999, "other", id="below all classes"),
        pytest.param(5000, "other", id="above all classes"),
        pytest.param(-1, "other", id="below zero"),
    ],
)
def test_a_code_is_counted_by_its_class(status_code: int, label: str) -> None:
    assert status_class(status_code) == label


def test_what_partners_choose_makes_no_new_series_without_end() -> None:
    metrics = Metrics()
    metrics.count(seen(status_code=5000, method="BREW"))
    before = len(samples(metrics.measure({}, 0, {})))
    for number in range(100):
        metrics.count(seen(status_code=6000 + number, method=f"BREW{number}"))
    assert len(samples(metrics.measure({}, 0, {}))) == before


@pytest.mark.parametrize(
    ("client", "headers", "http_status"),
    [
        pytest.param("127.0.0.1", {}, 200, id="on loopback"),
        pytest.param("::1", {}, 200, id="on loopback by IPv6"),
        pytest.param("203.0.113.5", {}, 401, id="from elsewhere"),
        pytest.param("203.0.113.5", {"Authorization": f"Bearer {ADMIN_TOKEN}"}, 200, id="with the admin token"),
        pytest.param("203.0.113.5", {"Authorization": "Bearer wrong"}, 401, id="with another token"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": "203.0.113.5"}, 401, id="through a proxy on loopback"),
    ],
)
async def test_who_may_read_them(client: str, headers: dict[str, str], http_status: int) -> None:
    async def measure() -> bytes:
        return Metrics().measure({}, 0, {})

    app = FastAPI()
    app.include_router(metrics_router(measure, ADMIN_TOKEN))
    app.add_exception_handler(OcpiError, on_ocpi_error)
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        answer = await http.get("/metrics", headers=headers)
    assert answer.status_code == http_status
    assert ("hub_lane_dropped_messages" in answer.text) is (http_status == 200)
