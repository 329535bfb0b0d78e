"""The French files: columns, words and what must be filled, as the schemas of etalab/schema-irve 2.3 ask for."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from hub.navigation.formats.irve import (
    DYNAMIC_COLUMNS,
    STATIC_COLUMNS,
    dynamic_lines,
    gaps,
    roaming_id,
    static_lines,
)
from hub.navigation.location import Hours, PublicLocation, RegularHours
from ocpi_modules.locations import Status
from tests.navigation.formats.samples import EVERY_STATUS, PLACES, PRICES, PUBLISHER
from tests.navigation.places import connector, evse, odd_place, place, socket

ROAMING = r"[A-Z]{2}[A-Z0-9]{4,33}"
BOOL = "true|false"
PLUG = "fonctionnel|hors_service|inconnu|"

STATIC_FORMS = {
    "contact_operateur": r"\S+@\S+",
    "nom_enseigne": ".+",
    "id_station_itinerance": f"{ROAMING}|Non concerné",
    "nom_station": ".+",
    "implantation_station": "Voirie|Parking public|Parking privé à usage public|Parking privé réservé à la clientèle|"
    "Station dédiée à la recharge rapide",
    "adresse_station": ".+",
    "coordonneesXY": r"\[-?\d.*,-?\d.*\]",
    "nbre_pdc": r"\d+",
    "id_pdc_itinerance": f"{ROAMING}|Non concerné",
    "puissance_nominale": r"\d+\.\d\d",
    **dict.fromkeys(
        ("prise_type_ef", "prise_type_2", "prise_type_combo_ccs", "prise_type_chademo", "prise_type_autre"), BOOL
    ),
    **dict.fromkeys(("paiement_acte", "paiement_cb", "reservation", "station_deux_roues"), BOOL),
    **dict.fromkeys(("gratuit", "cable_t2_attache"), f"{BOOL}|"),
    "condition_acces": "Accès libre|Accès réservé",
    "horaires": r".*\d{1,2}:\d{2}-\d{1,2}:\d{2}|24/7",
    "accessibilite_pmr": "Réservé PMR|Accessible mais non réservé PMR|Non accessible|Accessibilité inconnue",
    "restriction_gabarit": ".+",
    "date_maj": r"\d{4}-\d\d-\d\d",
}
DYNAMIC_FORMS = {
    "id_pdc_itinerance": ROAMING,
    "etat_pdc": "en_service|hors_service|inconnu",
    "occupation_pdc": "libre|occupe|reserve|inconnu",
    "horodatage": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    **dict.fromkeys(DYNAMIC_COLUMNS[4:], PLUG),
}
"""What each column must match, written anew from the schemas: required ones match no empty text."""


def french(location: PublicLocation, **changes: Any) -> PublicLocation:
    fields = {name: getattr(location, name) for name in location.__struct_fields__}
    return PublicLocation(**{**fields, "country": "FRA", **changes})


def static(*locations: PublicLocation, **changes: Any) -> list[dict[str, str]]:
    publisher, prices = replace(PUBLISHER, **changes.pop("publisher", {})), changes.pop("prices", PRICES)
    return list(csv.DictReader(static_lines(locations, publisher, prices)))


def dynamic(*locations: PublicLocation) -> list[dict[str, str]]:
    return list(csv.DictReader(dynamic_lines(locations)))


def wrong(rows: list[dict[str, str]], forms: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, row[name]) for row in rows for name, form in forms.items() if not re.fullmatch(form, row[name])]


FRENCH = [french(location) for location in PLACES]


def test_the_columns_are_those_of_the_schemas_in_their_order() -> None:
    assert len(STATIC_COLUMNS) == len(set(STATIC_COLUMNS)) == 40
    assert (STATIC_COLUMNS[0], STATIC_COLUMNS[15], STATIC_COLUMNS[-1]) == (
        "nom_amenageur",
        "id_pdc_itinerance",
        "cable_t2_attache",
    )
    assert next(static_lines([], PUBLISHER, PRICES)).strip().split(",") == list(STATIC_COLUMNS)
    assert next(dynamic_lines([])).strip().split(",") == list(DYNAMIC_COLUMNS)


def test_every_static_row_has_the_form_of_its_columns() -> None:
    """N-T6."""
    rows = static(*FRENCH)
    assert len(rows) > 8
    assert wrong(rows, STATIC_FORMS) == []
    assert all(len(json.loads(row["coordonneesXY"])) == 2 for row in rows)


def test_every_dynamic_row_has_the_form_of_its_columns() -> None:
    """N-T6."""
    rows = dynamic(*FRENCH)
    assert len(rows) > 8
    assert wrong(rows, DYNAMIC_FORMS) == []


def test_a_word_that_is_none_is_seen_as_wrong() -> None:
    """N-T6: an illegal word must fail."""
    assert wrong([{**dynamic(french(place()))[0], "etat_pdc": "CHARGING "}], DYNAMIC_FORMS) == [
        ("etat_pdc", "CHARGING ")
    ]


@pytest.mark.parametrize(
    ("country", "number"),
    [pytest.param("FRA", 2, id="France"), pytest.param("REU", 2, id="Réunion"), pytest.param("DEU", 0, id="elsewhere")],
)
def test_only_france_is_in_the_files(country: str, number: int) -> None:
    location = place(country=country)
    assert (len(static(location)), len(dynamic(location))) == (number, number)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, (), id="nothing lacks"),
        pytest.param({"parking_type": None}, ("implantation_station",), id="nobody says what kind of place it is"),
        pytest.param({"opening_times": None}, ("horaires",), id="nobody says when it is open"),
        pytest.param(
            {"evses": (evse(connectors=(connector(max_electric_power=None),)),)}, ("puissance_nominale",), id="no power"
        ),
    ],
)
def test_what_must_be_filled_and_is_not_known_leaves_the_row_out(changes: Any, expected: tuple[str, ...]) -> None:
    location = french(place(), **changes)
    assert gaps(location, location.evses[0], PUBLISHER) == expected
    assert bool(static(location)) is not bool(expected)


def test_without_any_contact_there_is_no_row() -> None:
    assert static(french(place()), publisher={"contacts": {}, "contact_email": None}) == []
    assert static(french(place()), publisher={"contacts": {}})[0]["contact_operateur"] == "open-data@hub.example"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"parking_type": "ON_STREET"}, "Voirie", id="on the street"),
        pytest.param({}, "Parking public", id="a car park"),
        pytest.param({"facilities": ("SUPERMARKET",)}, "Parking privé à usage public", id="of a shop"),
        pytest.param({"parking_type": "ALONG_MOTORWAY"}, "Station dédiée à la recharge rapide", id="along a motorway"),
        pytest.param(
            {"evses": (evse(parking_restrictions=("CUSTOMERS",)),)},
            "Parking privé réservé à la clientèle",
            id="for customers",
        ),
    ],
)
def test_the_kind_of_place_has_its_word(changes: Any, expected: str) -> None:
    assert static(french(place(), **changes))[0]["implantation_station"] == expected


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        pytest.param(Hours(twentyfourseven=True), "24/7", id="always"),
        pytest.param(
            Hours(
                twentyfourseven=False,
                regular_hours=(RegularHours(1, "08:00", "12:00"), RegularHours(7, "09:00", "10:00")),
            ),
            "Mo 08:00-12:00,Su 09:00-10:00",
            id="by the day",
        ),
    ],
)
def test_opening_times_are_written_by_the_day(hours: Hours, expected: str) -> None:
    assert static(french(place(), opening_times=hours))[0]["horaires"] == expected


@pytest.mark.parametrize(
    ("evse_id", "expected"),
    [
        pytest.param("FR*A68*E680210015", "FRA68E680210015", id="separators go"),
        pytest.param("fr-a68-e68", "FRA68E68", id="upper case"),
        pytest.param("00456", None, id="none for roaming"),
        pytest.param("FR*A68*E_1", None, id="a character that none has"),
        pytest.param(None, None, id="none at all"),
    ],
)
def test_an_evse_id_is_written_without_separators(evse_id: str | None, expected: str | None) -> None:
    assert roaming_id(evse_id) == expected
    location = french(place(), evses=(evse(evse_id=evse_id),))
    assert static(location)[0]["id_pdc_itinerance"] == (expected or "Non concerné")
    assert [row["id_pdc_itinerance"] for row in dynamic(location)] == ([expected] if expected else [])


def test_a_location_that_has_the_id_of_a_pool_says_it() -> None:
    assert static(french(place(), id="FR*A68*P68021001"))[0]["id_station_itinerance"] == "FRA68P68021001"
    assert static(french(place()))[0]["id_station_itinerance"] == "Non concerné"


WORDS = "0.395 EUR/kWh + 1 EUR/session incl. VAT"


@pytest.mark.parametrize(
    ("tariffs", "expected"),
    [
        pytest.param(["T1"], ("false", WORDS), id="a price"),
        pytest.param(["FREE"], ("true", "free of charge"), id="free"),
        pytest.param(["FREE", "T1"], ("false", f"free of charge; {WORDS}"), id="one connector free, one not"),
        pytest.param(["FREE", "T0"], ("", "free of charge"), id="one connector free, one unknown"),
        pytest.param(["T0"], ("", ""), id="N7: unknown is neither"),
    ],
)
def test_a_price_is_known_free_or_not_said(tariffs: list[str], expected: tuple[str, str]) -> None:
    connectors = tuple(connector(id=one, tariff_ids=(one,)) for one in tariffs)
    (row,) = static(french(place(), evses=(evse(connectors=connectors),)))
    assert (row["gratuit"], row["tarification"]) == expected


def test_an_odd_place_is_one_line_for_each_evse_that_has_what_is_needed() -> None:
    rows = static(french(odd_place()))
    assert [row["id_pdc_local"] for row in rows] == ["A/1", "C"]
    assert rows[0]["observations"] == "Autres prises : GBT_DC"
    assert (rows[0]["accessibilite_pmr"], rows[0]["cable_t2_attache"], rows[1]["cable_t2_attache"]) == (
        "Réservé PMR",
        "false",
        "",
    )
    assert rows[0]["nom_station"] == 'Café "<Zur Post>" & Söhne'


STATES = {
    Status.AVAILABLE: ("en_service", "libre", "fonctionnel"),
    Status.BLOCKED: ("en_service", "occupe", "fonctionnel"),
    Status.CHARGING: ("en_service", "occupe", "fonctionnel"),
    Status.RESERVED: ("en_service", "reserve", "fonctionnel"),
    Status.INOPERATIVE: ("hors_service", "inconnu", "hors_service"),
    Status.OUTOFORDER: ("hors_service", "inconnu", "hors_service"),
    Status.PLANNED: ("hors_service", "inconnu", "hors_service"),
    Status.UNKNOWN: ("inconnu", "inconnu", "inconnu"),
}


def test_every_status_has_its_words() -> None:
    rows = dynamic(french(EVERY_STATUS))
    columns = ("etat_pdc", "occupation_pdc", "etat_prise_type_combo_ccs")
    found = {
        one.status: tuple(row[name] for name in columns) for one, row in zip(EVERY_STATUS.evses, rows, strict=True)
    }
    assert found == STATES
    assert {row["etat_prise_type_2"] for row in rows} == {""}


def test_a_name_with_a_line_break_stays_on_its_line() -> None:
    lines = list(static_lines([french(place(), name='one\n"two"')], PUBLISHER, PRICES))
    assert [line.count("\n") for line in lines] == [1, 1, 1]
    assert static(french(place(), name='one\n"two"'))[0]["nom_station"] == 'one "two"'


def test_a_cable_of_type_2_is_said() -> None:
    location = french(place(), evses=(evse(connectors=(socket(format="CABLE"),)),))
    assert static(location)[0]["cable_t2_attache"] == "true"
