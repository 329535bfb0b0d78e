"""Every HTTP call that leaves the hub: what it carries, what its failures mean, where it never goes (R-09, R-16 to R-18)."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from hub.partners import client as client_module
from hub.partners import guard as guard_module
from hub.partners.client import Answer, Call, PartnerClient, PrivateAddress, join_url, with_slash
from hub.partners.guard import AddressInfo
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, RoutingFault
from tests.partners.raw import OK, Partner, address_info

TIMEOUT_SECONDS, PATIENT_SECONDS = 0.5, 20.0

Way = Callable[[PartnerClient, Call], Awaitable[Answer]]


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    async with Partner().running() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[PartnerClient]:
    opened = PartnerClient(allow_private=True, timeout_seconds=PATIENT_SECONDS)
    yield opened
    await opened.close()


@pytest.fixture
async def hasty() -> AsyncIterator[PartnerClient]:
    opened = PartnerClient(allow_private=True, timeout_seconds=TIMEOUT_SECONDS)
    yield opened
    await opened.close()


@pytest.fixture
async def guarded() -> AsyncIterator[PartnerClient]:
    opened = PartnerClient(allow_private=False, timeout_seconds=PATIENT_SECONDS)
    yield opened
    await opened.close()


@pytest.fixture(params=["send", "fetch"])
def way(request: pytest.FixtureRequest) -> Way:
    """Both ways out: traffic between partners, and handshake, discovery and probes."""

    def go(client: PartnerClient, call: Call) -> Awaitable[Answer]:
        return client.send(call) if request.param == "send" else client.fetch(call)

    return go


def get(url: str, **headers: str) -> Call:
    return Call(method="GET", url=url, headers=headers)


# --- the URL ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "suffix", "query", "url"),
    [
        pytest.param("https://x/a", "DE/CP1/L1", "", "https://x/a/DE/CP1/L1", id="T-21 one slash is put in"),
        pytest.param("https://x/a/", "DE/CP1/L1", "", "https://x/a/DE/CP1/L1", id="T-21 one slash is there"),
        pytest.param("https://x/a/", "/DE", "", "https://x/a/DE", id="T-21 two slashes are there"),
        pytest.param("https://x/a", "", "", "https://x/a", id="nothing below"),
        pytest.param("https://x/a/", "", "", "https://x/a/", id="nothing below, and the slash is the partner's"),
        pytest.param("https://x/a", "/", "limit=2", "https://x/a?limit=2", id="a slash alone is nothing below"),
        pytest.param("https://x/a?k=1", "L1", "", "https://x/a/L1?k=1", id="T-21 the endpoint's own query"),
        pytest.param("https://x/a?k=1", "L1", "limit=2", "https://x/a/L1?k=1&limit=2", id="T-21 both queries"),
        pytest.param(
            "https://x/a", "U1/authorize", "type=RFID", "https://x/a/U1/authorize?type=RFID", id="X-42 authorize"
        ),
        pytest.param(
            "https://x/a", "A%2FB/E1", "x=%20+", "https://x/a/A%2FB/E1?x=%20+", id="R-09 nothing is encoded again"
        ),
    ],
)
def test_an_endpoint_and_a_path_below_it(base: str, suffix: str, query: str, url: str) -> None:
    assert join_url(base, suffix, query) == url


@pytest.mark.parametrize(
    "target", ["/l/A%2FB/E%201?x=%2F&y=a+b&z=%C3%A9", "/l/a,b;c?date_from=2026-01-01T00:00:00Z", "/l/?x"]
)
async def test_percent_encoding_reaches_the_partner_as_it_is(
    target: str, partner: Partner, client: PartnerClient, way: Way
) -> None:
    """R-09, P-14."""
    await way(client, get(partner.base + target))
    assert partner.requests[-1].split("\r\n")[0] == f"GET {target} HTTP/1.1"


# --- what is sent and what comes back ---------------------------------------------------------------


async def test_body_and_headers_are_the_caller_s(partner: Partner, client: PartnerClient, way: Way) -> None:
    """R-08, R-10, T-10."""
    headers = {"Authorization": "Token YQ==", "OCPI-to-party-id": "MS1", "Content-Type": "application/json"}
    answer = await way(client, Call(method="PUT", url=partner.base + "/l", headers=headers, body=b'{"a": 1.10}'))
    assert partner.bodies == [b'{"a": 1.10}']
    assert {name: partner.headers[name.lower()] for name in headers} == headers
    assert (answer.http_status, answer.body) == (200, b"ok")
    assert answer.headers["x-total-count"] == "7", "P-15: in whatever case the partner wrote it"


async def test_traffic_between_partners_carries_no_headers_of_the_library(
    partner: Partner, client: PartnerClient
) -> None:
    await client.send(Call(method="PATCH", url=partner.base + "/l", headers={"X-Request-ID": "r1"}, body=b"{}"))
    assert set(partner.headers) == {"host", "x-request-id", "accept-encoding", "content-length"}


async def test_a_get_has_no_body_and_no_content_type(partner: Partner, client: PartnerClient, way: Way) -> None:
    """T-10."""
    await way(client, get(partner.base + "/l"))
    assert {"content-type", "content-length", "transfer-encoding"} & set(partner.headers) == set()


async def test_cookies_are_not_kept(partner: Partner, client: PartnerClient, way: Way) -> None:
    """One partner's cookie would go to every partner of the same host."""
    partner.answer = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n\r\n")
    for _ in range(2):
        await way(client, get(partner.base + "/l"))
    assert "cookie" not in partner.headers


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 401, 404, 405, 500, 502])
async def test_every_http_status_is_an_answer_and_no_redirect_is_followed(
    status: int, partner: Partner, client: PartnerClient, way: Way
) -> None:
    """R-14: what it means is decided elsewhere; a redirect would take the token along."""
    partner.answer = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: {partner.base}/other\r\n\r\n".encode()
    answer = await way(client, get(partner.base + "/l"))
    assert (answer.http_status, answer.headers["location"]) == (status, f"{partner.base}/other")
    assert len(partner.requests) == 1


def redirect(status: int, location: str) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode()


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_redirect_to_the_same_address_with_a_slash_is_followed_at_the_server_that_was_asked(
    status: int, scheme: str, partner: Partner, client: PartnerClient, way: Way
) -> None:
    """T-21: what servers do whose routes end in one; behind a gateway they name the wrong scheme or host."""
    partner.answers = [redirect(status, f"{scheme}://elsewhere.invalid:1/l/"), OK]
    call = Call(method="PUT", url=partner.base + "/l?x=%2F", headers={"Authorization": "Token YQ=="}, body=b"{}")
    answer = await way(client, call)
    assert (answer.http_status, answer.body) == (200, b"ok")
    assert [request.split(" HTTP")[0] for request in partner.requests] == ["PUT /l?x=%2F", "PUT /l/?x=%2F"]
    assert partner.bodies == [b"{}", b"{}"]
    assert partner.headers["authorization"] == "Token YQ=="


async def test_it_is_followed_once(partner: Partner, client: PartnerClient, way: Way) -> None:
    partner.answers = [redirect(307, f"{partner.base}/l/"), redirect(307, f"{partner.base}/l//"), OK]
    answer = await way(client, get(partner.base + "/l"))
    assert (answer.http_status, len(partner.requests)) == (307, 2)


@pytest.mark.parametrize(
    ("status", "url", "location", "meant"),
    [
        pytest.param(307, "http://p/l", "http://p/l/", "http://p/l/", id="the same with a slash"),
        pytest.param(308, "http://p/l", "/l/", "http://p/l/", id="relative"),
        pytest.param(
            307, "https://p/l?a=b&c=%20", "http://q/l/?z", "https://p/l/?a=b&c=%20", id="only the slash is taken"
        ),
        pytest.param(307, "http://p/l", "http://p/m/", None, id="another path"),
        pytest.param(307, "http://p/l", "http://p/l", None, id="no slash"),
        pytest.param(307, "http://p/l/", "http://p/l", None, id="without the slash"),
        pytest.param(307, "http://p/l", "http://p/x/l/", None, id="a path that ends so"),
        pytest.param(307, "http://p/l", "", None, id="nowhere"),
        pytest.param(301, "http://p/l", "http://p/l/", None, id="301 may change the method"),
        pytest.param(302, "http://p/l", "http://p/l/", None, id="302 may change the method"),
        pytest.param(200, "http://p/l", "http://p/l/", None, id="no redirect"),
    ],
)
def test_which_redirects_are_followed(status: int, url: str, location: str, meant: str | None) -> None:
    call = Call(method="POST", url=url, headers={"a": "b"}, body=b"{}")
    again = with_slash(call, Answer(status, {"location": location} if location else {}, b""))
    assert again == (None if meant is None else Call(method="POST", url=meant, headers={"a": "b"}, body=b"{}"))


async def test_a_redirect_that_is_no_address_is_a_routing_fault(
    partner: Partner, client: PartnerClient, way: Way
) -> None:
    partner.answer = redirect(307, "http://[/l/")
    with pytest.raises(RoutingFault) as caught:
        await way(client, get(partner.base + "/l"))
    assert caught.value.status_code == 4000


async def test_a_web_page_is_an_answer_too(partner: Partner, client: PartnerClient, way: Way) -> None:
    """X-23: whether it is OCPI is decided elsewhere."""
    partner.answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
    answer = await way(client, get(partner.base + "/l"))
    assert (answer.http_status, answer.body) == (502, b"<html></html>")


# --- failures ---------------------------------------------------------------------------------------


async def test_a_closed_port_means_not_connected(client: PartnerClient, way: Way) -> None:
    """R-16."""
    async with Partner().running() as gone:
        url = gone.base
    with pytest.raises(ReceiverNotConnected):
        await way(client, get(url + "/l"))


async def test_a_name_that_does_not_exist_means_not_connected(client: PartnerClient, way: Way) -> None:
    """R-16."""
    with pytest.raises(ReceiverNotConnected):
        await way(client, get("https://no-such-partner.invalid/l"))


async def test_a_server_without_tls_means_not_connected(client: PartnerClient, way: Way) -> None:
    """R-16."""

    async def answer_in_clear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(answer_in_clear, "127.0.0.1", 0)
    with pytest.raises(ReceiverNotConnected):
        await way(client, get(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/l"))
    server.close()


async def test_a_handshake_that_does_not_end_means_not_connected(
    partner: Partner, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-16: the connection was never open."""
    monkeypatch.setattr(client_module, "CONNECT_WAIT_SECONDS", 0.1)
    impatient = PartnerClient(allow_private=True, timeout_seconds=5)
    with pytest.raises(ReceiverNotConnected):
        await way(impatient, get(f"https://127.0.0.1:{partner.port}/l"))
    await impatient.close()


async def test_silence_means_timeout_within_the_bound(partner: Partner, hasty: PartnerClient, way: Way) -> None:
    """R-17."""
    partner.answer = None
    began = time.monotonic()
    with pytest.raises(ReceiverTimeout):
        await way(hasty, get(partner.base + "/l"))
    assert TIMEOUT_SECONDS * 0.9 < time.monotonic() - began < TIMEOUT_SECONDS + client_module.CONNECT_WAIT_SECONDS
    assert len(partner.requests) == 1, "T-22: nothing is sent twice"


async def test_an_answer_that_stops_in_the_middle_means_timeout(
    partner: Partner, hasty: PartnerClient, way: Way
) -> None:
    """R-17: the whole answer has to come in time."""
    partner.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    with pytest.raises(ReceiverTimeout):
        await way(hasty, get(partner.base + "/l"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="the connection is closed"),
        pytest.param(b"not HTTP at all\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", id="broken off in a chunk"),
    ],
)
async def test_an_answer_that_is_broken_is_a_routing_fault(
    answer: bytes, partner: Partner, client: PartnerClient, way: Way
) -> None:
    """R-18: neither not connected nor too slow."""
    partner.answer = answer
    with pytest.raises(RoutingFault) as caught:
        await way(client, Call(method="POST", url=partner.base + "/l", headers={}, body=b"{}"))
    assert caught.value.status_code == 4000
    assert len(partner.requests) == 1, "T-22: nothing is sent twice"


@pytest.mark.parametrize(
    "encoding",
    [pytest.param(False, id="as it is"), pytest.param(True, id="small on the wire")],
)
async def test_an_answer_beyond_the_bound_is_a_routing_fault(
    encoding: bool, partner: Partner, client: PartnerClient, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound counts what was unpacked."""
    monkeypatch.setattr(client_module, "ANSWER_MAX_BYTES", 100_000)
    for size, fits in ((100_000, True), (100_001, False), (5_000_000, False)):
        body = gzip.compress(b"x" * size) if encoding else b"x" * size
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n" + (
            "Content-Encoding: gzip\r\n" if encoding else ""
        )
        partner.answer = head.encode() + b"\r\n" + body
        if fits:
            assert len((await way(client, get(partner.base + "/l"))).body) == size
        else:
            with pytest.raises(RoutingFault) as caught:
                await way(client, get(partner.base + "/l"))
            assert caught.value.status_code == 4000


@pytest.mark.parametrize(
    "url", ["https://[/l", "nonsense", "ftp://x.example/l", "http:///l", "https://x.example:99999/l"]
)
async def test_what_is_no_url_is_a_routing_fault(url: str, client: PartnerClient, way: Way) -> None:
    with pytest.raises(RoutingFault):
        await way(client, get(url))


async def test_a_header_that_would_make_two_is_a_routing_fault(
    partner: Partner, client: PartnerClient, way: Way
) -> None:
    with pytest.raises(RoutingFault):
        await way(client, get(partner.base + "/l", **{"X-Request-ID": "r1\r\nAuthorization: other"}))
    assert partner.requests == []


# --- where nothing goes -----------------------------------------------------------------------------

PRIVATE = [
    pytest.param("127.0.0.1", id="loopback"),
    pytest.param("127.9.9.9", id="loopback, another"),
    pytest.param("127.1", id="loopback, short"),
    pytest.param("2130706433", id="loopback, decimal"),
    pytest.param("0x7f000001", id="loopback, hexadecimal"),
    pytest.param("0177.0.0.1", id="loopback, octal"),
    pytest.param("127.0.0.1.", id="loopback with a dot"),
    pytest.param("①②⑦.⓪.⓪.①", id="loopback in circles"),
    pytest.param("localhost", id="a name for loopback"),
    pytest.param("user@127.0.0.1", id="a user in front"),
    pytest.param("example.com\\@127.0.0.1", id="a backslash"),
    pytest.param("0.0.0.0", id="any address"),
    pytest.param("0", id="any address, short"),
    pytest.param("[::]", id="any address, IPv6"),
    pytest.param("[::1]", id="loopback, IPv6"),
    pytest.param("[::ffff:127.0.0.1]", id="loopback, mapped"),
    pytest.param("[::ffff:7f00:1]", id="loopback, mapped, in hexadecimal"),
    pytest.param("[fe80::1]", id="link local, IPv6"),
    pytest.param("[fc00::1]", id="unique local, IPv6"),
    pytest.param("169.254.169.254", id="link local: the metadata of clouds"),
    pytest.param("10.0.0.1", id="private, 10"),
    pytest.param("172.16.0.1", id="private, 172.16"),
    pytest.param("192.168.1.1", id="private, 192.168"),
    pytest.param("100.64.0.1", id="shared address space"),
    pytest.param("224.0.0.1", id="multicast"),
    pytest.param("255.255.255.255", id="broadcast"),
]


@pytest.mark.parametrize("host", PRIVATE)
async def test_an_address_that_is_not_public_is_never_connected_to(
    host: str, partner: Partner, guarded: PartnerClient, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-16, R-18: with https, the only scheme that is allowed there, and however it is written."""
    connected: list[object] = []
    loop = asyncio.get_running_loop()

    async def note(sock: object, address: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "sock_connect", note)
    with pytest.raises(RoutingFault):
        await way(guarded, get(f"https://{host}:{partner.port}/l"))
    assert connected == []
    assert partner.requests == []


@pytest.mark.parametrize(
    "url", ["http://example.com/l", "HTTP://example.com/l", "file:///etc/passwd", "//example.com/l"]
)
async def test_partners_are_reached_by_https_only(url: str, guarded: PartnerClient, way: Way) -> None:
    """T-08."""
    with pytest.raises(PrivateAddress):
        await way(guarded, get(url))


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1"], ["::ffff:10.0.0.1"]])
async def test_a_name_is_refused_when_any_of_its_addresses_is_not_public(
    found: list[str], guarded: PartnerClient, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged at each connection, so that a name that resolves differently the second time gains nothing."""
    asked: list[object] = []

    def resolve(host: str, port: int) -> list[AddressInfo]:
        asked.append(host)
        return [address_info(address, port) for address in found]

    async def connect(*_: object, **__: object) -> None:
        raise AssertionError("nothing is connected to")

    monkeypatch.setattr(guard_module, "look_up", resolve)
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
    with pytest.raises(RoutingFault):
        await way(guarded, get("https://partner.example/l"))
    assert asked
