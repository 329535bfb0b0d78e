"""Where a charge happened tells its clock (E3)."""

from __future__ import annotations

import pytest

from hub.pricing.zones import UnknownZone, zone_at, zone_named
from tests.pricing.build import at, cdr, component, element, period, priced, tariff


@pytest.mark.parametrize(
    ("latitude", "longitude", "name"),
    [
        pytest.param("52.370216", "4.895168", "Europe/Amsterdam", id="Amsterdam"),
        pytest.param("27.717245", "85.323960", "Asia/Kathmandu", id="45 minutes of an hour"),
        pytest.param("0.0", "0.0", None, id="what is stated when nobody knows"),
        pytest.param("95", "4", None, id="no latitude"),
        pytest.param("here", "there", None, id="no numbers"),
        pytest.param("nan", "4", None, id="not a number"),
    ],
)
def test_coordinates_tell_the_zone(latitude: str, longitude: str, name: str | None) -> None:
    zone = zone_at(latitude, longitude)
    assert (None if zone is None else zone.key) == name


def test_a_name_that_is_no_zone_is_refused() -> None:
    with pytest.raises(UnknownZone, match="'Mars/Base' is not a time zone"):
        zone_named("Mars/Base")


def test_a_charge_is_priced_by_the_clock_at_its_coordinates() -> None:
    """E3: 10:00 in UTC is 12:00 in Amsterdam."""
    noon = tariff(element(component("ENERGY", "1"), start_time="12:00", end_time="12:01"))
    charge = cdr(period(at(0), ENERGY=1), tariffs=[noon])
    place = {"coordinates": {"latitude": "52.370216", "longitude": "4.895168"}}
    assert priced({**charge, "cdr_location": place}, timezone=None)["total_cost"]["excl_vat"] == 1
    assert priced({**charge, "cdr_location": place}, timezone="UTC")["total_cost"]["excl_vat"] == 0
    location = {"time_zone": "Asia/Tokyo"}
    assert priced({**charge, "cdr_location": place}, timezone=None, location=location)["total_cost"]["excl_vat"] == 0
