"""What a partner's software really does on the wire: asked, never pushed, and told row by row.

The light examination after a registration sends authenticated GETs only; the thorough one (`hub probe`) also asks without a token, for
what is not there, and for a token that cannot exist. What is found sets the quirks that can be found; the operator sets the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.clock import Clock
from hub.partners.calls import call_headers
from hub.partners.client import Answer, Call, PartnerClient, join_url
from hub.partners.dialect import counted_on, is_same_server
from hub.partners.directory import Directory, Partner
from hub.partners.handshake import read_endpoints
from hub.partners.quirks import Quirks, write_quirks
from hub.partners.roster import Roster
from hub.store.partners import Partners
from ocpi_modules.catalog import FUNCTIONAL, VERSION
from ocpi_modules.envelope import Envelope, read_envelope
from ocpi_modules.errors import InvalidParameters, OcpiError, RoutingFault
from ocpi_modules.headers import id_headers, read_count, read_next_link
from ocpi_modules.module import Interface, Module, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import DateTime, validation_sentence

SAMPLE_OBJECTS = 2
NOBODY = "ocpi-hub-probe"

_log = structlog.get_logger()


class Verdict(StrEnum):
    """How an observation compares with the specification; SILENT: there was nothing to see."""

    OK = "ok"
    DIFFERS = "differs"
    SILENT = "silent"


class Row(BaseModel):
    """One observation: the row of the checklist it belongs to, what was looked at, and what was seen."""

    model_config = ConfigDict(frozen=True)

    row: str
    what: str
    verdict: Verdict
    seen: str = ""


class Report(BaseModel):
    """Everything that one probe saw, and the quirks that it set."""

    model_config = ConfigDict(frozen=True)

    at: DateTime
    is_thorough: bool
    rows: tuple[Row, ...]
    quirks: dict[str, Any]

    @property
    def differences(self) -> int:
        """How many observations differ from the specification."""
        return sum(row.verdict is Verdict.DIFFERS for row in self.rows)


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer and its envelope (None without one), or no answer and the reason."""

    answer: Answer | None
    envelope: Envelope | None
    reason: str = ""

    @property
    def is_success(self) -> bool:
        """HTTP 200 and OCPI 1xxx."""
        return self.envelope is not None and self.envelope.is_success and self.status == 200

    @property
    def status(self) -> int:
        """The HTTP status, 0 without an answer."""
        return self.answer.http_status if self.answer else 0

    @property
    def told(self) -> str:
        """In a few words."""
        if self.answer is None:
            return self.reason
        code = f"OCPI {self.envelope.status_code}" if self.envelope else "no envelope"
        return f"HTTP {self.status}, {code}"


Found = tuple[Row, dict[str, Any]]


class Prober:
    """Examines partners and stores what it saw."""

    def __init__(self, partners: Partners, roster: Roster, client: PartnerClient, clock: Clock) -> None:
        self._partners, self._roster, self._client, self._clock = partners, roster, client, clock

    async def welcome(self, partner_id: int) -> None:
        """The light examination of a partner that was never examined; a failure leaves everything as it was."""
        partner = self._roster.directory.partners.get(partner_id)
        if partner is None or partner.is_examined or partner.is_local:
            return
        try:
            await self.examine(partner, is_thorough=False)
        except Exception as exc:  # nobody waits for it
            _log.warning("probe_failed", partner_id=partner_id, error=type(exc).__name__)

    async def examine(
        self, partner: Partner, *, is_thorough: bool, told: Callable[[Row], None] = lambda _: None
    ) -> Report:
        """Ask a partner, store the report, and set the quirks that were found and are not set yet; each row is `told` when it is there.

        Raises InvalidParameters for a part of this hub.
        """
        if partner.is_local:
            raise InvalidParameters("local chargers are a part of this hub: there is nothing to find out about them")
        probe = _Probe(self._client, partner, self._roster.directory)
        rows, found = [], dict[str, Any]()
        async for row, quirks in probe.run(is_thorough=is_thorough):
            rows.append(row)
            told(row)
            found |= quirks
        now_known = (await self._roster.refresh()).partners.get(partner.id, partner)  # it may have been set meanwhile
        known = now_known.quirks.model_dump(exclude_defaults=True)
        set_now = {name: value for name, value in found.items() if name not in known}
        now = self._clock.now()
        report = Report(at=now, is_thorough=is_thorough, rows=tuple(rows), quirks=set_now)
        await self._partners.set_report(partner.id, report.model_dump_json())
        if set_now:
            await self._partners.set_quirks(partner.id, write_quirks(Quirks.model_validate(known | set_now)))
        await self._roster.refresh()
        return report


class _Probe:
    """The observations of one partner, one after another."""

    def __init__(self, client: PartnerClient, partner: Partner, directory: Directory) -> None:
        self._client, self._partner, self._directory = client, partner, directory

    async def run(self, *, is_thorough: bool) -> AsyncIterator[Found]:
        async for found in self._versions():
            yield found
        if is_thorough:
            yield await self._anonymous()
            yield await self._nowhere()
        for module in FUNCTIONAL:
            if any(one.purpose is Purpose.LIST for one in module.sender):
                async for found in self._list(module, is_thorough=is_thorough):
                    yield found
        if is_thorough and self._partner.endpoint(TOKENS, Interface.SENDER):
            async for found in self._authorize():
                yield found

    async def _versions(self) -> AsyncIterator[Found]:
        ids = (str(uuid4()), str(uuid4()))
        heard = await self._ask("GET", self._partner.versions_url, {**self._token(), **id_headers(*ids)})
        yield _row("V-01", "versions answer our token", heard.is_success, heard.told)
        if heard.answer is None:
            return
        echoed = tuple(heard.answer.headers.get(name) for name in ("x-request-id", "x-correlation-id"))
        yield _row("T-16", "answers repeat both message ids", echoed == ids, f"{echoed[0]}, {echoed[1]}")
        url = _details_url(heard.envelope)
        yield _row("V-01", f"version {VERSION} is listed", url is not None, url or "not listed")
        if url is not None:
            async for found in self._details(url):
                yield found

    async def _details(self, url: str) -> AsyncIterator[Found]:
        heard = await self._ask("GET", url, self._token())
        try:
            endpoints = read_endpoints(heard.envelope.data if heard.envelope else None)
        except OcpiError as fault:
            yield _row("V-03", "version details can be read", False, f"{heard.told}: {fault.message}")
            return
        yield _row("V-03", "version details can be read", heard.is_success, f"{len(endpoints)} endpoints")
        slashed = [one for one in endpoints.values() if one.endswith("/")]
        is_slashed = 0 < len(slashed) == len(endpoints)
        seen = f"{len(slashed)} of {len(endpoints)} end in a slash"
        yield _row("X-42", "endpoints do not end in a slash", not is_slashed, seen, {"slash": is_slashed})

    async def _anonymous(self) -> Found:
        heard = await self._ask("GET", self._partner.versions_url, {})
        return _row("T-01", "a request without a token is 401", heard.status == 401, heard.told)

    async def _nowhere(self) -> Found:
        heard = await self._ask("GET", join_url(self._partner.versions_url, NOBODY), self._token())
        return _row("T-12", "errors carry the envelope", heard.envelope is not None, heard.told)

    async def _list(self, module: Module, *, is_thorough: bool) -> AsyncIterator[Found]:
        base, owner = self._partner.endpoint(module, Interface.SENDER), self._owner(module)
        if base is None or owner is None:
            return
        url = join_url(base, "", f"limit={SAMPLE_OBJECTS}")
        heard = await self._routed("GET", url, owner)
        yield _row("P-01", f"{module.id}: a page can be read", _objects(heard) is not None, heard.told)
        objects = _objects(heard)
        if objects is None or heard.answer is None:
            return
        for found in _page_rows(module, heard.answer, objects):
            yield found
        async for found in self._next(module, owner, url, heard.answer):
            yield found
        if objects and any(one.purpose is Purpose.READ for one in module.sender):
            yield await self._object(module, owner, objects[0])
        if is_thorough and any(one.purpose is Purpose.READ for one in module.sender):
            heard = await self._routed("GET", join_url(base, NOBODY), owner)
            is_right = heard.status == 404 and heard.envelope is not None
            yield _row("S-06", f"{module.id}: what is not there is 404 with an envelope", is_right, heard.told)

    async def _next(self, module: Module, owner: Party, url: str, answer: Answer) -> AsyncIterator[Found]:
        link, other = read_next_link(answer.headers.get("link"), url), counted_on(url, answer.headers, answer.body)
        if link is None:
            what = f"{module.id}: a page that is not the last has a Link"
            if other is not None:
                yield _row("P-08", what, False, "no Link", {"links": "rebuild"})
            return
        heard = await self._routed("GET", link, owner) if is_same_server(link, url) else None
        is_good = heard is not None and _objects(heard) is not None
        seen = f"{link[:150]}: {heard.told if heard else 'another server'}"
        yield _row(
            "P-09", f"{module.id}: Link leads to the next page", is_good, seen, {} if is_good else {"links": "rebuild"}
        )

    async def _object(self, module: Module, owner: Party, content: Any) -> Found:
        key = content.get(module.key) if isinstance(content, dict) else None
        base = self._partner.endpoint(module, Interface.SENDER) or ""
        heard = await self._routed("GET", join_url(base, quote(str(key), safe="")), owner)
        data = heard.envelope.data if heard.is_success and heard.envelope else None
        seen = "an object" if isinstance(data, dict) else "a list around it" if isinstance(data, list) else heard.told
        return _row("T-11", f"{module.id}: one object is answered as an object", isinstance(data, dict), seen)

    async def _authorize(self) -> AsyncIterator[Found]:
        owner, base = self._owner(TOKENS), self._partner.endpoint(TOKENS, Interface.SENDER) or ""
        if owner is None:
            return
        heard = await self._routed("POST", join_url(base, f"{NOBODY}/authorize", "type=RFID"), owner)
        is_right = heard.status == 404 or (heard.envelope is not None and heard.envelope.status_code == 2004)
        yield _row("TK-10", "an unknown token is 404 and 2004", is_right, heard.told)
        other = await self._routed("POST", join_url(base, f"{NOBODY}/authorize", "token_type=PROBE"), owner)
        reads = other.status == 422 and heard.status != 422
        holds = None if other.answer is None else not reads
        yield _row("TK-01", "the type of a token is read from type", holds, other.told, {"token_type": reads})

    # --- asking ----------------------------------------------------------------------------------

    def _token(self) -> dict[str, str]:
        return {"Authorization": self._partner.authorization, **id_headers(str(uuid4()), str(uuid4()))}

    def _owner(self, module: Module) -> Party | None:
        return min(self._directory.parties_of(self._partner, module.senders), default=None)

    async def _routed(self, method: str, url: str, owner: Party) -> Heard:
        headers = call_headers(self._partner, self._directory.hub, owner, (str(uuid4()), str(uuid4())))
        return await self._ask(method, url, headers)

    async def _ask(self, method: str, url: str, headers: dict[str, str]) -> Heard:
        try:
            call = Call(method=method, url=url, headers=headers, partner_id=self._partner.id)
            answer = await self._client.fetch(call)
        except RoutingFault as fault:
            return Heard(None, None, fault.message or type(fault).__name__)
        return Heard(answer, read_envelope(answer.body))


def _page_rows(module: Module, answer: Answer, objects: list[Any]) -> list[Found]:
    total, limit = (read_count(answer.headers.get(name)) for name in ("x-total-count", "x-limit"))
    counts = f"X-Total-Count {total}, X-Limit {limit}"
    rows = [
        _row("P-07", f"{module.id}: pages tell total and limit", None not in {total, limit}, counts),
        _row("P-05", f"{module.id}: limit is kept", len(objects) <= SAMPLE_OBJECTS, f"{len(objects)} objects"),
    ]
    faults = [fault for one in objects if (fault := _fault(module, one))]
    seen = faults[0] if faults else f"{len(objects)} looked at"
    verdict = None if not objects else not faults
    return [*rows, _row("T-14", f"{module.id}: objects are valid", verdict, seen)]


def _fault(module: Module, content: Any) -> str:
    try:
        module.object_at(0).model_validate(content)
    except ValidationError as exc:
        return validation_sentence(exc)
    return ""


def _objects(heard: Heard) -> list[Any] | None:
    data = heard.envelope.data if heard.is_success and heard.envelope else None
    return data if isinstance(data, list) else None


def _details_url(envelope: Envelope | None) -> str | None:
    data = envelope.data if envelope else None
    for entry in data if isinstance(data, list) else [data]:
        if isinstance(entry, dict) and entry.get("version") == VERSION and isinstance(entry.get("url"), str):
            return str(entry["url"])
    return None


def _row(row: str, what: str, holds: bool | None, seen: str, quirks: dict[str, Any] | None = None) -> Found:
    verdict = Verdict.SILENT if holds is None else Verdict.OK if holds else Verdict.DIFFERS
    found = {name: value for name, value in (quirks or {}).items() if value}
    return Row(row=row, what=what, verdict=verdict, seen=seen[:255]), found


TOKENS = next(module for module in FUNCTIONAL if module.id == "tokens")
