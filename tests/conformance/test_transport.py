"""Section 1 of the checklist: authorization, message ids, the envelope, and what becomes of a partner that cannot be reached."""

from __future__ import annotations

import asyncio
import base64
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from hub.app import create_app
from hub.demo.faults import Fault, Seen
from hub.demo.party import DemoPlatform, role
from hub.demo.server import LoopbackServer
from hub.settings import Settings
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.conftest import ADMIN_TOKEN, HUB, World, loopback_client, running_hub
from tests.databases import Databases
from tests.web.conftest import CP1, MS1, MS2, NS1, OT1, Bench

Object = dict[str, Any]
Unique = Callable[[str], str]

MODULES = ("locations", "sessions", "cdrs", "tariffs", "tokens", "commands", "chargingprofiles", "hubclientinfo")
TIME_FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ")
CONFIGURATION = {"versions", "credentials", "hubclientinfo"}
CLOCK_TOLERANCE = timedelta(seconds=30)
TLS_END_SECONDS = 5.0
RETURN_TRIES_MAX = 400
RETURN_PAUSE_SECONDS = 0.05


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def parties(sender: Party | None = None, receiver: Party | None = None) -> dict[str, str]:
    """The four routing headers, written out."""
    named_ones = {"from": sender, "to": receiver}
    return {
        f"OCPI-{side}-{part}": value
        for side, party in named_ones.items()
        if party is not None
        for part, value in (("country-code", party.country_code), ("party-id", party.party_id))
    }


def token_of(platform: DemoPlatform) -> str:
    """The credentials token with which a platform calls the hub."""
    assert platform.connection is not None
    return platform.connection.token


def ocpi_url(bench: Bench, path: str) -> str:
    return f"{bench.world.url}/ocpi/{path}"


def at(platform: DemoPlatform, object_id: str) -> list[Seen]:
    """What a platform saw of one object."""
    return [seen for seen in platform.seen if object_id in seen.path or object_id.encode() in seen.body]


async def first_at(platform: DemoPlatform, object_id: str) -> Seen:
    return (await platform.wait_until_seen(lambda seen: object_id in seen.path or object_id.encode() in seen.body))[0]


def moment(text: str) -> datetime:
    """A DateTime of OCPI, with or without a fraction of a second; raises ValueError for anything else."""
    form = TIME_FORMATS["." in text]
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def enveloped(answer: httpx.Response) -> Object:
    """The envelope of an answer, its two required fields judged (T-11)."""
    content: Object = answer.json()
    assert type(content["status_code"]) is int
    assert 1000 <= content["status_code"] <= 9999
    assert abs(datetime.now(UTC) - moment(content["timestamp"])) < CLOCK_TOLERANCE
    assert not content.keys() - {"status_code", "timestamp", "status_message", "data"}
    return content


def refused(answer: httpx.Response, http_status: int) -> Object:
    """The envelope of a refusal on the HTTP layer."""
    content = enveloped(answer)
    assert (answer.status_code, content["status_code"] // 1000) == (http_status, 2)
    assert "data" not in content
    return content


async def everything_arrived(bench: Bench, location: Object, marker: str) -> None:
    """A good broadcast has reached all its receivers, and with it whatever was sent before: lanes keep their order."""
    content = {**location, "id": marker}
    path = f"receiver/locations/DE/CP1/{marker}"
    answer = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
    assert answer.json()["status_code"] == 1000
    for platform in (bench.p2, bench.p3, bench.p4, bench.p5):
        await first_at(platform, marker)


# --- who calls ------------------------------------------------------------------------------------

PROTECTED = [
    pytest.param("GET", "versions", id="versions"),
    pytest.param("GET", "2.2.1", id="version details"),
    pytest.param("GET", "2.2.1/credentials", id="credentials"),
    pytest.param("POST", "2.2.1/credentials", id="a registration"),
    pytest.param("GET", "2.2.1/sender/locations", id="a list"),
    pytest.param("GET", "2.2.1/sender/hubclientinfo", id="the parties of the hub"),
    pytest.param("GET", "2.2.1/receiver/locations/DE/CP1/L1", id="an object"),
    pytest.param("PUT", "2.2.1/receiver/locations/DE/CP1/L1", id="a push"),
    pytest.param("POST", "2.2.1/receiver/commands/START_SESSION", id="a command"),
    pytest.param("POST", "2.2.1/sender/commands/any", id="a callback"),
    pytest.param("GET", "2.2.1/pages/locations/any", id="the next page of a partner"),
]


@pytest.mark.proves("T-01")
@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_a_request_without_authorization_is_401_everywhere(shared: Bench, method: str, path: str) -> None:
    answer = await shared.http.request(method, ocpi_url(shared, path), headers=parties(CP1, HUB))
    refused(answer, 401)


STRANGERS: list[Any] = [
    pytest.param(lambda token: f"Token {b64('nope')}", id="a token of nobody"),
    pytest.param(lambda token: f"Token {b64(token[:-1])}", id="a token that lacks its last character"),
    pytest.param(lambda token: f"Token {b64(token.swapcase())}", id="a token in another case"),
    pytest.param(lambda token: f"Bearer {b64('nope')}", id="another scheme and a token of nobody"),
    pytest.param(lambda token: f"Bearer {b64(token)}", id="another scheme and a good token"),
    pytest.param(lambda token: f"Basic {b64(token + ':')}", id="a good token as the name of a user"),
    pytest.param(lambda token: b64(token), id="a good token without a scheme"),
    pytest.param(lambda token: "Token", id="the word alone"),
    pytest.param(lambda token: "Token ***", id="what is no Base64"),
    pytest.param(lambda token: f"Token {base64.b64encode(b'%c' % 255).decode()}", id="what is no UTF-8"),
]


@pytest.mark.proves("T-02")
@pytest.mark.parametrize("path", ["versions", "2.2.1/sender/locations", "2.2.1/credentials"])
@pytest.mark.parametrize("header", STRANGERS)
async def test_a_token_of_nobody_or_another_scheme_is_401(
    shared: Bench, path: str, header: Callable[[str], str]
) -> None:
    headers = {"Authorization": header(token_of(shared.p1)), **parties(CP1, HUB)}
    answer = await shared.http.get(ocpi_url(shared, path), headers=headers)
    refused(answer, 401)


@pytest.mark.proves("T-03", "X-03")
@pytest.mark.parametrize(
    ("encode", "http_status"),
    [
        pytest.param(lambda token: b64(token), 200, id="padded Base64"),
        pytest.param(lambda token: b64(token + "\n"), 200, id="X-03: one line feed is forgiven"),
        pytest.param(lambda token: b64(token + "\n\n"), 401, id="X-03: two are not"),
        pytest.param(lambda token: b64("\n" + token), 401, id="X-03: nor is one in front"),
        pytest.param(lambda token: b64(token).rstrip("="), 401, id="without its padding"),
    ],
)
async def test_a_token_comes_as_the_word_token_and_its_base64(
    shared: Bench, encode: Callable[[str], str], http_status: int
) -> None:
    token = token_of(shared.p3)
    assert b64(token).endswith("="), "else the padding shows nothing"
    headers = {"Authorization": f"Token {encode(token)}", **parties(MS1, HUB)}
    for path in ("versions", "2.2.1", "2.2.1/sender/locations"):
        answer = await shared.http.get(ocpi_url(shared, path), headers=headers)
        assert answer.status_code == http_status
        assert (answer.json()["status_code"] == 1000) == (http_status == 200)


@pytest.mark.proves("T-07")
async def test_an_invitation_opens_versions_and_credentials_and_nothing_else(world: World) -> None:
    token = await world.invite([role("EMSP", "NL/MS1")])
    headers = {"Authorization": f"Token {b64(token)}", **parties(MS1, HUB)}
    async with loopback_client(base_url=f"{world.url}/ocpi/", headers=headers) as http:
        for path in ("versions", "2.2.1", "2.2.1/credentials"):
            answer = await http.get(path)
            assert (answer.status_code, enveloped(answer)["status_code"]) == (200, 1000)
        for module in MODULES:
            refused(await http.get(f"2.2.1/sender/{module}"), 401)
            refused(await http.get(f"2.2.1/receiver/{module}/NL/MS1/1"), 401)
            refused(await http.put(f"2.2.1/receiver/{module}/NL/MS1/1", json={}), 401)


@pytest.mark.proves("T-06")
async def test_the_token_that_the_hub_gives_is_short_printable_ascii(shared: Bench) -> None:
    answer = await shared.send(shared.p1, "GET", "credentials")
    joined = await _registered_by_hand(shared.world)
    for token in (token_of(shared.p1), token_of(shared.p2), answer.json()["data"]["token"], joined):
        assert 1 <= len(token) <= 64
        assert all("\x21" <= character <= "\x7e" for character in token)


async def _registered_by_hand(world: World) -> str:
    """The token in the answer to a POST of credentials; the platform is gone again when this returns."""
    platform = await world.platform("short-lived", ("NSP", "SE/TMP"))
    invitation = await world.invite(platform.roles)
    content = platform.credentials(platform.invite())
    async with loopback_client(base_url=f"{world.url}/ocpi/2.2.1/") as http:
        answer = await http.post("credentials", json=content, headers={"Authorization": f"Token {b64(invitation)}"})
        token: str = answer.json()["data"]["token"]
        left = await http.delete("credentials", headers={"Authorization": f"Token {b64(token)}"})
        assert left.json()["status_code"] == 1000
    return token


@pytest.mark.proves("T-06")
@pytest.mark.parametrize(
    "token",
    [
        pytest.param("x" * 65, id="65 characters"),
        pytest.param("with blank", id="a blank"),
        pytest.param("tab\tinside", id="a tab"),
        pytest.param("line\n", id="a line feed"),
        pytest.param("ümlaut", id="not ASCII"),
        pytest.param("", id="nothing"),
        pytest.param(None, id="null"),
    ],
)
async def test_a_token_that_no_header_could_carry_is_refused(world: World, token: str | None) -> None:
    platform = await world.platform("P1", ("CPO", "DE/CP1"))
    invitation = await world.invite(platform.roles)
    content = {"token": token, "url": platform.versions_url, "roles": platform.roles}
    async with loopback_client(headers={"Authorization": f"Token {b64(invitation)}"}) as http:
        answer = await http.post(f"{world.url}/ocpi/2.2.1/credentials", json=content)
        assert (answer.status_code, enveloped(answer)["status_code"]) == (200, 2001)
        assert not platform.seen
        assert (await http.get(world.versions_url)).status_code == 200, "the invitation is still open"
    assert (await world.admin.get("/admin/partners")).json() == []


# --- what the hub sends on its own ----------------------------------------------------------------

AWKWARD_TOKEN = ("~~~???" * 11)[:64]
"""64 characters whose Base64 has both a plus and a slash, and padding."""


@dataclass(frozen=True)
class AtWork:
    """Everything that two joined platforms and one that the hub joined itself saw, with the token that each call had to carry."""

    calls: tuple[tuple[Seen, str], ...]

    def kinds(self) -> set[tuple[str, str]]:
        return {(seen.method, seen.module_id) for seen, _ in self.calls}


@pytest.fixture(scope="module")
async def at_work(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AtWork]:
    """A hub that soon probes the silent, and all the kinds of calls that it makes."""
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, running_hub(url, folder, still_alive_seconds=0.4) as world:
        yield AtWork(await _calls_of(world))


async def _calls_of(world: World) -> tuple[tuple[Seen, str], ...]:
    first = await world.platform("P1", ("CPO", "DE/CP1"), ("EMSP", "DE/EM1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.demo.party.new_token", lambda: AWKWARD_TOKEN)
        await first.join(await world.invite(first.roles), world.versions_url)
    second = await world.join("P3", ("EMSP", "NL/MS1"), ("CPO", "NL/CP3"))
    await _push_all_ways(world, second)
    asked = await world.platform("P6", ("CPO", "AT/CP6"))
    invitation = asked.invite()
    made = await world.admin.post("/admin/partners", json={"versions_url": asked.versions_url, "token": invitation})
    assert made.status_code == 201, made.text
    await first.wait_until_seen(lambda seen: seen.path == "/versions", 3)
    await first.wait_until_seen(lambda seen: seen.path.endswith("/sender/locations"))
    assert second.connection is not None
    assert asked.connection is not None
    until_posted = [seen.method for seen in asked.seen].index("POST") + 1
    return (
        *((seen, AWKWARD_TOKEN) for seen in first.seen),
        *((seen, second.connection.own_token) for seen in second.seen),
        *((seen, invitation) for seen in list(asked.seen)[:until_posted]),
        *((seen, asked.connection.own_token) for seen in list(asked.seen)[until_posted:]),
    )


async def _push_all_ways(world: World, platform: DemoPlatform) -> None:
    """One forward, one broadcast: the first platform has both when this returns."""
    tariff = {
        "country_code": "NL",
        "party_id": "CP3",
        "id": "T1",
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}],
        "last_updated": "2026-02-03T04:05:06Z",
    }
    url = f"{world.url}/ocpi/2.2.1/receiver/tariffs/NL/CP3/T1"
    async with loopback_client(headers={"Authorization": f"Token {b64(token_of(platform))}"}) as http:
        for receiver in (Party("DE", "EM1"), HUB):
            routed = parties(Party("NL", "CP3"), receiver)
            answer = await http.put(url, json=tariff, headers=routed)
            assert answer.json()["status_code"] == 1000


@pytest.mark.proves("T-04", "X-03")
async def test_all_calls_of_the_hub_carry_the_partners_token_byte_for_byte(at_work: AtWork) -> None:
    """Forward, broadcast, ClientInfo, probe, pull, and the handshake in both directions."""
    assert at_work.kinds() >= {
        ("PUT", "tariffs"),
        ("PUT", "hubclientinfo"),
        ("GET", "versions"),
        ("POST", "credentials"),
    }
    senders = {seen.sender for seen, _ in at_work.calls if seen.module_id == "tariffs"}
    assert senders == {Party("NL", "CP3"), HUB}, "one was forwarded and one broadcast"
    for seen, token in at_work.calls:
        scheme, _, encoded = seen.headers["authorization"].partition(" ")
        assert scheme == "Token"
        assert base64.b64decode(encoded, validate=True) == token.encode()
    used = "".join(seen.headers["authorization"] for seen, token in at_work.calls if token == AWKWARD_TOKEN)
    assert "+" in used
    assert "/" in used
    assert "=" in used


@pytest.mark.proves("T-20", "T-10")
async def test_requests_that_the_hub_starts_have_guids_that_are_never_used_twice(at_work: AtWork) -> None:
    started = [seen for seen, _ in at_work.calls if seen.module_id in CONFIGURATION or seen.method == "GET"]
    assert at_work.kinds() >= {("PUT", "hubclientinfo"), ("GET", "versions"), ("POST", "credentials")}
    assert ("GET", "locations") in at_work.kinds(), "the hub pulled"
    assert len(started) >= 15
    request_ids = [seen.headers["x-request-id"] for seen in started]
    correlation_ids = [seen.headers["x-correlation-id"] for seen in started]
    for value in (*request_ids, *correlation_ids):
        assert str(uuid.UUID(value)) == value.lower()
    assert len(set(request_ids)) == len(set(correlation_ids)) == len(started)
    assert {seen.headers["content-type"] for seen in started if seen.body} == {"application/json"}


# --- TLS ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Certificate:
    """A certificate for the loopback address that vouches for itself."""

    certificate_file: Path
    key_file: Path

    def served(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate_file))


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(tmp_path / "certificate.pem", tmp_path / "key.pem")
    files.certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files.key_file.write_bytes(key.private_bytes(pem, pkcs8, plain))
    return files


@asynccontextmanager
async def tls_in_front(port: Callable[[], int], context: ssl.SSLContext) -> AsyncIterator[str]:
    """An address that speaks TLS and passes everything on to a port of this machine; no certificate of a client is asked for."""
    ways: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port())
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            ways.add(asyncio.create_task(_pass_on(*pair)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        async with asyncio.timeout(TLS_END_SECONDS):
            await asyncio.gather(*ways)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either side ends."""
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@pytest.mark.proves("T-08")
async def test_behind_tls_every_url_is_https_and_no_client_certificate_is_needed(
    database_url: str, tmp_path: Path, certificate: Certificate
) -> None:
    ports: list[int] = []
    async with tls_in_front(lambda: ports[0], certificate.served()) as url:
        settings = Settings(_env_file=None, data_dir=tmp_path, public_url=url, admin_token=SecretStr(ADMIN_TOKEN))
        app = create_app(settings, database_url)
        server = LoopbackServer(app)
        ports.append(server.port)
        async with (
            app.router.lifespan_context(app),
            loopback_client(base_url=url, verify=certificate.trusted()) as http,
        ):
            await server.start()
            try:
                await _read_over_tls(http, url)
            finally:
                await server.stop()


async def _read_over_tls(http: httpx.AsyncClient, url: str) -> None:
    invited = {"roles": [{"role": "CPO", "country_code": "DE", "party_id": "CP1"}]}
    made = (
        await http.post("/admin/invitations", json=invited, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    ).json()
    assert made["versions_url"] == f"{url}/ocpi/versions"
    headers = {"Authorization": f"Token {b64(made['token'])}"}
    (version,) = (await http.get(made["versions_url"], headers=headers)).json()["data"]
    details = (await http.get(version["url"], headers=headers)).json()["data"]
    credentials = (await http.get(f"{version['url']}/credentials", headers=headers)).json()["data"]
    urls = [version["url"], credentials["url"], *(entry["url"] for entry in details["endpoints"])]
    assert len(urls) > 15
    assert all(listed.startswith(f"{url}/") for listed in urls)


# --- headers and bodies ---------------------------------------------------------------------------


@pytest.mark.proves("T-09")
async def test_header_names_mean_the_same_in_any_case(shared: Bench, location: Object, unique: Unique) -> None:
    """Authorization, routing and ids here; those of pages are P-15's."""
    name = unique("L")
    headers = {
        "aUTHORIZATION": f"Token {b64(token_of(shared.p1))}",
        "content-TYPE": "application/json",
        "ocpi-TO-party-id": "MS1",
        "OCPI-to-COUNTRY-code": "NL",
        "ocpi-from-PARTY-ID": "CP1",
        "Ocpi-From-Country-Code": "DE",
        "x-request-ID": "r-odd",
        "X-CORRELATION-id": "c-odd",
    }
    url = ocpi_url(shared, f"2.2.1/receiver/locations/DE/CP1/{name}")
    answer = await shared.http.put(url, json={**location, "id": name}, headers=headers)
    assert (answer.status_code, answer.json()["status_code"]) == (201, 1000)
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("r-odd", "c-odd")
    seen = await first_at(shared.p3, name)
    assert (seen.sender, seen.receiver, seen.headers["x-correlation-id"]) == (CP1, MS1, "c-odd")


@pytest.mark.proves("T-10")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({}, id="application/json"),
        pytest.param({"Content-Type": "application/json; charset=utf-8"}, id="with a charset"),
        pytest.param({"Content-Type": "Application/JSON;charset=UTF-8"}, id="in another case"),
    ],
)
@pytest.mark.parametrize("receiver", [pytest.param(MS1, id="forwarded"), pytest.param(HUB, id="for the hub")])
async def test_bodies_leave_the_hub_as_application_json(
    shared: Bench,
    example: Callable[..., Object],
    location: Object,
    session: Object,
    cdr: Object,
    unique: Unique,
    sent: dict[str, str],
    receiver: Party,
) -> None:
    """PUT, PATCH and POST."""
    place, charge, bill = unique("L"), unique("S"), unique("C")
    later = {"name": "renamed", "last_updated": "2027-01-01T00:00:00Z"}
    pushes = [
        ("PUT", f"locations/DE/CP1/{place}", {**location, "id": place}),
        ("PATCH", f"locations/DE/CP1/{place}", later),
        ("PUT", f"sessions/DE/CP1/{charge}", {**session, "id": charge}),
        ("POST", "cdrs", {**cdr, "id": bill}),
    ]
    for method, path, content in pushes:
        answer = await shared.send(
            shared.p1, method, f"receiver/{path}", sender=CP1, receiver=receiver, content=content, headers=sent
        )
        assert answer.json()["status_code"] == 1000, path
        assert answer.headers["content-type"] == "application/json"
    await shared.p3.wait_until_seen(lambda seen: place in seen.path, 2)
    await first_at(shared.p3, bill)
    await first_at(shared.p3, charge)
    seen = [*at(shared.p3, place), *at(shared.p3, charge), *at(shared.p3, bill)]
    assert {entry.method for entry in seen} == {"PUT", "PATCH", "POST"}
    assert {entry.headers["content-type"] for entry in seen} == {"application/json"}


@pytest.mark.proves("T-10")
async def test_a_request_without_a_body_needs_no_media_type(
    shared: Bench, example: Callable[..., Object], unique: Unique
) -> None:
    """GET and DELETE; the hub forwards neither with the media type of something else."""
    name = unique("T")
    tariff = example("tariff", country_code="DE", party_id="CP1", id=name)
    path = f"receiver/tariffs/DE/CP1/{name}"
    await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=MS1, content=tariff)
    headers = {"Authorization": f"Token {b64(token_of(shared.p1))}", **parties(CP1, MS1)}
    for method in ("GET", "DELETE"):
        answer = await shared.http.request(method, ocpi_url(shared, f"2.2.1/{path}"), headers=headers)
        assert (answer.status_code, answer.json()["status_code"]) == (200, 1000)
    bare = [seen for seen in at(shared.p3, name) if not seen.body]
    assert [seen.method for seen in bare] == ["GET", "DELETE"]
    assert all(seen.headers.get("content-type") in {None, "application/json"} for seen in bare)


@pytest.mark.proves("T-11")
@pytest.mark.parametrize(
    ("method", "path", "receiver", "kind"),
    [
        pytest.param("GET", "../versions", None, list, id="the versions are a list"),
        pytest.param("GET", "", None, dict, id="the details are an object"),
        pytest.param("GET", "credentials", None, dict, id="credentials are an object"),
        pytest.param("GET", "sender/hubclientinfo", None, list, id="the parties are a list"),
        pytest.param("GET", "sender/locations", HUB, list, id="a list of the hub"),
        pytest.param("GET", "sender/locations", CP1, list, id="a list of a party"),
        pytest.param("GET", "sender/locations/{id}", HUB, dict, id="an object of the hub"),
        pytest.param("GET", "sender/locations/{id}/E1", HUB, dict, id="a part of an object"),
        pytest.param("GET", "sender/tariffs", HUB, list, id="a list, perhaps of nothing"),
        pytest.param("PUT", "sender/sessions/1/charging_preferences", CP1, str, id="an enum is a bare text"),
        pytest.param("GET", "sender/locations/none", HUB, None, id="nothing, for what is not there"),
        pytest.param("GET", "sender/locations?limit=x", HUB, None, id="nothing, for a wrong parameter"),
    ],
)
async def test_every_answer_is_the_envelope(
    shared: Bench,
    location: Object,
    unique: Unique,
    method: str,
    path: str,
    receiver: Party | None,
    kind: type | None,
) -> None:
    name = unique("L")
    content = {**location, "id": name, "evses": [{**location["evses"][0], "uid": "E1"}]}
    await shared.send(shared.p1, "PUT", f"receiver/locations/DE/CP1/{name}", sender=CP1, receiver=HUB, content=content)
    wanted = {"profile_type": "FAST"} if method == "PUT" else None
    sender = MS1 if receiver else None
    answer = await shared.send(
        shared.p3, method, path.format(id=name), sender=sender, receiver=receiver, content=wanted
    )
    envelope = enveloped(answer)
    assert answer.headers["content-type"] == "application/json"
    if kind is None:
        assert "data" not in envelope
    else:
        assert envelope["status_code"] == 1000
        assert type(envelope["data"]) is kind


@pytest.mark.proves("T-12", "X-01")
@pytest.mark.parametrize(
    ("method", "path", "http_status", "is_open"),
    [
        pytest.param("GET", "ocpi/2.2.1/sender/nothing", 404, True, id="an unknown module"),
        pytest.param("GET", "ocpi/2.2.1/nothing", 404, True, id="an unknown path of the version"),
        pytest.param("GET", "ocpi/2.1.1", 404, True, id="an unknown version"),
        pytest.param("GET", "ocpi/", 404, True, id="the root of OCPI"),
        pytest.param("GET", "ocpi/2.2.1/sender/sessions/1", 404, True, id="a path that this interface does not have"),
        pytest.param("GET", "ocpi/2.2.1/receiver/hubclientinfo/DE/CP1", 404, True, id="an interface that is not here"),
        pytest.param("DELETE", "ocpi/versions", 405, True, id="another method for versions"),
        pytest.param("POST", "ocpi/2.2.1/sender/locations", 405, True, id="another method for a list"),
        pytest.param("PATCH", "ocpi/2.2.1/credentials", 405, True, id="another method for credentials"),
        pytest.param("OPTIONS", "ocpi/2.2.1/sender/locations", 405, True, id="a method that OCPI does not use"),
        pytest.param("GET", "ocpi/2.2.1/sender/nothing", 401, False, id="an unknown module, and a bad token"),
        pytest.param("GET", "ocpi/versions", 401, False, id="a bad token"),
        pytest.param("PUT", "ocpi/2.2.1/receiver/locations/DE/CP1/L1", 400, True, id="no JSON"),
        pytest.param("GET", "nothing", 404, True, id="outside OCPI"),
        pytest.param("DELETE", "health/live", 405, True, id="outside OCPI, another method"),
    ],
)
async def test_errors_of_the_http_layer_come_in_the_envelope_too(
    shared: Bench, method: str, path: str, http_status: int, is_open: bool
) -> None:
    token = token_of(shared.p1) if is_open else "nope"
    headers = {"Authorization": f"Token {b64(token)}", **parties(CP1, HUB)}
    answer = await shared.http.request(method, f"{shared.world.url}/{path}", headers=headers, content=b"{")
    refused(answer, http_status)
    assert answer.headers["content-type"] == "application/json"
    if http_status == 405:
        assert answer.headers["allow"]


@pytest.mark.proves("T-13", "X-01")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"id":', id="half of an object"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"<location/>", id="XML"),
        pytest.param(b'{"id": "L1",}', id="a comma too many"),
        pytest.param(b"{'id': 'L1'}", id="single quotes"),
        pytest.param(b'{"id": NaN}', id="NaN"),
        pytest.param(b'{"id": "\xff"}', id="no UTF-8"),
        pytest.param(b"{} {}", id="two objects"),
    ],
)
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(MS1, id="for a party")])
async def test_a_body_that_is_no_json_is_400_and_goes_nowhere(
    shared: Bench, location: Object, unique: Unique, body: bytes, receiver: Party
) -> None:
    name = unique("L")
    path = f"receiver/locations/DE/CP1/{name}"
    refused(await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=receiver, content=body), 400)
    refused(await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB), 404)
    await everything_arrived(shared, location, unique("marker"))
    assert not any(at(platform, name) for platform in shared.everybody)


WRONG = [
    pytest.param("locations", {"city": None}, id="a required field is null"),
    pytest.param("locations", {"city": "x" * 46}, id="too long"),
    pytest.param("locations", {"publish": "true"}, id="a text for a boolean"),
    pytest.param("locations", {"evses": {}}, id="an object for a list"),
    pytest.param("locations", {"evses": [{"uid": "E1", "status": "AVAILABLE"}]}, id="a part that lacks fields"),
    pytest.param("locations", {"last_updated": 0}, id="a number for a date"),
    pytest.param("locations", {"coordinates": None}, id="no coordinates"),
    pytest.param("tariffs", {"elements": []}, id="an empty list that needs an element"),
    pytest.param("tariffs", {"currency": "EURO"}, id="a currency of four letters"),
    pytest.param("sessions", {"status": "active"}, id="an enum in the wrong case"),
    pytest.param("sessions", {"kwh": "12.3"}, id="a text for a number"),
    pytest.param("cdrs", {"total_cost": 4.95}, id="a number for an amount"),
]


@pytest.mark.proves("T-14", "X-01")
@pytest.mark.parametrize(("module", "change"), WRONG)
async def test_json_with_wrong_contents_is_200_and_2001_and_goes_nowhere(
    shared: Bench, example: Callable[..., Object], location: Object, unique: Unique, module: str, change: Object
) -> None:
    name = unique("X")
    good = example(module.removesuffix("s"), country_code="DE", party_id="CP1", id=name)
    path = "receiver/cdrs" if module == "cdrs" else f"receiver/{module}/DE/CP1/{name}"
    method = "POST" if module == "cdrs" else "PUT"
    named_good = {**good, **_for_ms1(good)}
    answer = await shared.send(shared.p1, method, path, sender=CP1, receiver=HUB, content={**named_good, **change})
    assert (answer.status_code, enveloped(answer)["status_code"]) == (200, 2001)
    there = await shared.send(shared.p1, "GET", f"receiver/{module}/DE/CP1/{name}", sender=CP1, receiver=HUB)
    assert there.status_code == 404
    await everything_arrived(shared, location, unique("marker"))
    assert not any(at(platform, name) for platform in shared.everybody)
    right = await shared.send(shared.p1, method, path, sender=CP1, receiver=HUB, content=named_good)
    assert (right.status_code, right.json()["status_code"]) == (201, 1000), "only the change was wrong"


def _for_ms1(content: Object) -> Object:
    """The token of a session or CDR as one of NL/MS1."""
    if "cdr_token" not in content:
        return {}
    return {"cdr_token": {**content["cdr_token"], "country_code": "NL", "party_id": "MS1"}}


@pytest.mark.proves("T-14", "X-01")
@pytest.mark.parametrize(
    ("method", "change"),
    [
        pytest.param("PUT", {"city": None}, id="PUT"),
        pytest.param("PATCH", {"name": "x"}, id="PATCH without last_updated"),
        pytest.param("PATCH", {"city": 7, "last_updated": "2027-01-01T00:00:00Z"}, id="PATCH with a wrong type"),
    ],
)
async def test_wrong_contents_leave_an_object_that_is_there_as_it_is(
    shared: Bench, location: Object, unique: Unique, method: str, change: Object
) -> None:
    name = unique("L")
    path = f"receiver/locations/DE/CP1/{name}"
    content = {**location, "id": name}
    await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
    wrong = {**content, **change} if method == "PUT" else change
    answer = await shared.send(shared.p1, method, path, sender=CP1, receiver=HUB, content=wrong)
    assert (answer.status_code, enveloped(answer)["status_code"]) == (200, 2001)
    kept = await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB)
    assert kept.json()["data"] == content


@pytest.mark.proves("X-01")
@pytest.mark.parametrize(
    ("http_status", "code"),
    [
        pytest.param(400, 2001, id="400"),
        pytest.param(404, 2003, id="404"),
        pytest.param(422, 2001, id="422"),
        pytest.param(500, 3000, id="500"),
    ],
)
async def test_a_partner_may_say_its_code_with_an_http_error(
    shared: Bench, location: Object, unique: Unique, http_status: int, code: int
) -> None:
    """The envelope counts, whatever the status line."""
    name = unique("L")
    shared.p3.faults.append(
        Fault(module_id="locations", method="PUT", http_status=http_status, status_code=code, message="no")
    )
    path = f"receiver/locations/DE/CP1/{name}"
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=MS1, content={**location, "id": name})
    assert (answer.json()["status_code"], answer.json()["status_message"]) == (code, "no")
    assert answer.status_code == (404 if http_status == 404 else 200)


@pytest.mark.proves("T-15")
async def test_the_answer_to_a_push_has_no_data(
    shared: Bench, example: Callable[..., Object], location: Object, session: Object, token: Object, unique: Unique
) -> None:
    name = unique("X")
    tariff = example("tariff", country_code="DE", party_id="CP1", id=name)
    later = {"last_updated": "2027-01-01T00:00:00Z"}
    evse = location["evses"][0]
    pushes: list[tuple[DemoPlatform, Party, str, str, Object | None]] = [
        (shared.p1, CP1, "PUT", f"sessions/DE/CP1/{name}", {**session, "id": name}),
        (shared.p1, CP1, "PATCH", f"sessions/DE/CP1/{name}", {"kwh": 20, **later}),
        (shared.p1, CP1, "PUT", f"locations/DE/CP1/{name}", {**location, "id": name}),
        (shared.p1, CP1, "PUT", f"locations/DE/CP1/{name}/{evse['uid']}", {**evse, **later}),
        (shared.p1, CP1, "PUT", f"tariffs/DE/CP1/{name}", tariff),
        (shared.p1, CP1, "DELETE", f"tariffs/DE/CP1/{name}", None),
        (shared.p3, MS1, "PUT", f"tokens/NL/MS1/{name}", {**token, "uid": name}),
    ]
    for platform, sender, method, path, content in pushes:
        answer = await shared.send(platform, method, f"receiver/{path}", sender=sender, receiver=HUB, content=content)
        envelope = enveloped(answer)
        assert envelope["status_code"] == 1000, path
        assert "data" not in envelope


@pytest.mark.proves("T-15")
@pytest.mark.parametrize("data", [b'"data":null,', b'"data":{},', b'"data":[],', b'"data":"x",', b""], ids=repr)
async def test_whatever_data_a_receiver_adds_to_a_push_it_is_a_success(
    shared: Bench, session: Object, unique: Unique, data: bytes
) -> None:
    """And the hub keeps what was accepted."""
    name = unique("S")
    body = b"{" + data + b'"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
    shared.p3.faults.append(Fault(module_id="sessions", method="PUT", body=body))
    path = f"receiver/sessions/DE/CP1/{name}"
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=MS1, content={**session, "id": name})
    assert answer.status_code in {200, 201}
    assert answer.json()["status_code"] == 1000
    kept = await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB)
    assert kept.json()["data"]["id"] == name


# --- message ids ----------------------------------------------------------------------------------

ANSWERED = [
    pytest.param("GET", "versions", 200, id="versions"),
    pytest.param("GET", "2.2.1", 200, id="version details"),
    pytest.param("GET", "2.2.1/credentials", 200, id="credentials"),
    pytest.param("GET", "2.2.1/sender/hubclientinfo", 200, id="hubclientinfo"),
    pytest.param("GET", "2.2.1/sender/locations", 200, id="a list"),
    pytest.param("GET", "2.2.1/sender/locations?limit=x", 200, id="a fault of the caller"),
    pytest.param("GET", "2.2.1/receiver/locations/DE/CP1/none", 404, id="an object that is not there"),
    pytest.param("PUT", "2.2.1/receiver/locations/DE/CP1/none", 400, id="no JSON"),
    pytest.param("GET", "2.2.1/nothing", 404, id="an unknown path"),
    pytest.param("DELETE", "2.2.1/sender/locations", 405, id="a method that is not offered"),
]


@pytest.mark.proves("T-16", "X-41")
@pytest.mark.parametrize(("method", "path", "http_status"), ANSWERED)
async def test_an_answer_repeats_the_ids_of_its_request(
    shared: Bench, method: str, path: str, http_status: int
) -> None:
    headers = {
        "Authorization": f"Token {b64(token_of(shared.p1))}",
        "X-Request-ID": "r1",
        "X-Correlation-ID": "c1",
        **parties(CP1, HUB),
    }
    answer = await shared.http.request(method, ocpi_url(shared, path), headers=headers)
    assert answer.status_code == http_status
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("r1", "c1")
    unknown = await shared.http.request(
        method, ocpi_url(shared, path), headers={**headers, "Authorization": f"Token {b64('nope')}"}
    )
    assert unknown.status_code == 401
    assert (unknown.headers["x-request-id"], unknown.headers["x-correlation-id"]) == ("r1", "c1")


@pytest.mark.proves("T-16", "X-41")
@pytest.mark.parametrize(("method", "path", "http_status"), ANSWERED)
async def test_ids_that_are_missing_are_made_up(shared: Bench, method: str, path: str, http_status: int) -> None:
    headers = {"Authorization": f"Token {b64(token_of(shared.p1))}", **parties(CP1, HUB)}
    answers = [await shared.http.request(method, ocpi_url(shared, path), headers=headers) for _ in range(2)]
    made = {answer.headers[name] for answer in answers for name in ("x-request-id", "x-correlation-id")}
    assert len(made) == 4
    assert all(made)


@pytest.mark.proves("T-16", "X-41")
@pytest.mark.parametrize("receiver", [pytest.param(MS1, id="forwarded"), pytest.param(HUB, id="broadcast")])
async def test_what_goes_on_has_ids_also_when_the_caller_sent_none(
    shared: Bench, location: Object, unique: Unique, receiver: Party
) -> None:
    name = unique("L")
    path = f"receiver/locations/DE/CP1/{name}"
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=receiver, content={**location, "id": name})
    seen = await first_at(shared.p3, name)
    assert seen.headers["x-request-id"] not in {"", answer.headers["x-request-id"]}
    assert seen.headers["x-correlation-id"] == answer.headers["x-correlation-id"]


@pytest.mark.proves("T-17", "T-18", "T-19")
async def test_a_forward_has_a_new_request_id_and_the_same_correlation_id(
    shared: Bench, location: Object, unique: Unique
) -> None:
    """Twice the same request: two ids, and none of them is the caller's, who gets its own back."""
    name = unique("L")
    ids = {"X-Request-ID": "r1", "X-Correlation-ID": "c1"}
    for _ in range(2):
        answer = await shared.send(
            shared.p1,
            "PUT",
            f"receiver/locations/DE/CP1/{name}",
            sender=CP1,
            receiver=MS1,
            content={**location, "id": name},
            headers=ids,
        )
        assert answer.json()["status_code"] == 1000
        assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("r1", "c1")
    request_ids = [seen.headers["x-request-id"] for seen in at(shared.p3, name)]
    assert len(set(request_ids)) == 2
    assert not {"", "r1"} & set(request_ids)
    assert [seen.headers["x-correlation-id"] for seen in at(shared.p3, name)] == ["c1", "c1"]


@pytest.mark.proves("T-17", "T-18")
async def test_the_copies_of_a_broadcast_differ_in_their_request_id_only(
    shared: Bench, location: Object, unique: Unique
) -> None:
    name = unique("L")
    ids = {"X-Request-ID": "r1", "X-Correlation-ID": "c1"}
    path = f"receiver/locations/DE/CP1/{name}"
    content = {**location, "id": name}
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=content, headers=ids)
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("r1", "c1")
    receivers = ((shared.p2, MS2), (shared.p3, MS1), (shared.p4, NS1), (shared.p5, OT1))
    copies = [await first_at(platform, name) for platform, _ in receivers]
    assert [seen.receiver for seen in copies] == [party for _, party in receivers]
    request_ids = {seen.headers["x-request-id"] for seen in copies}
    assert len(request_ids) == 4
    assert "r1" not in request_ids
    assert {seen.headers["x-correlation-id"] for seen in copies} == {"c1"}


@pytest.mark.proves("T-17", "T-18", "T-19", "X-41")
async def test_a_callback_keeps_the_correlation_id_that_its_sender_chose(
    shared: Bench, example: Callable[..., Object], unique: Unique
) -> None:
    callback = unique("callback")
    command = example("start_session", response_url=shared.p3.callback_url("commands", callback))
    command["token"] |= {"country_code": "NL", "party_id": "MS1"}
    shared.p1.faults.append(Fault(module_id="commands", body=_accepted_command()))
    ids = {"X-Request-ID": "r1", "X-Correlation-ID": "c1"}
    path = "receiver/commands/START_SESSION"
    await shared.send(shared.p3, "POST", path, sender=MS1, receiver=CP1, content=command, headers=ids)
    asked = next(seen for seen in shared.p1.seen if seen.module_id == "commands")
    assert asked.headers["x-correlation-id"] == "c1"
    back = asked.content["response_url"].partition("/ocpi/2.2.1/")[2]
    ids = {"X-Request-ID": "r2", "X-Correlation-ID": "c2"}
    result = {"result": "ACCEPTED"}
    answer = await shared.send(shared.p1, "POST", back, sender=CP1, receiver=MS1, content=result, headers=ids)
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("r2", "c2")
    seen = await first_at(shared.p3, callback)
    assert seen.headers["x-correlation-id"] == "c2"
    assert seen.headers["x-request-id"] not in {"r1", "r2", asked.headers["x-request-id"]}


def _accepted_command() -> bytes:
    return b'{"data":{"result":"ACCEPTED","timeout":30},"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'


@pytest.mark.proves("T-19")
@pytest.mark.parametrize(
    "echoed",
    [
        pytest.param({"X-Request-ID": "rubbish", "X-Correlation-ID": "rubbish"}, id="others"),
        pytest.param({"X-Request-ID": "", "X-Correlation-ID": ""}, id="empty ones"),
        pytest.param({"X-Request-ID": "r1, r2", "X-Correlation-ID": "c2"}, id="several"),
    ],
)
@pytest.mark.parametrize("is_list", [pytest.param(True, id="a list"), pytest.param(False, id="a push")])
async def test_the_caller_gets_its_own_ids_whatever_the_receiver_says(
    shared: Bench, location: Object, unique: Unique, echoed: dict[str, str], is_list: bool
) -> None:
    ids = {"X-Request-ID": "r1", "X-Correlation-ID": "c1"}
    asked, sender, receiver = (shared.p1, MS1, CP1) if is_list else (shared.p3, CP1, MS1)
    asked.faults.append(Fault(module_id="locations", headers=echoed))
    name = unique("L")
    answer = (
        await shared.send(shared.p3, "GET", "sender/locations", sender=sender, receiver=receiver, headers=ids)
        if is_list
        else await shared.send(
            shared.p1,
            "PUT",
            f"receiver/locations/DE/CP1/{name}",
            sender=sender,
            receiver=receiver,
            content={**location, "id": name},
            headers=ids,
        )
    )
    assert answer.json()["status_code"] == 1000
    assert answer.headers.get_list("x-request-id") == ["r1"]
    assert answer.headers.get_list("x-correlation-id") == ["c1"]


# --- addresses ------------------------------------------------------------------------------------

ADDRESSES = ["versions", "2.2.1", "2.2.1/credentials", *(f"2.2.1/sender/{module}" for module in MODULES[:5])]


@pytest.mark.proves("T-21")
@pytest.mark.parametrize("path", [*ADDRESSES, "2.2.1/sender/hubclientinfo"])
async def test_a_slash_at_the_end_makes_no_difference(shared: Bench, path: str) -> None:
    platform, sender = (shared.p1, CP1) if path.endswith("tokens") else (shared.p3, MS1)
    headers = {"Authorization": f"Token {b64(token_of(platform))}", **parties(sender, HUB)}
    plain = await shared.http.get(ocpi_url(shared, path), headers=headers)
    slashed = await shared.http.get(ocpi_url(shared, f"{path}/"), headers=headers)
    with_query = await shared.http.get(ocpi_url(shared, f"{path}/?limit=50"), headers=headers)
    assert [answer.status_code for answer in (plain, slashed, with_query)] == [200, 200, 200]
    assert plain.json()["data"] == slashed.json()["data"] == with_query.json()["data"]


@pytest.mark.proves("T-21")
async def test_objects_are_pushed_and_read_with_a_slash_at_the_end_too(
    shared: Bench, location: Object, cdr: Object, unique: Unique
) -> None:
    name = unique("X")
    path = f"receiver/locations/DE/CP1/{name}"
    pushed = await shared.send(shared.p1, "PUT", f"{path}/", sender=CP1, receiver=HUB, content={**location, "id": name})
    assert (pushed.status_code, pushed.json()["status_code"]) == (201, 1000)
    read = [await shared.send(shared.p1, "GET", path + end, sender=CP1, receiver=HUB) for end in ("", "/")]
    assert [answer.json()["data"]["id"] for answer in read] == [name, name]
    posted = await shared.send(
        shared.p1, "POST", "receiver/cdrs/", sender=CP1, receiver=HUB, content={**cdr, "id": name}
    )
    assert (posted.status_code, posted.json()["status_code"]) == (201, 1000)


class Slashed(DemoPlatform):
    """A platform that lists its endpoints with something at their end."""

    ending = ""

    def url_of(self, module_id: str, interface: Interface) -> str:
        return super().url_of(module_id, interface) + self.ending


@pytest.mark.proves("T-21", "X-42")
@pytest.mark.parametrize(
    ("ending", "query"),
    [
        pytest.param("", "", id="no slash"),
        pytest.param("/", "", id="a slash"),
        pytest.param("?k=1&y=%2F", "k=1&y=%2F", id="a query"),
        pytest.param("/?k=1", "k=1", id="a slash and a query"),
    ],
)
async def test_an_endpoint_and_what_comes_after_it_are_joined_by_one_slash(
    bench: Bench, example: Callable[..., Object], location: Object, token: Object, ending: str, query: str
) -> None:
    """For every way in which the hub makes an address of a partner's; the query is kept on both sides."""
    odd = Slashed("P6", [role("CPO", "AT/CP6"), role("EMSP", "AT/EM6")])
    odd.ending = ending
    await bench.world.stack.enter_async_context(odd.running())
    await odd.join(await bench.world.invite(odd.roles), bench.world.versions_url)
    place, partner = Party("AT", "CP6"), Party("AT", "EM6")
    command = example("start_session", location_id="L1", response_url=bench.p3.callback_url("commands", "1"))
    command["token"] |= {"country_code": "NL", "party_id": "MS1"}
    await bench.send(bench.p3, "GET", "sender/locations?limit=5", sender=MS1, receiver=place)
    await bench.send(bench.p3, "GET", "sender/locations/L1/E1", sender=MS1, receiver=place)
    await bench.send(bench.p3, "POST", "receiver/commands/START_SESSION", sender=MS1, receiver=place, content=command)
    await bench.send(
        bench.p3, "DELETE", "receiver/chargingprofiles/1?response_url=http://x/", sender=MS1, receiver=place
    )
    await bench.send(bench.p1, "POST", "sender/tokens/U1/authorize?type=RFID", sender=CP1, receiver=partner)
    await bench.send(bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=partner, content=location)
    await bench.send(bench.p3, "PUT", "receiver/tokens/NL/MS1/U1", sender=MS1, receiver=HUB, content=token)
    await odd.wait_until_seen(lambda seen: seen.module_id == "tokens" and seen.method == "PUT")
    await bench.world.join("P7", ("NSP", "SE/NS7"))
    await odd.wait_until_seen(lambda seen: seen.path.endswith("/SE/NS7"))
    called = {(seen.method, seen.path, seen.query) for seen in odd.seen if seen.module_id != "versions"}
    deleted = next(seen for seen in odd.seen if seen.method == "DELETE")
    assert called >= {
        ("GET", "/2.2.1/sender/locations", _both(query, "limit=5")),
        ("GET", "/2.2.1/sender/locations/L1/E1", query),
        ("POST", "/2.2.1/receiver/commands/START_SESSION", query),
        ("POST", "/2.2.1/sender/tokens/U1/authorize", _both(query, "type=RFID")),
        ("PUT", "/2.2.1/receiver/locations/DE/CP1/L1", query),
        ("PUT", "/2.2.1/receiver/tokens/NL/MS1/U1", query),
        ("PUT", "/2.2.1/receiver/hubclientinfo/SE/NS7", query),
    }
    assert deleted.path == "/2.2.1/receiver/chargingprofiles/1"
    assert deleted.query.startswith(_both(query, "response_url="))
    assert not any("//" in path for _, path, _ in called)


def _both(first: str, second: str) -> str:
    return f"{first}&{second}" if first else second


# --- pushes that fail, and parties that only pull ---------------------------------------------------


@pytest.mark.proves("T-22")
async def test_a_push_that_failed_is_not_sent_again(bench: Bench, location: Object, session: Object) -> None:
    """Direct, broadcast and to the eMSP of a session; what comes after the outage is the first thing that arrives."""
    async with bench.p3.down():
        direct = await bench.send(
            bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=MS1, content=location
        )
        assert (direct.status_code, direct.json()["status_code"]) == (200, 4003)
        for name in ("L2", "L3"):
            path = f"receiver/locations/DE/CP1/{name}"
            sent = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=HUB, content={**location, "id": name})
            assert sent.json()["status_code"] == 1000
            await first_at(bench.p2, name)
        path = "receiver/sessions/DE/CP1/S1"
        await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=HUB, content=session)
    await _until_connected(bench, location)
    marker = {**location, "id": "marker"}
    await bench.send(bench.p1, "PUT", "receiver/locations/DE/CP1/marker", sender=CP1, receiver=HUB, content=marker)
    await first_at(bench.p3, "marker")
    await asyncio.sleep(0.2)
    pushed = [seen.path for seen in bench.p3.seen if seen.method != "GET" and seen.module_id != "hubclientinfo"]
    assert [path.rpartition("/")[2] for path in pushed] == ["back", "marker"]


async def _until_connected(bench: Bench, location: Object) -> None:
    """The hub has heard of P3 again, and a direct push reaches it."""
    await bench.send(bench.p3, "GET", "sender/hubclientinfo")
    for _ in range(RETURN_TRIES_MAX):
        path, content = "receiver/locations/DE/CP1/back", {**location, "id": "back"}
        answer = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=MS1, content=content)
        if answer.json()["status_code"] == 1000:
            return
        await asyncio.sleep(RETURN_PAUSE_SECONDS)
    pytest.fail("the party stayed away")


@pytest.mark.proves("T-24")
async def test_a_party_without_receiver_endpoints_is_pushed_nothing_and_reads_everything(
    bench: Bench, example: Callable[..., Object], location: Object, session: Object
) -> None:
    puller, party = await bench.world.platform("P6", ("EMSP", "AT/PUL")), Party("AT", "PUL")
    puller.hidden = {(module, Interface.RECEIVER) for module in MODULES}
    await puller.join(await bench.world.invite(puller.roles), bench.world.versions_url)
    puller.seen.clear()
    session["cdr_token"] |= {"country_code": "AT", "party_id": "PUL"}
    tariff = example("tariff", country_code="DE", party_id="CP1", id="T1")
    for module, name, content in (
        ("locations", "L1", location),
        ("tariffs", "T1", tariff),
        ("sessions", "S1", session),
    ):
        path = f"receiver/{module}/DE/CP1/{name}"
        answer = await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
        assert (answer.status_code, answer.json()["status_code"]) == (201, 1000)
        listed = await bench.send(puller, "GET", f"sender/{module}", sender=party, receiver=HUB)
        assert [entry["id"] for entry in listed.json()["data"]] == [name]
    direct = await bench.send(
        bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=party, content=location
    )
    assert (direct.status_code, direct.json()["status_code"]) == (200, 4000)
    await bench.world.join("P7", ("NSP", "SE/NS7"))
    await bench.p3.wait_until_seen(lambda seen: seen.path.endswith("/SE/NS7"))
    await everything_arrived(bench, location, "marker")
    assert not [seen for seen in puller.seen if seen.method != "GET"]
