"""Countries as Locations name them: by codes of ISO 3166-1, by name, or not at all.

English names and the country of a time zone are those of the IANA database (iso3166.tab and zone.tab, in the public domain).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files

from hub.settlement.countries import alpha_3

NAMES_KEPT_MAX = 1024

_OWN_NAMES = """
AT Österreich|AT Austria|BE België|BE Belgique|BE Belgien|BG България|CH Schweiz|CH Suisse|CH Svizzera|CY Κύπρος|CZ Česko
CZ Česká republika|CZ Czechia|DE Deutschland|DE Allemagne|DE Duitsland|DK Danmark|EE Eesti|ES España|FI Suomi|FR Frankreich
FR Frankrijk|GB United Kingdom|GB Great Britain|GB UK|GR Ελλάδα|GR Hellas|GR EL|HR Hrvatska|HU Magyarország|IE Éire|IS Ísland
IT Italia|IT Italien|LT Lietuva|LU Lëtzebuerg|LU Luxemburg|LV Latvija|NL Nederland|NL The Netherlands|NL Niederlande|NL Holland
NO Norge|PL Polska|PL Polen|PT Portugal|RO România|RS Srbija|SE Sverige|SI Slovenija|SK Slovensko|TR Türkiye|UA Україна
US United States of America|XK Kosovo
"""
"""Names in the languages of their countries and of neighbours, and two codes of the EU that are not those of ISO."""


@lru_cache(maxsize=NAMES_KEPT_MAX)
def country_of(said: str) -> str | None:
    """The country (alpha-3) that a text means: two or three letters in any case, or a name; None for what is no country."""
    text = said.strip()
    return alpha_3(text) or _names().get(_plain(text))


def english_name(country: str) -> str | None:
    """What a country (alpha-3) is called in English; None for what is no country."""
    return _english_names().get(country)


def country_at(time_zone: str) -> str | None:
    """The country (alpha-3) that an IANA time zone belongs to first; None for zones of no country (``UTC``)."""
    return _zones().get(time_zone)


def zone_of(country: str) -> str | None:
    """The time zone of a country (alpha-3) that has only one; None for others."""
    zones = [zone for zone, of in _zones().items() if of == country]
    return zones[0] if len(zones) == 1 else None


@cache
def _names() -> Mapping[str, str]:
    own = (entry.split(" ", 1) for line in _OWN_NAMES.split("\n") for entry in line.split("|") if entry)
    names = [*((row[0], row[1]) for row in _rows("iso3166.tab")), *((code, name) for code, name in own)]
    return {_plain(name): known for code, name in names if (known := alpha_3(code))}


@cache
def _english_names() -> Mapping[str, str]:
    return {known: row[1] for row in _rows("iso3166.tab") if (known := alpha_3(row[0]))}


@cache
def _zones() -> Mapping[str, str]:
    return {row[2]: known for row in _rows("zone.tab") if (known := alpha_3(row[0]))}


def _rows(name: str) -> Iterator[list[str]]:
    lines = (files("tzdata.zoneinfo") / name).read_text(encoding="utf-8").splitlines()
    return (line.split("\t") for line in lines if line and not line.startswith("#"))


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("-", " ").split())
