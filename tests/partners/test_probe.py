"""What a probe sees of a partner's software, against platforms that are as specified and platforms that are not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from hub.demo.connection import Connection
from hub.demo.faults import Fault, Seen, web_page
from hub.demo.party import DemoPlatform, role
from hub.partners.client import PartnerClient
from hub.partners.directory import Partner
from hub.partners.handshake import Discovery
from hub.partners.probe import NOBODY, Prober, Report, Row, Verdict
from hub.partners.quirks import Quirks, write_quirks
from hub.store.partners import Registration
from hub.store.secrets import token_hash
from ocpi_modules.headers import authorization
from ocpi_modules.module import Interface
from tests.partners.conftest import HUB, START, Bench, party_role

Object = dict[str, Any]
Example = Callable[..., Object]
Handler = Callable[[Request], Awaitable[Response]]

TOKEN = "the-token-that-the-partner-gave-us"
ROLES = (("CPO", "DE/CP1"), ("EMSP", "DE/EM1"))


@pytest.fixture
async def client() -> AsyncIterator[PartnerClient]:
    """The outbound side of a hub on a machine of one's own."""
    opened = PartnerClient(allow_private=True, timeout_seconds=5.0)
    yield opened
    await opened.close()


@pytest.fixture
def prober(bench: Bench) -> Prober:
    return Prober(bench.partners, bench.roster, bench.client, bench.clock)


class Slashed(DemoPlatform):
    """Every address that it lists ends in a slash, or only those of one module."""

    only = ""

    def url_of(self, module_id: str, interface: Interface) -> str:
        return super().url_of(module_id, interface) + ("/" if self.only in ("", module_id) else "")


class Open(DemoPlatform):
    """It lets everybody in."""

    def _authenticate(self, token: str | None) -> bool:
        return True


class WithoutLinks(DemoPlatform):
    """Its pages tell how many objects there are, and not where the others are."""

    def _response(self, seen: Seen, *rest: Any) -> Response:
        response = super()._response(seen, *rest)
        if "link" in response.headers:
            del response.headers["link"]
        return response


def platform(made: type[DemoPlatform] = DemoPlatform, **fields: Any) -> DemoPlatform:
    """A platform of a CPO and an eMSP; `fields` are set on it."""
    fresh = made("P1", [role(name, party) for name, party in ROLES])
    for name, value in fields.items():
        setattr(fresh, name, value)
    return fresh


@asynccontextmanager
async def known(
    bench: Bench, it: DemoPlatform, *routes: BaseRoute, quirks: Quirks | None = None
) -> AsyncIterator[Partner]:
    """The platform, running and registered at the hub."""
    async with it.running(*routes):
        it.connection = Connection("https://hub.example/ocpi/versions", "the-hubs", TOKEN)
        found = await Discovery(bench.client).discover(it.versions_url, TOKEN)
        roles = [party_role(*one) for one in ROLES]
        await bench.invite("A", *roles)
        said = Registration(
            versions_url=it.versions_url,
            name="P1",
            roles=dict.fromkeys(roles, '{"name":"P1"}'),
            endpoints=dict(found.endpoints),
            inbound_hash=token_hash("C"),
            outbound_sealed=bench.safe.seal(TOKEN),
            quirks=write_quirks(quirks or Quirks()),
        )
        partner_id = await bench.partners.join(token_hash("A"), said, bench.clock.now())
        it.seen.clear()
        yield (await bench.roster.refresh()).partners[partner_id]


def stock(it: DemoPlatform, example: Example, locations: int = 3) -> None:
    """Give it some objects of its own."""
    for number in range(locations):
        it.desk.offer("locations", example("location", country_code="DE", party_id="CP1", id=f"L{number}"))
    it.desk.offer("tokens", example("token", country_code="DE", party_id="EM1", uid="U1", type="RFID"))


def differing(report: Report) -> list[str]:
    return [one.row for one in report.rows if one.verdict is Verdict.DIFFERS]


def row(report: Report, row_id: str, words: str = "") -> Row:
    (found,) = [one for one in report.rows if one.row == row_id and words in one.what]
    return found


# --- software that is as specified --------------------------------------------------------------------------


async def test_a_thorough_probe_finds_nothing_wrong_with_good_software(
    bench: Bench, prober: Prober, example: Example
) -> None:
    it = platform()
    stock(it, example)
    async with known(bench, it) as partner:
        report = await prober.examine(partner, is_thorough=True)
    assert (differing(report), report.differences, report.quirks) == ([], 0, {})
    assert (report.at, report.is_thorough) == (START, True)
    assert {one.row for one in report.rows if one.verdict is Verdict.OK} == {
        "V-01", "V-03", "T-16", "T-01", "T-12", "X-42", "P-01", "P-05", "P-07", "P-09", "T-14", "T-11", "S-06", "TK-10", "TK-01",
    }  # fmt: skip
    assert {one.what for one in report.rows if one.verdict is Verdict.SILENT} == {
        f"{module_id}: objects are valid" for module_id in ("sessions", "cdrs", "tariffs")
    }, "there was nothing to look at"
    assert row(report, "T-14", "locations").seen == "2 looked at"


async def test_a_light_probe_only_reads_and_always_shows_the_token_and_ids(
    bench: Bench, prober: Prober, example: Example
) -> None:
    """T-20: what is sent to somebody who has just joined disturbs nobody."""
    it = platform()
    stock(it, example)
    async with known(bench, it) as partner:
        report = await prober.examine(partner, is_thorough=False)
    assert {seen.method for seen in it.seen} == {"GET"}
    assert {seen.token for seen in it.seen} == {TOKEN}
    ids = [seen.headers[name] for seen in it.seen for name in ("x-request-id", "x-correlation-id")]
    assert len(set(ids)) == len(ids)
    assert not any(NOBODY in seen.path for seen in it.seen)
    assert {one.row for one in report.rows}.isdisjoint({"T-01", "T-12", "S-06", "TK-10", "TK-01"})
    assert not report.is_thorough


async def test_lists_are_asked_for_from_the_hub_to_the_party_that_has_them(
    bench: Bench, prober: Prober, example: Example
) -> None:
    it = platform()
    stock(it, example)
    async with known(bench, it) as partner:
        await prober.examine(partner, is_thorough=True)
    functional = [seen for seen in it.seen if "/sender/" in seen.path]
    assert {seen.sender for seen in functional} == {HUB}
    owners = {seen.module_id: str(seen.receiver) for seen in functional}
    assert owners == {
        "locations": "DE/CP1",
        "sessions": "DE/CP1",
        "cdrs": "DE/CP1",
        "tariffs": "DE/CP1",
        "tokens": "DE/EM1",
    }
    assert not [seen for seen in it.seen if seen.method in {"PUT", "PATCH", "DELETE"}], "nothing is ever pushed"
    assert [seen.path.rpartition("/")[2] for seen in it.seen if seen.method == "POST"] == ["authorize", "authorize"]


async def test_a_raw_token_is_shown_to_who_wants_it_raw(bench: Bench, prober: Prober) -> None:
    """T-05."""
    async with known(bench, platform(), quirks=Quirks(token="raw")) as partner:
        assert partner.authorization == authorization(TOKEN, is_raw=True)
        it_saw = await prober.examine(partner, is_thorough=False)
    assert row(it_saw, "V-01", "token").seen == "HTTP 401, OCPI 2000", "this one wants Base64"


# --- software that is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "faults", "differs", "seen"),
    [
        pytest.param(
            DemoPlatform,
            [Fault(module_id="versions", http_status=403, body=b'{"detail":"Not authenticated"}')],
            ["V-01", "V-01"],
            "HTTP 403, no envelope",
            id="our token is refused",
        ),
        pytest.param(
            DemoPlatform,
            [Fault(module_id="versions", headers={"X-Request-ID": "mine"})],
            ["T-16"],
            "mine, ",
            id="it has ids of its own",
        ),
        pytest.param(Open, [], ["T-01"], "HTTP 200, OCPI 1000", id="it asks for no token"),
        pytest.param(
            DemoPlatform,
            [Fault(module_id="tariffs", http_status=500, body=b"oops")],
            ["P-01"],
            "HTTP 500, no envelope",
            id="a list cannot be read",
        ),
        pytest.param(
            DemoPlatform,
            [Fault(module_id="tariffs", status_code=3000)],
            ["P-01"],
            "HTTP 200, OCPI 3000",
            id="a list is refused",
        ),
        pytest.param(
            DemoPlatform,
            [Fault(module_id="tariffs", headers={"X-Total-Count": "many"})],
            ["P-07"],
            "X-Total-Count None, X-Limit 2",
            id="it does not tell how many objects there are",
        ),
        pytest.param(
            DemoPlatform,
            [Fault(module_id="tariffs", body=b'{"status_code":1000,"data":[{},{},{}]}')],
            ["P-05", "T-14"],
            "3 objects",
            id="it keeps to no limit",
        ),
    ],
)
async def test_what_differs_is_told_by_its_row_and_by_what_was_seen(
    bench: Bench,
    prober: Prober,
    example: Example,
    made: type[DemoPlatform],
    faults: list[Fault],
    differs: list[str],
    seen: str,
) -> None:
    it = platform(made)
    stock(it, example)
    async with known(bench, it) as partner:
        it.faults += faults
        report = await prober.examine(partner, is_thorough=True)
    told = [one for one in report.rows if one.verdict is Verdict.DIFFERS]
    assert [one.row for one in told if one.row not in {"T-12", "T-01"} or one.row in differs] == differs
    assert any(one.seen.startswith(seen) for one in told), [one.seen for one in told]
    assert report.quirks == {}, "nothing that a setting could help"


async def test_a_page_of_a_gateway_in_place_of_everything_is_told_and_ends_nothing(
    bench: Bench, prober: Prober
) -> None:
    it = platform()
    async with known(bench, it) as partner:
        it.faults.append(web_page())
        report = await prober.examine(partner, is_thorough=True)
    assert {"V-01", "T-01", "T-12", "P-01"} <= set(differing(report))
    assert report.quirks == {}


async def test_a_platform_that_is_away_is_told_and_nobody_is_made_offline(bench: Bench, prober: Prober) -> None:
    it = platform()
    async with known(bench, it) as partner, it.down():
        report = await prober.examine(partner, is_thorough=True)
        assert bench.roster.directory.partner_of(party_role(*ROLES[0]).party) is not None
    assert row(report, "V-01", "token").seen == "The receiving party is not connected."
    assert {one.row for one in report.rows if one.verdict is not Verdict.DIFFERS} == {"TK-01"}
    assert row(report, "TK-01").verdict is Verdict.SILENT


async def test_an_object_that_is_not_valid_is_told_by_its_first_fault(
    bench: Bench, prober: Prober, example: Example
) -> None:
    it = platform()
    broken = example("location", country_code="DE", party_id="CP1", id="L0")
    del broken["city"]
    it.desk.offer("locations", broken)
    async with known(bench, it) as partner:
        report = await prober.examine(partner, is_thorough=False)
    assert (differing(report), row(report, "T-14", "locations").seen) == (["T-14"], "city is required")


def answering(path: str, handler: Handler, *methods: str) -> Route:
    return Route(path, handler, methods=list(methods or ("GET",)))


async def test_a_single_object_in_a_list_is_told_and_needs_no_setting(
    bench: Bench, prober: Prober, example: Example
) -> None:
    async def in_a_list(_: Request) -> Response:
        return JSONResponse({"status_code": 1000, "data": [{"id": "L0"}]})

    it = platform()
    stock(it, example)
    async with known(bench, it, answering("/2.2.1/sender/locations/L0", in_a_list)) as partner:
        report = await prober.examine(partner, is_thorough=False)
    assert row(report, "T-11").seen == "a list around it"
    assert report.quirks == {}, "it is taken out for everybody"


async def test_errors_without_an_envelope_are_told(bench: Bench, prober: Prober, example: Example) -> None:
    async def not_found(_: Request) -> Response:
        return JSONResponse({"detail": "Not Found"}, status_code=404)

    routes = [answering(f"{path}/{NOBODY}", not_found) for path in ("/versions", "/2.2.1/sender/locations")]
    it = platform()
    stock(it, example)
    async with known(bench, it, *routes) as partner:
        report = await prober.examine(partner, is_thorough=True)
    assert differing(report) == ["T-12", "S-06"]
    assert row(report, "T-12").seen == row(report, "S-06").seen == "HTTP 404, no envelope"


# --- what is found is set ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "fields", "seen", "quirks"),
    [
        pytest.param(Slashed, {}, "16 of 16 end in a slash", {"slash": True}, id="all of them"),
        pytest.param(Slashed, {"only": "locations"}, "2 of 16 end in a slash", {}, id="some of them"),
        pytest.param(DemoPlatform, {}, "0 of 16 end in a slash", {}, id="none of them"),
    ],
)
@pytest.mark.proves("X-42")
async def test_who_ends_all_its_addresses_in_a_slash_wants_ours_to_end_so(
    bench: Bench, prober: Prober, made: type[DemoPlatform], fields: Object, seen: str, quirks: Object
) -> None:
    async with known(bench, platform(made, **fields)) as partner:
        report = await prober.examine(partner, is_thorough=False)
    assert (row(report, "X-42").seen, report.quirks) == (seen, quirks)
    assert bench.roster.directory.partners[partner.id].quirks == Quirks.model_validate(quirks)


async def test_who_lists_no_address_wants_nothing_of_ours(bench: Bench, prober: Prober) -> None:
    it = platform()
    async with known(bench, it) as partner:
        it.faults.append(Fault(module_id="versions", body=details(it, [])))
        report = await prober.examine(partner, is_thorough=False)
    assert (row(report, "X-42").seen, report.quirks) == ("0 of 0 end in a slash", {})


def details(it: DemoPlatform, endpoints: list[Object]) -> bytes:
    """One answer that serves as versions and as version details."""
    url = f"{it.base_url}/2.2.1"
    return json.dumps({"status_code": 1000, "data": {"version": "2.2.1", "url": url, "endpoints": endpoints}}).encode()


@pytest.mark.parametrize(
    ("made", "link", "differs", "seen"),
    [
        pytest.param(WithoutLinks, None, "P-08", "no Link", id="there is none"),
        pytest.param(
            DemoPlatform,
            '<{base}/ocpi/cpo/ModuleID.locations/?date_from=None&offset=2>; rel="next"',
            "P-09",
            "{base}/ocpi/cpo/ModuleID.locations/?date_from=None&offset=2: HTTP 404, OCPI 2000",
            id="it leads nowhere",
        ),
        pytest.param(
            DemoPlatform,
            '<https://127.0.0.1:9/2.2.1/sender/locations?offset=2>; rel="next"',
            "P-09",
            "https://127.0.0.1:9/2.2.1/sender/locations?offset=2: another server",
            id="it leads to somebody else",
        ),
    ],
)
async def test_whose_links_are_of_no_use_is_counted_on(
    bench: Bench, prober: Prober, example: Example, made: type[DemoPlatform], link: str | None, differs: str, seen: str
) -> None:
    it = platform(made)
    stock(it, example)
    async with known(bench, it) as partner:
        if link is not None:
            it.faults.append(Fault(module_id="locations", headers={"Link": link.format(base=it.base_url)}))
        report = await prober.examine(partner, is_thorough=False)
        assert (differing(report), report.quirks) == ([differs], {"links": "rebuild"})
        assert row(report, differs).seen == seen.format(base=it.base_url)
    assert bench.roster.directory.partners[partner.id].quirks.links == "rebuild"


async def test_the_last_page_needs_no_link(bench: Bench, prober: Prober, example: Example) -> None:
    it = platform(WithoutLinks)
    stock(it, example, locations=2)
    async with known(bench, it) as partner:
        report = await prober.examine(partner, is_thorough=False)
    assert (differing(report), report.quirks) == ([], {})


@pytest.mark.parametrize(
    ("status", "quirks"),
    [
        pytest.param(422, {"token_type": True}, id="it judges the other name"),
        pytest.param(404, {}, id="it does not know the other name"),
    ],
)
async def test_who_reads_the_type_of_a_token_under_another_name_is_told_it_under_that_name(
    bench: Bench, prober: Prober, status: int, quirks: Object
) -> None:
    async def authorize(request: Request) -> Response:
        is_odd = request.query_params.get("token_type") == "PROBE"
        return JSONResponse({"detail": "no"}, status_code=status if is_odd else 404)

    route = answering("/2.2.1/sender/tokens/{uid}/authorize", authorize, "POST")
    async with known(bench, platform(), route) as partner:
        light = await prober.examine(partner, is_thorough=False)
        thorough = await prober.examine(partner, is_thorough=True)
    assert (light.quirks, thorough.quirks) == ({}, quirks)
    assert ("TK-01" in differing(thorough)) is bool(quirks)


# --- and what was set is left ------------------------------------------------------------------------------


async def test_what_the_operator_has_set_stays_and_what_is_found_comes_beside_it(bench: Bench, prober: Prober) -> None:
    async with known(bench, platform(Slashed), quirks=Quirks(nulls=True, unwrap=False)) as partner:
        report = await prober.examine(partner, is_thorough=False)
        again = await prober.examine(bench.roster.directory.partners[partner.id], is_thorough=False)
    assert (report.quirks, again.quirks) == ({"slash": True}, {})
    assert bench.roster.directory.partners[partner.id].quirks == Quirks(nulls=True, unwrap=False, slash=True)


async def test_what_the_operator_sets_while_the_probe_is_under_way_stays(bench: Bench, prober: Prober) -> None:
    async def slow_versions(_: Request) -> Response:
        await bench.partners.set_quirks(partner.id, write_quirks(Quirks(collapse=True)))
        return Response(status_code=500)

    async with known(bench, platform(Slashed), answering("/2.2.1/sender/locations/", slow_versions)) as partner:
        await prober.examine(partner, is_thorough=False)
    assert bench.roster.directory.partners[partner.id].quirks == Quirks(collapse=True, slash=True)


async def test_the_report_is_kept_and_a_partner_is_welcomed_once(bench: Bench, prober: Prober) -> None:
    it = platform()
    async with known(bench, it) as partner:
        assert not partner.is_examined
        assert await bench.partners.report(partner.id) is None
        await prober.welcome(partner.id)
        first = await bench.partners.report(partner.id)
        assert first is not None
        assert not Report.model_validate_json(first).is_thorough
        assert bench.roster.directory.partners[partner.id].is_examined
        it.seen.clear()
        await prober.welcome(partner.id)
        assert list(it.seen) == []
        report = await prober.examine(partner, is_thorough=True)
        kept = await bench.partners.report(partner.id)
        assert kept is not None
        assert Report.model_validate_json(kept) == report


async def test_nobody_is_welcomed_who_is_not_there(bench: Bench, prober: Prober) -> None:
    await prober.welcome(4711)
