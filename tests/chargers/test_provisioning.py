"""What an operator provisions: read from YAML and JSON, every fault with its place, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import yaml

from hub.chargers.events import Spot
from hub.chargers.places import SiteBook
from hub.chargers.provisioning import (
    LIMIT_LEVELS_MAX,
    BadProvisions,
    decode_provisions,
    read_provisions,
    read_site,
    with_removed,
)
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json
from tests.chargers.sitehouse import LOC, Object, depot, plug, provisions, tariff

NOTHING = SiteBook()


def faults(content: Any, known: SiteBook = NOTHING) -> list[str]:
    try:
        read_provisions(content, known, LOC)
    except BadProvisions as bad:
        return [str(fault) for fault in bad.faults]
    return []


def places(content: Any, known: SiteBook = NOTHING) -> list[str]:
    return [fault.partition(": ")[0] for fault in faults(content, known)]


def known(*sites: Object, tariffs: tuple[str, ...] = ("T1",)) -> SiteBook:
    return SiteBook(
        sites={one["id"]: read_site(one["id"], one, LOC) for one in sites}, tariffs={t: {} for t in tariffs}
    )


def test_json_and_yaml_say_the_same_and_numbers_keep_their_digits() -> None:
    text = encode_json(provisions(tariffs=[tariff(min_price={"excl_vat": Decimal("0.10")})]))
    plain = decode_json(text)
    as_yaml = yaml.safe_dump(decode_json(text.replace(b"0.10", b'"MIN"').replace(b"0.35", b'"PRICE"')))
    as_yaml = as_yaml.replace("MIN", "0.10").replace("PRICE", "0.35")
    again = decode_provisions(as_yaml.encode(), is_yaml=True)
    assert again == plain
    assert str(again["tariffs"][0]["min_price"]["excl_vat"]) == "0.10"
    assert faults(again) == []


def test_a_site_is_a_location_of_the_local_cpo_with_a_plug_for_each_connector() -> None:
    read = read_provisions(provisions(), NOTHING, LOC)
    site = read_site("DEPOT", read.sites["DEPOT"], LOC)
    assert (site.location["country_code"], site.location["party_id"]) == ("NL", "LOC")
    assert [(one.station, one.connector, one.evse_uid, one.connector_id) for one in site.plugs] == [
        ("CP-1", 1, "1", "A"),
        ("CP-1", 2, "1", "B"),
        ("CP-1", 3, "2", "A"),
    ]
    book = SiteBook(sites={"DEPOT": site})
    place = book.place("CP-1", Spot(0, 3))
    assert place is not None
    assert (place.evse["uid"], place.connector["id"]) == ("2", "A")


def _connector(changes: Object) -> Callable[[Object], None]:
    return lambda content: content["sites"][0]["evses"][0]["connectors"][0].update(changes)


def _site(changes: Object) -> Callable[[Object], None]:
    return lambda content: content["sites"][0].update(changes)


AT = "sites[0].evses[0].connectors[0]"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        pytest.param(_connector({"station": "a/b"}), f"{AT}.station", id="a slash in an identity"),
        pytest.param(_connector({"station": None}), f"{AT}.station", id="no station"),
        pytest.param(_connector({"station": "C" * 49}), f"{AT}.station", id="an identity that OCPP cannot say"),
        pytest.param(_connector({"number": 0}), f"{AT}.number", id="connector 0 is the whole station"),
        pytest.param(_connector({"number": True}), f"{AT}.number", id="no number"),
        pytest.param(_connector({"number": "1"}), f"{AT}.number", id="a text"),
        pytest.param(_connector({"evse_number": 0}), f"{AT}.evse_number", id="EVSE 0 is the whole station"),
        pytest.param(_connector({"max_amperage": None}), f"{AT}.max_amperage", id="what OCPI requires"),
        pytest.param(_connector({"standart": 1}), f"{AT}.standart", id="a name that nobody knows"),
        pytest.param(_connector({"tariff_ids": ["T1", "T9"]}), f"{AT}.tariff_ids[1]", id="a tariff that is not there"),
        pytest.param(_connector({"id": "b"}), "sites[0].evses[0].connectors[1].id", id="an id twice, in another case"),
        pytest.param(_connector({"id": "../x"}), f"{AT}.id", id="an id that leads astray in an address"),
        pytest.param(_connector({"last_updated": "x"}), f"{AT}.last_updated", id="what the hub says"),
        pytest.param(_connector({"number": 2}), "sites[0].evses[0].connectors[1]", id="a plug for two connectors"),
        pytest.param(_connector({"number": 3}), "sites[0].evses[1].connectors[0]", id="a plug in two EVSEs"),
        pytest.param(
            _site({"coordinates": {"latitude": "1", "longitude": "1.00000"}}),
            "sites[0].coordinates.latitude",
            id="rough",
        ),
        pytest.param(_site({"publish": None}), "sites[0].publish", id="nobody said whether the public may see it"),
        pytest.param(_site({"country_code": "DE"}), "sites[0].country_code", id="another owner"),
        pytest.param(_site({"evses": {}}), "sites[0].evses", id="no list"),
        pytest.param(_site({"id": None}), "sites[0].id", id="no id"),
        pytest.param(_site({"status": "x"}), "sites[0].status", id="no field of a Location"),
        pytest.param(
            lambda content: content["sites"][0]["evses"][1].update(evse_id="NL-LOC-2"),
            "sites[0].evses[1].evse_id",
            id="not of eMI3",
        ),
        pytest.param(
            lambda content: content["sites"][0]["evses"][1].update(uid="1"), "sites[0].evses[1].uid", id="a uid twice"
        ),
        pytest.param(
            lambda content: content["sites"][0]["evses"][1].update(status="AVAILABLE"),
            "sites[0].evses[1].status",
            id="a status",
        ),
        pytest.param(
            lambda content: content["sites"][0]["evses"][1].update(connectors=[]),
            "sites[0].evses[1].connectors",
            id="no connector",
        ),
        pytest.param(lambda content: content["sites"].append(depot()), "sites[1].id", id="a site twice"),
        pytest.param(
            lambda content: content["tariffs"][0].update(currency="euro"), "tariffs[0].currency", id="no currency"
        ),
        pytest.param(lambda content: content["tariffs"].append(tariff()), "tariffs[1].id", id="a tariff twice"),
        pytest.param(
            lambda content: content["tariffs"][0]["elements"][0]["price_components"][0].update(price=Decimal(0)),
            "tariffs[0].elements",
            id="a free tariff that does not say so plainly",
        ),
        pytest.param(
            lambda content: content["tariffs"][0]["elements"][0]["price_components"][0].update(price=0.35),
            "tariffs[0].elements[0].price_components[0].price",
            id="a price that is not exact",
        ),
        pytest.param(
            lambda content: content["stations"][0].update(secret="short"), "stations[0].secret", id="a short secret"
        ),
        pytest.param(
            lambda content: content["stations"].append({"identity": "CP-1"}),
            "stations[1].identity",
            id="a station twice",
        ),
        pytest.param(lambda content: content["stations"].append("CP-2"), "stations[1]", id="no object"),
        pytest.param(lambda content: content.update(site=[]), "the body.site", id="a section that nobody knows"),
    ],
)
def test_a_fault_is_told_with_its_place(change: Callable[[Object], Any], place: str) -> None:
    content = provisions()
    change(content)
    assert places(content) == [place]


@pytest.mark.proves("TF-09")
def test_a_free_tariff_says_so_plainly() -> None:
    free = {"price_components": [{"type": "FLAT", "price": Decimal("0.00"), "step_size": 0}]}
    assert faults(provisions(tariffs=[tariff(elements=[free])])) == []
    assert places(provisions(tariffs=[tariff(elements=[free, free])])) == ["tariffs[0].elements"]


def test_all_faults_are_told_at_once_and_what_follows_from_one_is_not() -> None:
    content = provisions(tariffs=[tariff(currency="euro")])  # no "there is no tariff" for each connector
    content["sites"][0].pop("address")
    content["sites"][0]["evses"][1]["connectors"][0]["number"] = -1
    content["stations"][0]["note"] = 7
    assert places(content) == [
        "tariffs[0].currency",
        "sites[0].evses[1].connectors[0].number",
        "sites[0].address",
        "stations[0].note",
    ]


@pytest.mark.parametrize("content", [None, [], "sites", 7, {"sites": 7}, {"sites": [[]]}, {"stations": {}}])
def test_nonsense_is_a_fault(content: Any) -> None:
    assert faults(content) != []


@pytest.mark.parametrize(
    ("plugs", "is_right"),
    [
        pytest.param([(1, 1, "1"), (1, 2, "1"), (2, 1, "2")], True, id="EVSEs of OCPP 2.x, one with two connectors"),
        pytest.param([(1, 1, "1"), (1, 2, "2")], False, id="one EVSE of the station in two EVSEs"),
        pytest.param([(1, 1, "1"), (2, 1, "1")], False, id="two EVSEs of the station in one: they share no power path"),
        pytest.param([(1, 1, "1"), (None, 1, "2")], False, id="the same connector with and without EVSE"),
    ],
)
def test_evses_of_a_station_and_evses_of_a_site_are_the_same(
    plugs: list[tuple[int | None, int, str]], is_right: bool
) -> None:
    uids = sorted({uid for _, _, uid in plugs})
    evses = [
        {
            "uid": uid,
            "connectors": [
                plug(str(row), "CP-1", number, **({"evse_number": evse} if evse else {}))
                for row, (evse, number, of) in enumerate(plugs)
                if of == uid
            ],
        }
        for uid in uids
    ]
    assert (faults({"sites": [depot(evses=evses)]}, known()) == []) is is_right


def test_what_is_there_already_counts() -> None:
    other = depot(id="OTHER", evses=[{"uid": "7", "connectors": [plug("A", "CP-1", 3)]}])
    assert places({"sites": [depot()]}, known(other)) == ["sites[0].evses[1].connectors[0]"]
    assert places({"sites": [other]}, known(other)) == []  # itself
    assert places({"sites": [depot()]}, known(tariffs=())) == [
        "sites[0].evses[0].connectors[0].tariff_ids[0]",
        "sites[0].evses[0].connectors[1].tariff_ids[0]",
        "sites[0].evses[1].connectors[0].tariff_ids[0]",
    ]
    assert faults({"sites": [depot(id="depot")]}, known(depot())) == ["sites[0].id: is known as 'DEPOT'"]


def _deep(levels: int) -> Object:
    node: Object = {"id": str(levels)}
    return {"id": str(levels), "children": [_deep(levels - 1)]} if levels > 1 else node


@pytest.mark.parametrize(
    ("limits", "place"),
    [
        pytest.param(
            {"id": "grid", "limit_kw": 60, "children": [{"id": "row", "evses": ["1", "2"]}]}, None, id="right"
        ),
        pytest.param({"id": "grid", "evses": ["1", "3"]}, "sites[0].limits.evses[1]", id="an EVSE that is not there"),
        pytest.param({"id": "a", "children": [{"id": "A"}]}, "sites[0].limits.children[0].id", id="a node twice"),
        pytest.param({"children": []}, "sites[0].limits.id", id="a node without id"),
        pytest.param([], "sites[0].limits", id="no object"),
        pytest.param(
            _deep(LIMIT_LEVELS_MAX + 1),
            f"sites[0].limits{'.children[0]' * (LIMIT_LEVELS_MAX - 1)}.children",
            id="too deep",
        ),
    ],
)
def test_limits_name_evses_of_the_site_and_are_kept_as_they_are(limits: Any, place: str | None) -> None:
    content = provisions(sites=[depot(limits=limits)])
    assert places(content) == ([place] if place else [])
    if place is None:
        kept = read_provisions(content, NOTHING, LOC).sites["DEPOT"]
        assert read_site("DEPOT", kept, LOC).limits == limits


def test_evses_that_are_gone_are_remembered_until_they_come_back() -> None:
    one, two = depot()["evses"]
    gone = with_removed(depot(evses=[one]), depot())
    assert [evse["uid"] for evse in gone["removed"]] == ["2"]
    assert "station" not in gone["removed"][0]["connectors"][0]
    twice = with_removed(depot(evses=[]), gone)
    assert [evse["uid"] for evse in twice["removed"]] == ["2", "1"]
    assert "removed" not in with_removed(depot(evses=[one, two]), twice)
    site = read_site("DEPOT", gone, LOC)
    assert ([*site.evses], [evse["uid"] for evse in site.removed]) == (["1"], ["2"])


@pytest.mark.parametrize(
    ("text", "is_yaml"),
    [
        pytest.param(b"{", False, id="no JSON"),
        pytest.param(b"a: [", True, id="no YAML"),
        pytest.param(b"a: &x 1\nb: *x", True, id="aliases"),
        pytest.param(b"a: 1\na: 2", True, id="a name twice"),
        pytest.param(b"\xff", True, id="no text"),
    ],
)
def test_a_text_that_cannot_be_read_is_a_fault(text: bytes, is_yaml: bool) -> None:
    with pytest.raises(BadProvisions, match="the body"):
        decode_provisions(text, is_yaml=is_yaml)


def test_another_local_cpo_owns_the_same_sites() -> None:
    kept = read_provisions(provisions(), NOTHING, LOC).sites["DEPOT"]
    assert read_site("DEPOT", kept, Party("BE", "XYZ")).location["party_id"] == "XYZ"
