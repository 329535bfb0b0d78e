"""The French files on charging points: static (IRVE statique 2.3) and dynamic (IRVE dynamique 2.3), as lines of CSV.

Source: the table schemas of etalab/schema-irve. One line is one EVSE. Only Locations in France and its overseas parts are in them. The
schemas have columns that must be filled: where the data does not hold what goes there, the line is left out, and `gaps` says why.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO

from hub.navigation.formats.energy import printable, status_at
from hub.navigation.formats.publishing import (
    PAYMENT_CAPABILITIES,
    AdHocPrice,
    Prices,
    Publisher,
    adhoc_price,
    degrees,
    in_words,
)
from hub.navigation.location import Evse, Hours, PublicLocation
from ocpi_modules.locations import Status
from ocpi_modules.types import format_datetime

FRANCE = frozenset({"FRA", "GLP", "GUF", "MTQ", "MYT", "REU", "BLM", "MAF", "SPM", "WLF", "PYF", "NCL"})
"""ISO 3166-1 alpha-3 of what is France."""

STATIC_COLUMNS = (
    *("nom_amenageur", "siren_amenageur", "contact_amenageur", "nom_operateur", "contact_operateur"),
    *("telephone_operateur", "nom_enseigne", "id_station_itinerance", "id_station_local", "nom_station"),
    *("implantation_station", "adresse_station", "code_insee_commune", "coordonneesXY", "nbre_pdc"),
    *("id_pdc_itinerance", "id_pdc_local", "puissance_nominale", "prise_type_ef", "prise_type_2"),
    *("prise_type_combo_ccs", "prise_type_chademo", "prise_type_autre", "gratuit", "paiement_acte", "paiement_cb"),
    *("paiement_autre", "tarification", "condition_acces", "reservation", "horaires", "accessibilite_pmr"),
    *("restriction_gabarit", "station_deux_roues", "raccordement", "num_pdl", "date_mise_en_service"),
    *("observations", "date_maj", "cable_t2_attache"),
)
MAY_LACK = ("contact_operateur", "implantation_station", "puissance_nominale", "horaires")
"""Columns that must be filled and that a Location may have nothing for."""

DYNAMIC_COLUMNS = (
    *("id_pdc_itinerance", "etat_pdc", "occupation_pdc", "horodatage"),
    *("etat_prise_type_2", "etat_prise_type_combo_ccs", "etat_prise_type_chademo", "etat_prise_type_ef"),
)

_NOT_ROAMING = "Non concerné"
_ROAMING_ID = re.compile("[A-Z]{2}[A-Z0-9]{4,33}")
_POOL_ID = re.compile("[A-Z]{2}[A-Z0-9]{3}P[A-Z0-9]{1,29}")
_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_CUSTOMER_PLACES = {"HOTEL", "RESTAURANT", "CAFE", "MALL", "SUPERMARKET"}

PLUGS = {
    "prise_type_ef": {"DOMESTIC_E", "DOMESTIC_F"},
    "prise_type_2": {"IEC_62196_T2"},
    "prise_type_combo_ccs": {"IEC_62196_T1_COMBO", "IEC_62196_T2_COMBO"},
    "prise_type_chademo": {"CHADEMO"},
}
_NAMED_PLUGS = frozenset().union(*PLUGS.values())

_STATE_WORDS = {
    Status.AVAILABLE: "en_service",
    Status.BLOCKED: "en_service",
    Status.CHARGING: "en_service",
    Status.RESERVED: "en_service",
    Status.INOPERATIVE: "hors_service",
    Status.OUTOFORDER: "hors_service",
    Status.PLANNED: "hors_service",
    Status.REMOVED: "hors_service",
    Status.UNKNOWN: "inconnu",
}
_OCCUPATION_WORDS = {
    Status.AVAILABLE: "libre",
    Status.BLOCKED: "occupe",
    Status.CHARGING: "occupe",
    Status.RESERVED: "reserve",
}
_PLUG_STATE_WORDS = {"en_service": "fonctionnel", "hors_service": "hors_service", "inconnu": "inconnu"}

Row = Mapping[str, str]


def static_lines(locations: Iterable[PublicLocation], publisher: Publisher, prices: Prices) -> Iterator[str]:
    """The static file, line by line, the names of the columns first."""
    yield _line(STATIC_COLUMNS)
    for location in locations:
        for evse in _french(location):
            row = static_row(location, evse, publisher) | _price_columns(location, evse, prices)
            if not _lacking(row):
                yield _line(row.get(column, "") for column in STATIC_COLUMNS)


def dynamic_lines(locations: Iterable[PublicLocation]) -> Iterator[str]:
    """The dynamic file, line by line; an EVSE without an id for roaming cannot be named in it."""
    yield _line(DYNAMIC_COLUMNS)
    for location in locations:
        for evse in _french(location):
            if roaming_id(evse.evse_id) is not None:
                row = dynamic_row(location, evse)
                yield _line(row[column] for column in DYNAMIC_COLUMNS)


def gaps(location: PublicLocation, evse: Evse, publisher: Publisher) -> tuple[str, ...]:
    """The columns that must be filled and that there is nothing for: why an EVSE is not in the static file."""
    return _lacking(static_row(location, evse, publisher))


def _lacking(row: Row) -> tuple[str, ...]:
    return tuple(column for column in MAY_LACK if not row[column])


def _french(location: PublicLocation) -> Iterable[Evse]:
    return location.evses if location.country in FRANCE else ()


def _line(cells: Iterable[str]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerow(printable(cell) for cell in cells)
    return out.getvalue()


def _bool(value: bool) -> str:
    return "true" if value else "false"


def roaming_id(evse_id: str | None) -> str | None:
    """An EVSE id as the schemas want it, without separators; None for what is none."""
    bare = re.sub(r"[*\-]", "", evse_id or "").upper()
    return bare if _ROAMING_ID.fullmatch(bare) else None


# --- static ----------------------------------------------------------------------------------


def static_row(location: PublicLocation, evse: Evse, publisher: Publisher) -> dict[str, str]:
    """The cells of one EVSE but for its price, by column; a column that is not in it is empty."""
    return {**_who(location, publisher), **_where(location), **_what(evse), **_how(location, evse)}


def _who(location: PublicLocation, publisher: Publisher) -> dict[str, str]:
    return {
        "nom_amenageur": location.owner.name if location.owner else "",
        "nom_operateur": location.operator.name if location.operator else "",
        "contact_operateur": publisher.contact_of(location.party) or "",
        "nom_enseigne": location.operator_name,
        "date_maj": f"{location.last_updated:%Y-%m-%d}",
    }


def _where(location: PublicLocation) -> dict[str, str]:
    bare = re.sub(r"[*\-]", "", location.id).upper()
    return {
        "id_station_itinerance": bare if _POOL_ID.fullmatch(bare) else _NOT_ROAMING,
        "id_station_local": location.id,
        "nom_station": location.name or location.address,
        "implantation_station": _implantation(location),
        "adresse_station": " ".join(part for part in (location.address, location.postal_code, location.city) if part),
        "coordonneesXY": f"[{degrees(location.longitude)},{degrees(location.latitude)}]",
        "nbre_pdc": str(len(location.evses)),
        "horaires": _opening(location.opening_times),
        "station_deux_roues": _bool(_all_have(location, "MOTORCYCLES")),
    }


def _all_have(location: PublicLocation, restriction: str) -> bool:
    return all(restriction in evse.parking_restrictions for evse in location.evses)


def _implantation(location: PublicLocation) -> str:
    kind = location.parking_type
    if kind == "ALONG_MOTORWAY" or "FUEL_STATION" in location.facilities:
        return "Station dédiée à la recharge rapide"
    if kind is None:
        return ""
    if kind == "ON_STREET":
        return "Voirie"
    if _all_have(location, "CUSTOMERS"):
        return "Parking privé réservé à la clientèle"
    is_private = kind == "ON_DRIVEWAY" or bool(_CUSTOMER_PLACES.intersection(location.facilities))
    return "Parking privé à usage public" if is_private else "Parking public"


def _opening(hours: Hours | None) -> str:
    if hours is None:
        return ""
    if hours.twentyfourseven:
        return "24/7"
    return ",".join(
        f"{_DAYS[(day.weekday - 1) % 7]} {day.period_begin}-{day.period_end}" for day in hours.regular_hours
    )


def _what(evse: Evse) -> dict[str, str]:
    standards = {connector.standard for connector in evse.connectors}
    others = sorted(standards - _NAMED_PLUGS)
    kilowatts = max((connector.kilowatts or 0 for connector in evse.connectors), default=0)
    return {
        "id_pdc_itinerance": roaming_id(evse.evse_id) or _NOT_ROAMING,
        "id_pdc_local": evse.uid,
        "puissance_nominale": f"{kilowatts:.2f}" if kilowatts else "",
        **{column: _bool(bool(standards & known)) for column, known in PLUGS.items()},
        "prise_type_autre": _bool(bool(others)),
        "observations": f"Autres prises : {', '.join(others)}" if others else "",
        "cable_t2_attache": _attached(evse),
    }


def _attached(evse: Evse) -> str:
    formats = {connector.format for connector in evse.connectors if connector.standard == "IEC_62196_T2"}
    return _bool("CABLE" in formats) if formats else ""


def _how(location: PublicLocation, evse: Evse) -> dict[str, str]:
    able, restricted = set(evse.capabilities), set(evse.parking_restrictions)
    return {
        "paiement_acte": _bool(bool(able & PAYMENT_CAPABILITIES)),
        "paiement_cb": _bool(bool(able & PAYMENT_CAPABILITIES)),
        "condition_acces": "Accès réservé" if "CUSTOMERS" in restricted else "Accès libre",
        "reservation": _bool("RESERVABLE" in able),
        "accessibilite_pmr": "Réservé PMR" if "DISABLED" in restricted else "Accessibilité inconnue",
        "restriction_gabarit": "Non renseignée",
    }


def _price_columns(location: PublicLocation, evse: Evse, prices: Prices) -> dict[str, str]:
    found = [adhoc_price(location, connector, prices) for connector in evse.connectors]
    told: list[AdHocPrice] = [price[1] for price in found if price is not None]
    if not told:
        return {}
    texts = "; ".join(dict.fromkeys(in_words(price) for price in told))
    return {"gratuit": _free(told, len(found)), "tarification": texts, "paiement_acte": _bool(True)}


def _free(told: list[AdHocPrice], connectors: int) -> str:
    # one that costs makes it not free; those of which nobody knows leave it open
    if not all(price.is_free for price in told):
        return _bool(False)
    return _bool(True) if len(told) == connectors else ""


# --- dynamic ---------------------------------------------------------------------------------


def dynamic_row(location: PublicLocation, evse: Evse) -> dict[str, str]:
    """The cells of one EVSE, by column; a plug that it does not have has an empty cell."""
    state = _STATE_WORDS[evse.status]
    standards = {connector.standard for connector in evse.connectors}
    return {
        "id_pdc_itinerance": roaming_id(evse.evse_id) or "",
        "etat_pdc": state,
        "occupation_pdc": _OCCUPATION_WORDS.get(evse.status, "inconnu"),
        "horodatage": format_datetime(status_at(location, evse)),
        **{f"etat_{plug}": _PLUG_STATE_WORDS[state] if standards & known else "" for plug, known in PLUGS.items()},
    }
