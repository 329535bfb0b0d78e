"""Versions and version details: checklist section 4 (V-01 to V-05), M-12, X-56."""

from __future__ import annotations

from typing import Any

import pytest

from hub.partners.handshake import find_version, read_endpoints
from hub.web.registration import endpoint_path, offers, version_details, versions, versions_url
from ocpi_modules.catalog import FUNCTIONAL, MODULES
from ocpi_modules.message import judge_whole
from ocpi_modules.module import Interface
from ocpi_modules.types import decode_json
from ocpi_modules.versions import VersionDetails

BASES = [
    pytest.param("https://hub.example", id="plain"),
    pytest.param("https://hub.example/", id="with a trailing slash"),
]


@pytest.fixture
def endpoints() -> list[dict[str, Any]]:
    """The endpoints that the hub lists."""
    listed: list[dict[str, Any]] = decode_json(version_details("https://hub.example"))["endpoints"]
    return listed


@pytest.mark.parametrize("base_url", BASES)
def test_one_version_is_listed_with_an_absolute_url(base_url: str) -> None:
    """V-01, V-02."""
    assert decode_json(versions(base_url)) == [{"version": "2.2.1", "url": "https://hub.example/ocpi/2.2.1"}]
    assert versions_url(base_url) == "https://hub.example/ocpi/versions"


@pytest.mark.parametrize("base_url", BASES)
def test_the_details_are_a_valid_object_of_that_version(base_url: str) -> None:
    """V-03."""
    details = judge_whole(VersionDetails, decode_json(version_details(base_url)))
    assert isinstance(details, VersionDetails)
    assert details.version == "2.2.1"
    assert all(entry.url.startswith("https://hub.example/ocpi/2.2.1/") for entry in details.endpoints)
    assert all("//" not in entry.url.removeprefix("https://") for entry in details.endpoints)


def test_a_hub_offers_both_sides_of_every_functional_module(endpoints: list[dict[str, Any]]) -> None:
    """V-04, V-05, M-12."""
    functional = {"locations", "sessions", "cdrs", "tariffs", "tokens", "commands", "chargingprofiles"}
    expected = {(name, side) for name in functional for side in ("SENDER", "RECEIVER")}
    expected |= {("credentials", "SENDER"), ("hubclientinfo", "SENDER")}
    assert sorted((entry["identifier"], entry["role"]) for entry in endpoints) == sorted(expected)
    assert {module.id for module in FUNCTIONAL} == functional


def test_no_two_interfaces_share_an_url(endpoints: list[dict[str, Any]]) -> None:
    """X-56."""
    urls = [entry["url"] for entry in endpoints]
    assert len(set(urls)) == len(urls)


def test_what_is_listed_is_what_is_served(endpoints: list[dict[str, Any]]) -> None:
    """V-02."""
    listed = {entry["url"].removeprefix("https://hub.example") for entry in endpoints}
    served = {
        endpoint_path(module, interface)
        for module in MODULES.values()
        for interface in Interface
        if offers(module, interface)
    }
    assert listed == served | {"/ocpi/2.2.1/credentials"}


def test_another_hub_could_register_here() -> None:
    """V-03: what we write is what we read from others."""
    assert find_version(decode_json(versions("https://hub.example"))) == "https://hub.example/ocpi/2.2.1"
    found = read_endpoints(decode_json(version_details("https://hub.example")))
    assert found["credentials", "SENDER"] == "https://hub.example/ocpi/2.2.1/credentials"
    assert len(found) == 16
