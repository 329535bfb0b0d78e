"""What an eMSP says that it holds, as JSON or CSV, and as a `View`; and a view as it is kept: nothing of a driver.

JSON is `{"cdrs": [...]}` with `id` and `total_cost` as in a bundle. CSV has a head with `id` and `total_cost` (without VAT), and may have
`incl_vat`, `country_code`, `party_id` and `end_date_time`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from hub.settlement.bundle import Faults, Spot, read_view, refuse_unknown, shown
from hub.settlement.evidence import Held, HeldName, View
from hub.settlement.outputs import amount_text
from ocpi_modules.types import NotJsonText, decode_json, encode_json, format_datetime

VIEW_MAX_BYTES = 32 * 1024 * 1024
VIEW_MAX_CDRS = 200_000
COLUMNS = ("id", "total_cost", "incl_vat", "country_code", "party_id", "end_date_time")
NEEDED = ("id", "total_cost")


def decode_view(body: bytes, *, is_csv: bool) -> View:
    """What an eMSP holds. Raises MalformedBundle, which names lines and fields."""
    faults = Faults()
    spot = Spot(faults, "view")
    content = _csv(body, spot) if is_csv else _json(body, spot)
    faults.raise_if_any()
    if isinstance(content, list) and len(content) > VIEW_MAX_CDRS:
        spot.at("cdrs").wrong(f"has more than {VIEW_MAX_CDRS} CDRs")
        faults.raise_if_any()
    view = read_view(content, spot.at("cdrs"))
    faults.raise_if_any()
    return view


def view_text(view: View) -> bytes:
    """A view as it is kept: what is compared, in the order of ids."""
    return encode_json({"cdrs": [_content(name, view[name]) for name in sorted(view, key=_order)]})


def _order(name: HeldName) -> tuple[str, str]:
    return (name[1], str(name[0] or ""))


def _content(name: HeldName, held: Held) -> dict[str, Any]:
    owner, total = name[0], held.total
    amounts = {} if total is None else {"excl_vat": amount_text(total.excl_vat)}
    amounts |= {} if total is None or total.incl_vat is None else {"incl_vat": amount_text(total.incl_vat)}
    return {
        "id": held.id,
        **({} if owner is None else {"country_code": owner.country_code, "party_id": owner.party_id}),
        **({} if held.end is None else {"end_date_time": format_datetime(held.end)}),
        "total_cost": amounts or None,
    }


def _json(body: bytes, spot: Spot) -> Any:
    try:
        content = decode_json(body)
    except NotJsonText as error:
        spot.wrong(f"is not JSON: {error}")
        return None
    if not isinstance(content, Mapping):
        spot.wrong("is no JSON object")
        return None
    refuse_unknown(content, ("cdrs",), spot)
    return content.get("cdrs")


def _csv(body: bytes, spot: Spot) -> Any:
    try:
        lines = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        head = lines.fieldnames or []
        for name in NEEDED:
            if name not in head:
                spot.at(name).wrong("is missing in the head")
        refuse_unknown(dict.fromkeys(head), COLUMNS, spot)
        return [*_rows(lines, spot)] if not spot.faults.kept else None
    except (UnicodeDecodeError, csv.Error) as error:
        spot.wrong(f"is no CSV in UTF-8: {shown(str(error))}")
        return None


def _rows(lines: csv.DictReader[str], spot: Spot) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(lines, 1):
        if None in row or None in row.values():
            spot.item(number - 1).wrong("has another number of fields than the head")
        price = {"excl_vat": row.get("total_cost") or None, "incl_vat": row.get("incl_vat") or None}
        others = {name: row[name] for name in ("id", "country_code", "party_id", "end_date_time") if row.get(name)}
        yield {**others, "total_cost": price if price["excl_vat"] is not None else None}
