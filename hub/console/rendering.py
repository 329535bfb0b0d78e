"""Pages out of templates: what every page has (who is signed in, where one is, the token of forms), and headers that keep them safe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

import msgspec
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

from hub.console import formats
from hub.console.accounts import Permission, Person
from hub.console.gate import COOKIE, csrf_token
from hub.console.navigation import NAVIGATION
from hub.store.alerts import OpenCount
from ocpi_modules.types import encode_decoded, format_datetime, parse_datetime

HERE = Path(__file__).parent
STATIC = HERE / "static"
STATIC_PATH = "/console/static"
ASSET_MARK_CHARACTERS = 12

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        "worker-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Flash:
    """One sentence about what was just done, and whether it went well."""

    text: str
    is_good: bool = True


class Pages:
    """Renders pages of one hub: `name` is the hub's, `base_url` the address that people see."""

    def __init__(self, name: str, base_url: str) -> None:
        self._name, self._base_url = name, base_url

    def answer(
        self,
        request: Request,
        template: str,
        values: Mapping[str, Any],
        *,
        person: Person | None,
        now: datetime,
        status: int = 200,
    ) -> HTMLResponse:
        """A page."""
        flash = read_flash(request)
        text = self.part(request, template, {"flash": flash, **values}, person=person, now=now)
        response = HTMLResponse(text, status, HEADERS)
        if flash:
            response.delete_cookie(FLASH_COOKIE, path="/console")
        return response

    def part(
        self, request: Request, template: str, values: Mapping[str, Any], *, person: Person | None, now: datetime
    ) -> str:
        """The text of a page, or of a part of one."""
        context = {
            "hub_name": self._name,
            "base_url": self._base_url,
            "person": person,
            "zone": (person.zone if person else "") or "UTC",
            "now": now,
            "path": request.url.path,
            "query": request.url.query,
            "csrf": csrf_token(request.cookies.get(COOKIE, "")) if person else "",
            "alert_count": OpenCount(),
            "navigation": [
                group for group in NAVIGATION if person and any(person.may(item.needs) for item in group.items)
            ],
            **values,
        }
        return environment().get_template(template).render(context)


FLASH_COOKIE = "hub_flash"
FLASH_MAX_CHARACTERS = 1000


def flash_header(flash: Flash) -> str:
    """What stands in the cookie of a flash."""
    return quote(json.dumps([flash.text[:FLASH_MAX_CHARACTERS], flash.is_good]))


def read_flash(request: Request) -> Flash | None:
    """The sentence about what was done before; whatever else stands in the cookie is none."""
    try:
        text, is_good = json.loads(unquote(request.cookies.get(FLASH_COOKIE, "")))
    except ValueError:
        return None
    return Flash(text, bool(is_good)) if isinstance(text, str) else None


@cache
def environment() -> Environment:
    """The templates, with the filters that write values for people."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "money": formats.money,
        "exact": formats.exact,
        "cause": formats.cause,
        "number": formats.number,
        "percent": formats.percent,
        "moment": pass_context(_moment),
        "age": formats.age,
        "instant": pass_context(_instant),
        "precise": pass_context(_precise),
        "ago": pass_context(_ago),
        "segment": partial(quote, safe=""),
        "query": to_query,
        "as_moment": parse_datetime,
        "ocpi": format_datetime,
        "as_decimal": Decimal,
        "as_json": lambda value: indented(encode_decoded(value).decode()),
        "indented": indented,
    }
    made.globals |= {"asset": asset, "Permission": Permission}
    return made


@cache
def asset(name: str) -> str:
    """The address of a file that comes with the console; it changes with the file, so that browsers may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:ASSET_MARK_CHARACTERS]
    return f"{STATIC_PATH}/{name}?v={digest}"


def indented(text: str) -> str:
    """A JSON text with line breaks and its numbers as they stand; a text that is none as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.DecodeError:
        return text


def to_query(values: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> str:
    """A query string of what is there."""
    pairs = values.items() if isinstance(values, Mapping) else values
    return urlencode([(name, value) for name, value in pairs if value not in {None, ""}])


def _moment(context: Context, at: datetime | None) -> str:
    return "" if at is None else formats.moment(at, context["zone"])


def _instant(context: Context, at: datetime | None) -> str:
    return "" if at is None else formats.instant(at, context["zone"])


def _precise(context: Context, at: datetime | None) -> str:
    return "" if at is None else formats.precise_moment(at, context["zone"])


def _ago(context: Context, at: datetime | None) -> str:
    return "never" if at is None else formats.ago(at, context["now"])
