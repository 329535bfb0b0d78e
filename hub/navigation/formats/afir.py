"""The German AFIR profile 01-00-00 of DATEX II as JSON, as Mobilithek takes it: static data in full, and dynamic data.

The profile is an earlier state (3.5) of the model that `hub.navigation.formats.datex2` writes as XML, and its JSON is not that XML with
braces: attributes are ``idG`` and ``versionG``, a word is ``{"value": …}``, and what has several types stands under a name with a prefix.
It also asks for more: how strong a station is, how many points it has, how it is served, what its unit and its current are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from hub.navigation.formats.energy import (
    DAY_WORDS,
    OPEN_SINCE,
    STATUS_WORDS,
    TABLE_ID,
    Edition,
    Plug,
    PricePart,
    Rate,
    Site,
    Station,
    Texts,
    WeekTimes,
    is_always_open,
    operator_id,
    operator_of,
    plain,
    point_id,
    printable,
    published_evses,
    site_id,
    site_of,
    standard_offset,
    station_id,
    status_at,
    texts_of,
    version_of,
    week_of,
    with_one_at_least,
)
from hub.navigation.formats.publishing import Prices, Publisher, degrees, in_chunks, joined, json_bytes
from hub.navigation.location import Business, Evse, Hours, Image, Period, PublicLocation
from hub.settlement.countries import alpha_2
from ocpi_modules.locations import Status

PROFILE = {"modelBaseVersionG": "3", "profileNameG": "AFIR Energy Infrastructure", "profileVersionG": "01-00-00"}
EXCHANGE_VERSION = "3.0"

_HOLE = "hole"
_CUT = f'["{_HOLE}"]'.encode()

Json = dict[str, Any]


def static_json(locations: Iterable[PublicLocation], edition: Edition, prices: Prices) -> Iterator[bytes]:
    """The static data of all that the Locations have to publish, piece by piece.

    Raises NothingToPublish, before the first piece, when that is nothing.
    """
    found = (site_json(location, edition.publisher, prices) for location in locations)
    sites = with_one_at_least(site for site in found if site)
    return in_chunks(_around({"payload": _table(edition)}, sites))


def dynamic_json(
    locations: Iterable[PublicLocation], edition: Edition, prices: Prices, *, is_delta: bool = False
) -> Iterator[bytes]:
    """The status of the same Locations, or (`is_delta`) of those that changed, piece by piece.

    It says no price; the versions that it refers to are those of static data with these prices.
    """
    sites = (site for location in locations if (site := site_status_json(location, prices)))
    container = {"payload": [_status(edition)], "exchangeInformation": _exchange(edition, is_delta)}
    return in_chunks(_around({"messageContainer": container}, sites))


def site_json(location: PublicLocation, publisher: Publisher, prices: Prices) -> bytes:
    """What the static data says of one Location: an element of its list of sites; empty where nothing is published of it."""
    site = site_of(location, prices)
    return b"" if site is None else json_bytes(_site(site, publisher))


def site_status_json(location: PublicLocation, prices: Prices) -> bytes:
    """What the dynamic data says of one Location, in the same way."""
    evses = tuple(published_evses(location))
    return json_bytes(_site_status(location, evses, version_of(location, prices))) if evses else b""


def _around(frame: Json, sites: Iterable[bytes]) -> Iterator[bytes]:
    # nothing is written before the first site is there, so that errors come first
    before, after = json_bytes(frame).split(_CUT)
    iterator = joined(sites, b",")
    first = next(iterator, b"")
    yield before + b"["
    yield first
    yield from iterator
    yield b"]" + after


# --- frames ----------------------------------------------------------------------------------


def _publication(edition: Edition) -> Json:
    return {
        "lang": edition.publisher.language,
        "publicationTime": _moment(edition.published_at),
        "publicationCreator": {
            "country": edition.publisher.country,
            "nationalIdentifier": edition.publisher.identifier,
        },
        "headerInformation": {"confidentiality": _word("noRestriction"), "informationStatus": _word("real")},
    }


def _table(edition: Edition) -> Json:
    table = {**_identified(TABLE_ID, edition.table_version), "tableName": printable(edition.publisher.name)}
    publication = {
        **_publication(edition),
        "energyInfrastructureTable": [{**table, "energyInfrastructureSite": [_HOLE]}],
    }
    return {**PROFILE, "aegiEnergyInfrastructureTablePublication": publication}


def _status(edition: Edition) -> Json:
    table = {"targetClass": "EnergyInfrastructureTable", **_identified(TABLE_ID, edition.table_version)}
    publication = {**_publication(edition), "tableReference": [table], "energyInfrastructureSiteStatus": [_HOLE]}
    return {**PROFILE, "aegiEnergyInfrastructureStatusPublication": publication}


def _exchange(edition: Edition, is_delta: bool) -> Json:
    return {
        "exchangeContext": {
            "codedExchangeProtocol": _word("deltaPush" if is_delta else "snapshotPush"),
            "exchangeSpecificationVersion": EXCHANGE_VERSION,
            "supplierOrCisRequester": {"name": printable(edition.publisher.name)},
        },
        "dynamicInformation": {
            "exchangeStatus": _word("online"),
            "messageGenerationTimestamp": _moment(edition.published_at),
        },
    }


# --- small things ----------------------------------------------------------------------------


def _word(word: str) -> Json:
    return {"value": word}


def _extended(word: str) -> Json:
    return {"value": "extendedG", "extendedValueG": word}


def _identified(object_id: str, version: str) -> Json:
    return {"idG": object_id, "versionG": version}


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _multilingual(texts: Texts) -> Json:
    return {"values": [{"lang": language, "value": text} for language, text in texts]}


def _stated(content: Json) -> Json:
    return {name: value for name, value in content.items() if value is not None and value != []}


def _identifier(identifier: str, kind: str) -> Json:
    return {"identifier": printable(identifier), "typeOfIdentifier": _extended(kind)}


def _photos(images: Iterable[Image]) -> list[Json]:
    return [{"urlLinkAddress": printable(image.url), "urlLinkType": _word("image")} for image in images]


def _coordinates(latitude: float, longitude: float) -> Json:
    return {"latitude": degrees(latitude), "longitude": degrees(longitude)}


# --- static data -----------------------------------------------------------------------------


def _site(site: Site, publisher: Publisher) -> Json:
    location = site.location
    owner = {"afacAnOrganisation": _organisation(location.owner, publisher)} if location.owner else None
    return _stated(
        {
            **_identified(site.id, site.version),
            "name": _multilingual(plain(location.name or location.address, publisher)),
            "photoUrl": _photos(location.images),
            "operatingHours": _hours(site),
            "locationReference": {"locPointLocation": _place(location, publisher)},
            "owner": owner,
            "operator": {"afacAnOrganisation": _operator(location, publisher)},
            "typeOfSite": _word(site.type) if site.type else None,
            "exclusiveUsers": [_word("customers")] if site.is_for_customers else None,
            "energyInfrastructureStation": [_station(station, site, publisher) for station in site.stations],
        }
    )


def _organisation(business: Business, publisher: Publisher) -> Json:
    return _stated(
        {
            "name": _multilingual(plain(business.name, publisher)),
            "linkToGeneralInformation": printable(business.website) if business.website else None,
            "linkToLogo": printable(business.logo.url) if business.logo else None,
        }
    )


def _operator(location: PublicLocation, publisher: Publisher) -> Json:
    contact = publisher.contacts.get(location.party)
    unit = {"contactInformation": [{"afacContactInformation": {"eMail": printable(contact)}}]} if contact else None
    below = {"afacAnOrganisation": _organisation(location.suboperator, publisher)} if location.suboperator else None
    return _stated(
        {
            **_organisation(operator_of(location), publisher),
            "organisationUnit": [unit] if unit else None,
            "externalIdentifier": [_identifier(operator_id(location), "operatorId")],
            "subOrganisation": [below] if below else None,
        }
    )


def _hours(site: Site) -> Json:
    hours = site.location.opening_times
    if hours is None:
        return {"afacUnknownOperatingHours": {}}
    if is_always_open(hours):
        return {"afacOpenAllHours": {}}
    periods = _opening_periods(hours, standard_offset(site.location.time_zone))
    identified = _identified(f"{site.id}#hours", site.version)
    return {"afacOperatingHoursSpecification": {**identified, "overallPeriod": periods}}


def _opening_periods(hours: Hours, offset: str) -> Json:
    valid = [*(_week(week, offset) for week in week_of(hours)), *map(_period, hours.exceptional_openings)]
    closed = [_period(period) for period in hours.exceptional_closings]
    return _stated({"overallStartTime": _moment(OPEN_SINCE), "validPeriod": valid, "exceptionPeriod": closed})


def _week(week: WeekTimes, offset: str) -> Json:
    # a time of JSON needs an offset: that of the clocks outside summer time, whatever the season
    times = {"startTimeOfPeriod": f"{week.begin}{offset}", "endTimeOfPeriod": f"{week.end}{offset}"}
    days = {"comDayWeekMonth": {"applicableDay": [_word(day) for day in week.days]}}
    is_daily = len(week.days) == len(DAY_WORDS)
    return _stated({"recurringTimePeriodOfDay": [times], "recurringDayWeekMonthPeriod": None if is_daily else [days]})


def _period(period: Period) -> Json:
    return {"startOfPeriod": _moment(period.period_begin), "endOfPeriod": _moment(period.period_end)}


def _place(location: PublicLocation, publisher: Publisher) -> Json:
    coordinates = _coordinates(location.latitude, location.longitude)
    facility = {"timeZone": standard_offset(location.time_zone), "address": _address(location, publisher)}
    return _stated(
        {
            "coordinatesForDisplay": coordinates,
            "locLocationExtensionG": {"FacilityLocation": facility},
            "supplementaryPositionalDescription": _directions(texts_of(location.directions, publisher)),
            "pointByCoordinates": {"pointCoordinates": coordinates},
        }
    )


def _directions(texts: Texts) -> Json | None:
    return {"locationDescription": _multilingual(texts)} if texts else None


def _address(location: PublicLocation, publisher: Publisher) -> Json:
    lines = [("generalTextLine", location.address), ("region", location.state)]
    return _stated(
        {
            "postcode": printable(location.postal_code) if location.postal_code else None,
            "city": _multilingual(plain(location.city, publisher)),
            "countryCode": alpha_2(location.country),
            "addressLine": [
                _address_line(order, kind, plain(text, publisher)) for order, (kind, text) in enumerate(lines) if text
            ],
        }
    )


def _address_line(order: int, kind: str, texts: Texts) -> Json:
    return {"order": order, "type": _word(kind), "text": _multilingual(texts)}


def _station(station: Station, site: Site, publisher: Publisher) -> Json:
    evse = station.evse
    name = plain(evse.physical_reference, publisher) if evse.physical_reference else None
    return _stated(
        {
            **_identified(station.id, site.version),
            "name": _multilingual(name) if name else None,
            "accessibility": [_word(word) for word in station.accessibility],
            "photoUrl": _photos(evse.images),
            "locationReference": _station_place(evse, publisher),
            "totalMaximumPower": station.watts,
            "authenticationAndIdentificationMethods": [_word(method) for method in station.methods],
            "numberOfRefillPoints": 1,
            "serviceType": [{"serviceType": _word("unattended")}],
            "refillPoint": [{"aegiElectricChargingPoint": _point(station, site, publisher)}],
        }
    )


def _station_place(evse: Evse, publisher: Publisher) -> Json | None:
    point = evse.coordinates
    floor = _address_line(0, "floor", plain(evse.floor_level, publisher)) if evse.floor_level else None
    facility = {"FacilityLocation": {"address": {"addressLine": [floor]}}} if floor else None
    coordinates = {"pointCoordinates": _coordinates(point.latitude, point.longitude)} if point else None
    place = _stated(
        {
            "locLocationExtensionG": facility,
            "supplementaryPositionalDescription": _directions(texts_of(evse.directions, publisher)),
            "pointByCoordinates": coordinates,
        }
    )
    return {"locPointLocation": place} if place else None


def _point(station: Station, site: Site, publisher: Publisher) -> Json:
    evse_id, plugs = station.evse.evse_id, station.plugs
    energy = _energy(site, station.rates, publisher)
    return _stated(
        {
            **_identified(station.point_id, site.version),
            "externalIdentifier": [_identifier(evse_id, "evseId")] if evse_id else None,
            "deliveryUnit": _word("kWh"),
            "reservation": _word("optional") if station.is_reservable else None,
            "currentType": _word(station.current),
            "usageType": [_word(station.usage)],
            "numberOfConnectors": len(plugs),
            "availableVoltage": list(dict.fromkeys(plug.volts for plug in plugs if plug.volts)),
            "availableChargingPower": list(dict.fromkeys(plug.watts for plug in plugs)),
            "chargingMode": _word(station.mode) if station.mode else None,
            "smartRechargingServices": [_word(service) for service in station.services],
            "connector": [_connector(plug) for plug in plugs],
            "electricEnergy": [energy] if energy else None,
        }
    )


def _connector(plug: Plug) -> Json:
    return _stated(
        {
            "connectorType": _word(plug.type),
            "otherConnector": printable(plug.other) if plug.other else None,
            "connectorFormat": _word(plug.format),
            "maxPowerAtSocket": plug.watts,
            "voltage": plug.volts,
            "maximumCurrent": plug.amperes,
        }
    )


def _energy(site: Site, rates: Iterable[Rate], publisher: Publisher) -> Json:
    mix = site.mix
    product = plain(mix.product, publisher) if mix and mix.product else None
    return _stated(
        {
            "energyProductName": _multilingual(product) if product else None,
            "isGreenEnergy": mix.is_green if mix else None,
            "carbonDioxideImpact": mix.carbon_dioxide if mix else None,
            "nuclearWasteImpact": mix.nuclear_waste if mix else None,
            "energyRate": [_rate(rate, publisher) for rate in rates],
        }
    )


def _rate(rate: Rate, publisher: Publisher) -> Json:
    return _stated(
        {
            "idG": rate.id,
            "ratePolicy": _word("adHoc"),
            "lastUpdated": _moment(rate.updated_at),
            "applicableCurrency": [rate.currency],
            "additionalInformation": _multilingual(plain(rate.words, publisher)),
            "payment": {"paymentMeans": [_word(means) for means in rate.means]} if rate.means else None,
            "energyPrice": [_price(part) for part in rate.parts],
        }
    )


def _price(part: PricePart) -> Json:
    return {"priceType": _word(part.type), "value": part.amount, "taxIncluded": True}


# --- dynamic data ----------------------------------------------------------------------------


def _site_status(location: PublicLocation, evses: Iterable[Evse], version: str) -> Json:
    stations = [_station_status(location, evse, version) for evse in evses]
    return {
        "reference": _reference(site_id(location), version),
        "lastUpdated": _moment(max(status_at(location, evse) for evse in evses)),
        "energyInfrastructureStationStatus": stations,
    }


def _station_status(location: PublicLocation, evse: Evse, version: str) -> Json:
    at = _moment(status_at(location, evse))
    point = {
        "reference": _reference(point_id(location, evse), version),
        "lastUpdated": at,
        "status": _word(STATUS_WORDS[evse.status]),
    }
    is_available = None if evse.status is Status.UNKNOWN else evse.status is Status.AVAILABLE
    return _stated(
        {
            "reference": _reference(station_id(location, evse), version),
            "lastUpdated": at,
            "isAvailable": is_available,
            "refillPointStatus": [{"aegiElectricChargingPointStatus": point}],
        }
    )


def _reference(object_id: str, version: str) -> Json:
    return {"targetClass": "FacilityObject", **_identified(object_id, version)}
