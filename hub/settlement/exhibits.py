"""The evidence for one CDR as a ZIP: what was received and published, what it should have cost, what was found, billed and disputed.

The same facts are the same bytes: files are in a fixed order, stored as they are, with one date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Any
from urllib.parse import quote
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import msgspec

from hub.pricing.answer import answer
from hub.settlement.evidence import Evidence, in_force
from hub.settlement.facts import CdrFact, SessionFact, key_of
from hub.settlement.permits import Permit, permits_of, permitted_by
from hub.settlement.prices import Pricing
from ocpi_modules.types import encode_json

Content = Mapping[str, Any]

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP knows
FILE_MODE = 0o644 << 16
UNIX = 3
NAME_MAX_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibits:
    """The evidence for a CDR: `text` as it was received; the rest as content, empty where there is none."""

    cdr: CdrFact
    text: bytes
    evidence: Evidence
    pricing: Pricing
    session: SessionFact | None = None
    findings: Sequence[Content] = ()
    bill: Content = field(default_factory=dict)
    dispute: Content = field(default_factory=dict)


def zip_of(exhibits: Exhibits) -> bytes:
    """All files of the evidence with a table of contents."""
    files = dict(files_of(exhibits))
    return zipped({"README.txt": contents_page(exhibits.cdr, files), **files})


def files_of(exhibits: Exhibits) -> Iterator[tuple[str, bytes]]:
    """Every file by its name."""
    cdr, evidence = exhibits.cdr, exhibits.evidence
    yield "cdr.json", exhibits.text
    if exhibits.session is not None:
        yield "session.json", _json(exhibits.session.content)
    yield from _permit_files(cdr, permits_of(cdr, evidence.permits))
    yield from _tariff_files(exhibits)
    price = price_content(exhibits.pricing)
    yield "price.json", _json(price)
    yield "price.txt", "\n".join([*waterfall(price, cdr), ""]).encode()
    yield "findings.json", _json(list(exhibits.findings))
    for name, content in (("statement.json", exhibits.bill), ("dispute.json", exhibits.dispute)):
        if content:
            yield name, _json(content)


def _permit_files(cdr: CdrFact, permits: Sequence[Permit]) -> Iterator[tuple[str, bytes]]:
    """The authorisation and the command by which it was charged, as the hub passed them on."""
    for name, is_authorisation in (("authorisation.json", True), ("command.json", False)):
        found = permitted_by(cdr, (one for one in permits if one.is_authorisation is is_authorisation))
        if found is not None:
            yield name, _json(found.permit.content)


def _tariff_files(exhibits: Exhibits) -> Iterator[tuple[str, bytes]]:
    """The published versions that held when the session began of the tariffs that priced the CDR; those in the CDR are in its own text."""
    priced, cdr = exhibits.pricing.priced, exhibits.cdr
    used = (
        {key_of(tariff.id) for tariff in priced.working.tariffs if tariff is not None} if priced is not None else set()
    )
    for key in sorted(used):
        version = in_force(exhibits.evidence.tariffs.get((cdr.owner, key), ()), cdr.start)
        if version is not None:
            yield f"tariffs/{file_name(key)}.json", _json(version.content)


def price_content(pricing: Pricing) -> Content:
    """What the pricer says of a CDR."""
    if pricing.result is None:
        return {"unpriceable": "UNREADABLE", "detail": pricing.refusal}
    return answer(pricing.result)


def waterfall(price: Content, cdr: CdrFact) -> Iterator[str]:
    """A price for people: line by line from the quantity to the total, and the claim beside it."""
    yield f"CDR {cdr.id} of {cdr.owner} for {cdr.to}"
    if "unpriceable" in price:
        yield f"Cannot be priced: {price['unpriceable']}. {price['detail']}"
    else:
        yield from map(_price_line, price["lines"])
        yield from (
            f"{one['limit']} of {one['tariff_id']}: {one['side']} {one['from']} -> {one['to']}"
            for one in price["limits"]
        )
        yield f"Total, exact: {_amounts(price['total_cost'])} {price['currency']}"
        yield f"Total, as it is settled: {_amounts(price['settlement_amount'])} {price['currency']}"
    if cdr.total is not None:
        yield f"Claimed: {_amounts({'excl_vat': cdr.total.excl_vat, 'incl_vat': cdr.total.incl_vat})} {cdr.currency}"
    yield from (f"{one['kind']}: {one['detail']}" for one in price.get("warnings", ()))


def contents_page(cdr: CdrFact, files: Mapping[str, bytes]) -> bytes:
    """What is in the ZIP, with the SHA-256 of every file."""
    lines = [f"{sha256(text).hexdigest()}  {name}" for name, text in files.items()]
    return "\n".join([f"Evidence for CDR {cdr.id} of {cdr.owner}, which {cdr.to} is to pay.", "", *lines, ""]).encode()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files in a ZIP, in their order."""
    target = BytesIO()
    with ZipFile(target, "w", ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(_entry(name), text)
    return target.getvalue()


def file_name(key: str) -> str:
    """An id as a name that is safe on every file system."""
    quoted = quote(key, safe="").replace("~", "%7E")
    return (
        quoted
        if len(quoted) <= NAME_MAX_CHARACTERS
        else f"{quoted[:NAME_MAX_CHARACTERS]}-{sha256(key.encode()).hexdigest()[:8]}"
    )


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, FIRST_DATE)
    entry.create_system, entry.external_attr = UNIX, FILE_MODE
    return entry


def _price_line(line: Content) -> str:
    period = "step_size" if line.get("surplus") else f"period {line['period'] + 1}"
    because = ", ".join(f"{name} {value}" for name, value in line["restrictions"].items()) or "no restrictions"
    vat = f", VAT {line['vat']} %" if "vat" in line else ""
    return (
        f"{period}: {line['dimension']} {line['quantity']} {line['unit']} at {line['price']}{vat} by {line['tariff_id']} "
        f"element {line['element'] + 1} ({because}) = {_amounts(line)}"
    )


def _amounts(price: Content) -> str:
    incl_vat = price.get("incl_vat")
    return f"{price['excl_vat']} without VAT" + ("" if incl_vat is None else f", {incl_vat} with VAT")


def _json(content: Any) -> bytes:
    return msgspec.json.format(encode_json(content), indent=2) + b"\n"
