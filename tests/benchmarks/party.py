"""Platforms that join the hub as real ones do: token A by invitation, then the credentials handshake; and the requests they send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from hub.demo.server import free_port
from ocpi_modules.headers import authorization, routing_headers
from ocpi_modules.parties import Party
from tests.benchmarks.partner import TOKEN
from tests.benchmarks.processes import ADMIN_TOKEN, Launch, Program, running

HUB = Party("NL", "HUB")
HANDSHAKE_WAIT_SECONDS = 30.0
PAGE_OBJECTS = 1000

_ids = count(1)


@dataclass(frozen=True, slots=True)
class Member:
    """A platform that joined: its party, its token for the hub, and the hub's endpoints by (module, interface)."""

    party: Party
    token: str = field(repr=False)
    endpoints: Mapping[tuple[str, str], str]

    def headers(self, receiver: Party) -> dict[str, str]:
        """The headers of a request to a receiver, but for the ids of the message."""
        return {"Authorization": authorization(self.token), **routing_headers(self.party, receiver)}

    def push(self, method: str, module: str, receiver: Party = HUB, below: str = "") -> RequestForm:
        """What every push of this kind has in common; its path goes below the hub's endpoint and `below`."""
        base = httpx.URL(self.endpoints[module, "RECEIVER"] + below)
        return RequestForm.of(method, base, self.headers(receiver))

    def pull(self, module: str) -> RequestForm:
        """What every request for a list of the hub has in common."""
        return RequestForm.of("GET", httpx.URL(self.endpoints[module, "SENDER"]), self.headers(HUB))

    def follow(self, module: str) -> tuple[RequestForm, bytes]:
        """What requests for the pages behind Links have in common, whatever their path, and the path of the list."""
        base = httpx.URL(self.endpoints[module, "SENDER"])
        return RequestForm.of("GET", base.copy_with(raw_path=b"/"), self.headers(HUB)), base.raw_path

    def crawl(self, module: str) -> list[dict[str, Any]]:
        """All objects of a module that the hub shows to this platform, by Link. Raises for HTTP errors."""
        found: list[dict[str, Any]] = []
        url: str | None = f"{self.endpoints[module, 'SENDER']}?limit={PAGE_OBJECTS}"
        with httpx.Client(timeout=HANDSHAKE_WAIT_SECONDS) as http:
            while url is not None:
                answer = http.get(url, headers=self.headers(HUB) | _fresh_ids()).raise_for_status()
                found += answer.json()["data"]
                url = answer.links.get("next", {}).get("url")
        return found


@dataclass(frozen=True, slots=True)
class RequestForm:
    """A request with holes, so that a fresh one costs a microsecond."""

    form: bytes
    with_body: bytes

    @classmethod
    def of(cls, method: str, base: httpx.URL, headers: Mapping[str, str]) -> RequestForm:
        """For an address and the headers that never change."""
        fixed = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).replace("%", "%%")
        path = base.raw_path.decode().rstrip("/").replace("%", "%%")
        start = f"{method} {path}%b HTTP/1.1\r\nHost: {base.netloc.decode()}\r\n"
        ids = "X-Request-ID: r%b\r\nX-Correlation-ID: c%b\r\n"
        form = f"{start}{fixed}{ids}".encode()
        ending = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        return cls(form + b"\r\n", form + ending)

    def fill(self, path: bytes, message_id: bytes, body: bytes = b"") -> bytes:
        """A whole request: the path below the base, the id of the message, and the body, if it has one."""
        if not body:
            return self.form % (path, message_id, message_id)
        return self.with_body % (path, message_id, message_id, len(body), body)


class PartnerServer:
    """The process in which all platforms of a benchmark live; see `tests.benchmarks.partner`."""

    def __init__(self, program: Program, scheme: str) -> None:
        self.program, self._scheme = program, scheme
        self._http = httpx.Client(base_url=program.url, timeout=HANDSHAKE_WAIT_SECONDS)
        self.ports: list[int] = self.ask("ports")

    def ask(self, path: str) -> Any:
        """Ask the control port."""
        return self._http.get(f"/{path}").json()

    def base_url(self, index: int, offers: str) -> str:
        """The address of a platform that offers these."""
        return f"{self._scheme}://127.0.0.1:{self.ports[index]}/{offers}"


@contextmanager
def partners_running(folder: Path, count_: int, core: int | None, tls: Sequence[str] = ()) -> Iterator[PartnerServer]:
    """That many platforms, each on a port of its own."""
    port = free_port()
    options = ["--tls", *tls] if tls else []
    arguments = ["-m", "tests.benchmarks.partner", str(port), str(count_), *options]
    with running(Launch("partner", arguments, core, {}), port, folder / "partner.log") as program:
        yield PartnerServer(program, "https" if tls else "http")


def join(hub: Program, role: str, party: Party, base_url: str) -> Member:
    """Invite a party and do the handshake for the platform behind this address. Raises for every refusal."""
    wanted = {"role": role, "country_code": party.country_code, "party_id": party.party_id}
    with httpx.Client(base_url=hub.url, timeout=HANDSHAKE_WAIT_SECONDS) as http:
        admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        invited = http.post("/admin/invitations", json={"roles": [wanted]}, headers=admin).raise_for_status().json()
        endpoints = _endpoints(http, invited["versions_url"], invited["token"])
        business = {"business_details": {"name": f"{role} {party}"}}
        said = {"token": TOKEN, "url": f"{base_url}/versions", "roles": [wanted | business]}
        url = next(url for (module, _), url in endpoints.items() if module == "credentials")
        answer = http.post(url, json=said, headers=_ask(invited["token"])).raise_for_status().json()
        if answer["status_code"] != 1000:
            raise RuntimeError(f"{party} could not join: {answer}")
        return Member(party, answer["data"]["token"], endpoints)


def _endpoints(http: httpx.Client, versions_url: str, token: str) -> dict[tuple[str, str], str]:
    listed = http.get(versions_url, headers=_ask(token)).raise_for_status().json()["data"]
    details = next(entry["url"] for entry in listed if entry["version"] == "2.2.1")
    found = http.get(details, headers=_ask(token)).raise_for_status().json()["data"]["endpoints"]
    return {(entry["identifier"], entry["role"]): entry["url"] for entry in found}


def _ask(token: str) -> dict[str, str]:
    return {"Authorization": authorization(token)} | _fresh_ids()


def _fresh_ids() -> dict[str, str]:
    number = str(next(_ids))
    return {"X-Request-ID": f"ask-{number}", "X-Correlation-ID": f"ask-{number}"}
