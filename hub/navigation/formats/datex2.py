"""DATEX II v3.7 as XML: the table of all energy infrastructure sites, and their status.

Source: the schemas in ``fixtures/schemas/datex2-3.7`` (namespaces afirEnergyInfrastructure and afirFacilities). Sites are written one after
the other and no two are in memory at once. Every object has the `static_version` of its Location, and a status refers to the ids and
versions of the table (N8).

An element is text that a function returns: what comes from the data passes `_text` or `_attribute`, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from xml.sax.saxutils import escape, quoteattr

from hub.navigation.formats.energy import (
    DAY_WORDS,
    OPEN_SINCE,
    STATUS_WORDS,
    TABLE_ID,
    Edition,
    Mix,
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
from hub.navigation.formats.publishing import Prices, Publisher, degrees, in_chunks
from hub.navigation.location import Business, Evse, Hours, Image, Period, PublicLocation
from hub.settlement.countries import alpha_2
from ocpi_modules.locations import Status

_BASE = "http://datex2.eu/schema/3/"
_NAMESPACES = {
    "aegi": f"{_BASE}afirEnergyInfrastructure",
    "afac": f"{_BASE}afirFacilities",
    "com": f"{_BASE}common",
    "d2": f"{_BASE}d2Payload",
    "loc": f"{_BASE}locationReferencing",
    "locx": f"{_BASE}locationExtension",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_DECLARED = "".join(f' xmlns:{prefix}="{address}"' for prefix, address in _NAMESPACES.items())
_CENT = Decimal("0.01")
_MODEL_VERSION = "3"


def table_xml(locations: Iterable[PublicLocation], edition: Edition, prices: Prices) -> Iterator[bytes]:
    """An EnergyInfrastructureTablePublication of all that the Locations have to publish, piece by piece.

    Raises NothingToPublish, before the first piece, when that is nothing.
    """
    found = (site_xml(location, edition.publisher, prices) for location in locations)
    sites = with_one_at_least(site for site in found if site)
    table = _identified(TABLE_ID, edition.table_version)
    before = f"{_header()}<aegi:energyInfrastructureTable{table}>{_text('aegi:tableName', edition.publisher.name)}"
    kind = "EnergyInfrastructureTablePublication"
    return in_chunks(_publication(edition, kind, before, sites, "</aegi:energyInfrastructureTable>"))


def status_xml(locations: Iterable[PublicLocation], edition: Edition, prices: Prices) -> Iterator[bytes]:
    """An EnergyInfrastructureStatusPublication of the same Locations, or of those that changed, piece by piece.

    It says no price; the versions that it refers to are those of a table with these prices.
    """
    sites = (site for location in locations if (site := site_status_xml(location, prices)))
    table = _identified(TABLE_ID, edition.table_version)
    before = f'<aegi:tableReference targetClass="aegi:EnergyInfrastructureTable"{table}/>{_header()}'
    return in_chunks(_publication(edition, "EnergyInfrastructureStatusPublication", before, sites, ""))


def site_xml(location: PublicLocation, publisher: Publisher, prices: Prices) -> bytes:
    """What the table says of one Location: a piece of it, whose prefixes the table declares; empty where nothing is published of it."""
    site = site_of(location, prices)
    return b"" if site is None else _site(site, publisher).encode()


def site_status_xml(location: PublicLocation, prices: Prices) -> bytes:
    """What the status says of one Location, in the same way."""
    evses = tuple(published_evses(location))
    return _site_status(location, evses, version_of(location, prices)).encode() if evses else b""


# --- XML -------------------------------------------------------------------------------------


def _element(name: str, content: str, attributes: str = "") -> str:
    return f"<{name}{attributes}>{content}</{name}>"


def _text(name: str, text: str) -> str:
    return f"<{name}>{escape(printable(text))}</{name}>"


def _maybe(name: str, text: str | None) -> str:
    return _text(name, text) if text else ""


def _attribute(name: str, value: str) -> str:
    return f" {name}={quoteattr(value)}"


def _identified(object_id: str, version: str) -> str:
    return _attribute("id", object_id) + _attribute("version", version)


def _all(name: str, words: Iterable[object]) -> str:
    return "".join(f"<{name}>{word}</{name}>" for word in words)


def _bool(name: str, value: bool) -> str:
    return f"<{name}>{'true' if value else 'false'}</{name}>"


def _time(name: str, moment: datetime) -> str:
    return f"<{name}>{moment.isoformat(timespec='seconds').replace('+00:00', 'Z')}</{name}>"


def _number(name: str, number: Decimal) -> str:
    return f"<{name}>{number:f}</{name}>"


def _multilingual(name: str, texts: Texts) -> str:
    values = "".join(f'<com:value lang="{language}">{escape(text)}</com:value>' for language, text in texts)
    return f"<{name}><com:values>{values}</com:values></{name}>"


def _publication(edition: Edition, kind: str, before: str, sites: Iterable[bytes], after: str) -> Iterator[bytes]:
    # nothing is written before the first site is there, so that errors come first
    iterator = iter(sites)
    first = next(iterator, b"")
    yield f"{_DECLARATION}{_payload(edition, kind)}{before}".encode()
    yield first
    yield from iterator
    yield f"{after}</d2:payload>".encode()


def _payload(edition: Edition, kind: str) -> str:
    publisher = edition.publisher
    creator = _text("com:country", publisher.country) + _text("com:nationalIdentifier", publisher.identifier)
    language = _attribute("lang", publisher.language)
    return (
        f'<d2:payload{_DECLARED} xsi:type="aegi:{kind}"{language} modelBaseVersion="{_MODEL_VERSION}">'
        f"{_time('com:publicationTime', edition.published_at)}{_element('com:publicationCreator', creator)}"
    )


def _header() -> str:
    content = _text("com:confidentiality", "noRestriction") + _text("com:informationStatus", "real")
    return _element("aegi:headerInformation", content)


# --- the table -------------------------------------------------------------------------------


def _site(site: Site, publisher: Publisher) -> str:
    location = site.location
    content = (
        _multilingual("afac:name", plain(location.name or location.address, publisher)),
        _photos(location.images),
        _hours(site),
        _place(location, publisher),
        _organisation("afac:owner", location.owner, publisher) if location.owner else "",
        _operator(location, publisher),
        _maybe("aegi:typeOfSite", site.type),
        _text("aegi:exclusiveUsers", "customers") if site.is_for_customers else "",
        *(_station(station, site, publisher) for station in site.stations),
    )
    return _element("aegi:energyInfrastructureSite", "".join(content), _identified(site.id, site.version))


def _photos(images: Iterable[Image]) -> str:
    kind = _text("com:urlLinkType", "image")
    return "".join(_element("afac:photoUrl", _text("com:urlLinkAddress", image.url) + kind) for image in images)


def _organisation(role: str, business: Business, publisher: Publisher, more: str = "") -> str:
    content = (
        _multilingual("afac:name", plain(business.name, publisher)),
        _maybe("afac:linkToGeneralInformation", business.website),
        _maybe("afac:linkToLogo", business.logo.url if business.logo else None),
        more,
    )
    return _element(role, "".join(content), ' xsi:type="afac:AnOrganisation"')


def _operator(location: PublicLocation, publisher: Publisher) -> str:
    below = location.suboperator
    # the schema has no word for the id of an operator; this is the word of the German profile
    external = _text("afac:identifier", operator_id(location)) + _text("afac:otherTypeOfIdentifier", "operatorId")
    more = (
        _contact(publisher.contacts.get(location.party)),
        _element("afac:externalIdentifier", external),
        _organisation("afac:subOrganisation", below, publisher) if below else "",
    )
    return _organisation("afac:operator", operator_of(location), publisher, "".join(more))


def _contact(email: str | None) -> str:
    if email is None:
        return ""
    return _element("afac:organisationUnit", _element("afac:contactInformation", _text("afac:eMail", email)))


def _hours(site: Site) -> str:
    hours = site.location.opening_times
    if hours is None:
        return '<afac:operatingHours xsi:type="afac:UnknownOperatingHours"/>'
    if is_always_open(hours):
        return '<afac:operatingHours xsi:type="afac:OpenAllHours"/>'
    identified = _identified(f"{site.id}#hours", site.version)
    kind = f' xsi:type="afac:OperatingHoursSpecification"{identified}'
    return _element("afac:operatingHours", _element("afac:overallPeriod", _opening_periods(hours)), kind)


def _opening_periods(hours: Hours) -> str:
    periods = (
        _time("com:overallStartTime", OPEN_SINCE),
        *(_element("com:validPeriod", _week(week)) for week in week_of(hours)),
        *(_element("com:validPeriod", _period(opening)) for opening in hours.exceptional_openings),
        *(_element("com:exceptionPeriod", _period(closing)) for closing in hours.exceptional_closings),
    )
    return "".join(periods)


def _week(week: WeekTimes) -> str:
    # without an offset they are times where the site is
    times = _text("com:startTimeOfPeriod", week.begin) + _text("com:endTimeOfPeriod", week.end)
    is_daily = len(week.days) == len(DAY_WORDS)
    days = "" if is_daily else _element("com:recurringDayWeekMonthPeriod", _all("com:applicableDay", week.days))
    return _element("com:recurringTimePeriodOfDay", times) + days


def _period(period: Period) -> str:
    return _time("com:startOfPeriod", period.period_begin) + _time("com:endOfPeriod", period.period_end)


def _coordinates(name: str, latitude: float, longitude: float) -> str:
    return (
        f"<{name}><loc:latitude>{degrees(latitude)}</loc:latitude>"
        f"<loc:longitude>{degrees(longitude)}</loc:longitude></{name}>"
    )


def _by_coordinates(latitude: float, longitude: float) -> str:
    return _element("loc:pointByCoordinates", _coordinates("loc:pointCoordinates", latitude, longitude))


def _location_reference(content: str) -> str:
    return _element("afac:locationReference", content, ' xsi:type="loc:PointLocation"')


def _facility(content: str) -> str:
    return _element("loc:_locationExtension", _element("loc:afirFacilityLocation", content))


def _place(location: PublicLocation, publisher: Publisher) -> str:
    zone = _text("afac:timeZone", standard_offset(location.time_zone))
    content = (
        _coordinates("loc:coordinatesForDisplay", location.latitude, location.longitude),
        _facility(zone + _element("afac:address", _address(location, publisher))),
        _directions(texts_of(location.directions, publisher)),
        _by_coordinates(location.latitude, location.longitude),
    )
    return _location_reference("".join(content))


def _address(location: PublicLocation, publisher: Publisher) -> str:
    content = (
        _maybe("locx:postcode", location.postal_code),
        _multilingual("locx:city", plain(location.city, publisher)),
        _maybe("locx:countryCode", alpha_2(location.country)),
        _address_line(0, "generalTextLine", plain(location.address, publisher)),
        _address_line(1, "region", plain(location.state, publisher)) if location.state else "",
    )
    return "".join(content)


def _address_line(order: int, kind: str, texts: Texts) -> str:
    return _element(
        "locx:addressLine", _text("locx:type", kind) + _multilingual("locx:text", texts), f' order="{order}"'
    )


def _directions(texts: Texts) -> str:
    if not texts:
        return ""
    return _element("loc:supplementaryPositionalDescription", _multilingual("loc:locationDescription", texts))


def _station(station: Station, site: Site, publisher: Publisher) -> str:
    evse = station.evse
    is_green = site.mix.is_green if site.mix else None
    content = (
        _multilingual("afac:name", plain(evse.physical_reference, publisher)) if evse.physical_reference else "",
        _all("afac:accessibility", station.accessibility),
        _photos(evse.images),
        _station_place(evse, publisher),
        f"<aegi:totalMaximumPower>{station.watts}</aegi:totalMaximumPower>",
        _all("aegi:authenticationAndIdentificationMethods", station.methods),
        "<aegi:numberOfRefillPoints>1</aegi:numberOfRefillPoints>",
        "" if is_green is None else _bool("aegi:renewableSources", is_green),
        _point(station, site, publisher),
    )
    return _element("aegi:energyInfrastructureStation", "".join(content), _identified(station.id, site.version))


def _station_place(evse: Evse, publisher: Publisher) -> str:
    point = evse.coordinates
    floor = _address_line(0, "floor", plain(evse.floor_level, publisher)) if evse.floor_level else ""
    content = (
        _facility(_element("afac:address", floor)) if floor else "",
        _directions(texts_of(evse.directions, publisher)),
        _by_coordinates(point.latitude, point.longitude) if point else "",
    )
    return _location_reference("".join(content)) if any(content) else ""


def _point(station: Station, site: Site, publisher: Publisher) -> str:
    content = (
        _evse_id(station.evse.evse_id) if station.evse.evse_id else "",
        _text("aegi:deliveryUnit", "kWh"),
        _text("aegi:reservation", "optional") if station.is_reservable else "",
        _energy(site.mix, station.rates, publisher),
        _electric(station),
    )
    kind = f' xsi:type="aegi:ElectricChargingPoint"{_identified(station.point_id, site.version)}'
    return _element("aegi:refillPoint", "".join(content), kind)


def _evse_id(evse_id: str) -> str:
    kind = _element("afac:typeOfIdentifier", "_extended", ' _extendedValue="evseId"')
    return _element("afac:externalIdentifier", _text("afac:identifier", evse_id) + kind)


def _electric(station: Station) -> str:
    content = (
        _text("aegi:currentType", station.current),
        _text("aegi:usageType", station.usage),
        f"<aegi:numberOfConnectors>{len(station.plugs)}</aegi:numberOfConnectors>",
        _all("aegi:availableVoltage", dict.fromkeys(plug.volts for plug in station.plugs if plug.volts)),
        _all("aegi:availableChargingPower", dict.fromkeys(plug.watts for plug in station.plugs)),
        _maybe("aegi:chargingMode", station.mode),
        _all("aegi:smartRechargingServices", station.services),
        *(_connector(plug) for plug in station.plugs),
    )
    return "".join(content)


def _connector(plug: Plug) -> str:
    content = (
        _text("aegi:connectorType", f"{plug.type}Type" if plug.type.startswith("domestic") else plug.type),
        _maybe("aegi:otherConnector", plug.other),
        _text("aegi:connectorFormat", plug.format),
        f"<aegi:maxPowerAtSocket>{plug.watts}</aegi:maxPowerAtSocket>",
        f"<aegi:voltage>{plug.volts}</aegi:voltage>" if plug.volts else "",
        f"<aegi:maximumCurrent>{plug.amperes}</aegi:maximumCurrent>" if plug.amperes else "",
    )
    return _element("aegi:connector", "".join(content))


def _energy(mix: Mix | None, rates: Iterable[Rate], publisher: Publisher) -> str:
    if mix is None and not rates:
        return ""
    content = (
        _multilingual("aegi:energyProductName", plain(mix.product, publisher)) if mix and mix.product else "",
        _bool("aegi:isGreenEnergy", mix.is_green) if mix and mix.is_green is not None else "",
        *(_rate(rate, publisher) for rate in rates),
        _sources(mix) if mix else "",
    )
    return _element("aegi:energyProduct", "".join(content), ' xsi:type="aegi:ElectricEnergy"')


def _sources(mix: Mix) -> str:
    content = (
        "" if mix.carbon_dioxide is None else _number("aegi:carbonDioxideImpact", mix.carbon_dioxide),
        "" if mix.nuclear_waste is None else _number("aegi:nuclearWasteImpact", mix.nuclear_waste),
        *(_share(source, percent) for source, percent in mix.shares),
    )
    return "".join(content)


def _share(source: str, percent: Decimal) -> str:
    ratio = _element("aegi:sourceRatioValue", _number("com:percentage", percent))
    return _element("aegi:electricEnergySourceRatio", _text("aegi:energySource", source) + ratio)


def _rate(rate: Rate, publisher: Publisher) -> str:
    content = (
        _text("aegi:ratePolicy", "adHoc"),
        _time("aegi:lastUpdated", rate.updated_at),
        _text("aegi:applicableCurrency", rate.currency),
        _multilingual("aegi:additionalInformation", plain(rate.words, publisher)),
        _element("aegi:payment", _all("afac:paymentMeans", rate.means)) if rate.means else "",
        *(_price(index, part) for index, part in enumerate(rate.parts)),
    )
    return _element("aegi:energyRate", "".join(content), _attribute("id", rate.id))


def _price(index: int, part: PricePart) -> str:
    # the schema knows two decimals: what is rounded here stands exactly in the words of the rate
    content = (
        f"<aegi:priceGroupIndex>{index}</aegi:priceGroupIndex>",
        _text("aegi:priceType", part.type),
        _number("aegi:value", part.amount.quantize(_CENT, ROUND_HALF_UP)),
        _bool("aegi:taxIncluded", True),
    )
    return _element("aegi:energyPrice", "".join(content))


# --- the status ------------------------------------------------------------------------------


def _site_status(location: PublicLocation, evses: Iterable[Evse], version: str) -> str:
    content = (
        _reference(site_id(location), version),
        _time("afac:lastUpdated", max(status_at(location, evse) for evse in evses)),
        *(_station_status(location, evse, version) for evse in evses),
    )
    return _element("aegi:energyInfrastructureSiteStatus", "".join(content))


def _station_status(location: PublicLocation, evse: Evse, version: str) -> str:
    updated = _time("afac:lastUpdated", status_at(location, evse))
    is_unknown = evse.status is Status.UNKNOWN
    content = (
        _reference(station_id(location, evse), version),
        updated,
        "" if is_unknown else _bool("aegi:isAvailable", evse.status is Status.AVAILABLE),
        _point_status(evse, _reference(point_id(location, evse), version), updated),
    )
    return _element("aegi:energyInfrastructureStationStatus", "".join(content))


def _point_status(evse: Evse, reference: str, updated: str) -> str:
    status = _text("aegi:status", STATUS_WORDS[evse.status])
    kind = ' xsi:type="aegi:ElectricChargingPointStatus"'
    return _element("aegi:refillPointStatus", reference + updated + status, kind)


def _reference(object_id: str, version: str) -> str:
    return f'<afac:reference targetClass="afac:FacilityObject"{_identified(object_id, version)}/>'
