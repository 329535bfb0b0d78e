"""The objects that benchmarks send: full ones, of the sizes that such objects have, as templates that a request fills in.

A Location has about 4.4 KiB (3 EVSEs with 2 Connectors each), a CDR about 3.5 KiB. Templates are `%`-formats of bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ocpi_modules.parties import Party

CPO, EMSP = Party("DE", "BEN"), Party("NL", "PAY")

EVSES, CONNECTORS = 3, 2
STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED", "INOPERATIVE", "OUTOFORDER", "RESERVED")
LOCATION_BYTES = range(4_200, 4_700)
CDR_BYTES = range(3_400, 3_700)

_DAY_MILLISECONDS = 24 * 3600 * 1000
_EVERY_DAY = range(1, 8)


@dataclass(frozen=True, slots=True)
class Template:
    """An object as bytes with holes for its id and its moment."""

    form: bytes

    def fill(self, object_id: bytes, moment: bytes) -> bytes:
        """The object with this id and this `last_updated`."""
        return self.form % {b"id": object_id, b"at": moment}


def location_template(owner: Party = CPO) -> Template:
    """A Location with every optional field a CPO commonly fills."""
    return _template(_location(owner))


def cdr_template(owner: Party = CPO, payer: Party = EMSP) -> Template:
    """A CDR over one and a half hours, with its tariff and signed values."""
    return _template(_cdr(owner, payer))


def status_patch(status: str, moment: bytes) -> bytes:
    """The PATCH of an EVSE that tells a new status and nothing else."""
    return b'{"status":"%b","last_updated":"%b"}' % (status.encode(), moment)


def moment(milliseconds: int) -> bytes:
    """A timestamp so long after the start of 2026: a few hundred hours at most, so that none lies in the future for long."""
    day, rest = divmod(milliseconds, _DAY_MILLISECONDS)
    second, thousandth = divmod(rest, 1000)
    minute, second = divmod(second, 60)
    return b"2026-01-%02dT%02d:%02d:%02d.%03dZ" % (day + 1, *divmod(minute, 60), second, thousandth)


def location_id(number: int) -> bytes:
    """The id of a Location."""
    return b"L%07d" % number


def evse_uid(location: bytes, index: int) -> bytes:
    """The uid of an EVSE of a Location, from 1."""
    return b"%b-%d" % (location, index)


def _template(content: dict[str, Any]) -> Template:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode().replace(b"%", b"%%")
    return Template(text.replace(b"<id>", b"%(id)b").replace(b"<at>", b"%(at)b"))


def _location(owner: Party) -> dict[str, Any]:
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": "<id>",
        "publish": True,
        "name": "Charging park by the old harbour",
        "address": "Harbour Street 17",
        "city": "Hamburg",
        "postal_code": "20457",
        "state": "Hamburg",
        "country": "DEU",
        "coordinates": {"latitude": "53.545230", "longitude": "9.966310"},
        "parking_type": "PARKING_LOT",
        "evses": [_evse(owner, index) for index in range(1, EVSES + 1)],
        "directions": [
            {"language": "en", "text": "Turn right after the bridge and follow the green line to the rear."}
        ],
        "operator": _business("Harbour Charging", "harbour"),
        "owner": _business("Port Authority", "port"),
        "facilities": ["RESTAURANT", "BUS_STOP", "SUPERMARKET"],
        "time_zone": "Europe/Berlin",
        "opening_times": {"twentyfourseven": False, "regular_hours": [_hours(day) for day in _EVERY_DAY]},
        "charging_when_closed": True,
        "images": [_image("entrance", "ENTRANCE"), _image("overview", "LOCATION")],
        "energy_mix": {
            "is_green_energy": True,
            "energy_sources": [{"source": "WIND", "percentage": 62.5}, {"source": "SOLAR", "percentage": 37.5}],
            "supplier_name": "Harbour Power",
            "energy_product_name": "North Sea Wind",
        },
        "last_updated": "<at>",
    }


def _evse(owner: Party, index: int) -> dict[str, Any]:
    return {
        "uid": f"<id>-{index}",
        "evse_id": f"{owner.country_code}*{owner.party_id}*E<id>*{index}",
        "status": STATUSES[0],
        "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE", "CHARGING_PROFILE_CAPABLE"],
        "connectors": [_connector(number) for number in range(1, CONNECTORS + 1)],
        "floor_level": "0",
        "coordinates": {"latitude": "53.545231", "longitude": "9.966312"},
        "physical_reference": f"bay {index}",
        "parking_restrictions": ["EV_ONLY", "PLUGGED"],
        "images": [_image(f"charger-{index}", "CHARGER")],
        "last_updated": "<at>",
    }


def _connector(number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "standard": "IEC_62196_T2_COMBO",
        "format": "CABLE",
        "power_type": "DC",
        "max_voltage": 920,
        "max_amperage": 200,
        "max_electric_power": 150000,
        "tariff_ids": ["DC-2026"],
        "last_updated": "<at>",
    }


def _business(name: str, host: str) -> dict[str, Any]:
    return {"name": name, "website": f"https://{host}.example", "logo": _image(host, "OPERATOR")}


def _hours(weekday: int) -> dict[str, Any]:
    return {"weekday": weekday, "period_begin": "06:00", "period_end": "23:00"}


def _image(name: str, category: str) -> dict[str, Any]:
    base = f"https://pictures.example/{name}"
    return {"url": f"{base}.jpg", "category": category, "type": "jpeg"}


def _cdr(owner: Party, payer: Party) -> dict[str, Any]:
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": "<id>",
        "start_date_time": "2026-01-01T06:00:00Z",
        "end_date_time": "2026-01-01T07:30:00Z",
        "session_id": "S-<id>",
        "cdr_token": {
            "country_code": payer.country_code,
            "party_id": payer.party_id,
            "uid": "04A2B9C1D35E80",
            "type": "RFID",
            "contract_id": "NL-PAY-C0012345-X",
        },
        "auth_method": "WHITELIST",
        "cdr_location": _cdr_location(owner),
        "meter_id": "LG-7719-0042-1",
        "currency": "EUR",
        "tariffs": [_tariff(owner)],
        "charging_periods": [_period(index) for index in range(9)],
        "signed_data": {
            "encoding_method": "OCMF",
            "encoding_method_version": 1,
            "public_key": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" + "q7Xf" * 30,
            "signed_values": [_signed("Start", "1022.100"), _signed("End", "1052.350")],
        },
        "total_cost": {"excl_vat": 10.52, "incl_vat": 12.73},
        "total_energy": 30.25,
        "total_energy_cost": {"excl_vat": 10.5119, "incl_vat": 12.7194},
        "total_time": 1.5,
        "total_time_cost": {"excl_vat": 0},
        "last_updated": "<at>",
    }


def _cdr_location(owner: Party) -> dict[str, Any]:
    return {
        "id": "L0000001",
        "name": "Charging park by the old harbour",
        "address": "Harbour Street 17",
        "city": "Hamburg",
        "postal_code": "20457",
        "country": "DEU",
        "coordinates": {"latitude": "53.545230", "longitude": "9.966310"},
        "evse_uid": "L0000001-1",
        "evse_id": f"{owner.country_code}*{owner.party_id}*EL0000001*1",
        "connector_id": "1",
        "connector_standard": "IEC_62196_T2_COMBO",
        "connector_format": "CABLE",
        "connector_power_type": "DC",
    }


def _tariff(owner: Party) -> dict[str, Any]:
    energy = {"type": "ENERGY", "price": 0.3475, "vat": 21.0, "step_size": 1}
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": "DC-2026",
        "currency": "EUR",
        "elements": [{"price_components": [energy]}],
        "last_updated": "2025-12-18T09:15:30Z",
    }


def _period(index: int) -> dict[str, Any]:
    return {
        "start_date_time": f"2026-01-01T{6 + index // 6:02}:{index % 6}0:00Z",
        "dimensions": [{"type": "ENERGY", "volume": 3.3611}, {"type": "TIME", "volume": 0.1667}],
        "tariff_id": "DC-2026",
    }


def _signed(nature: str, reading: str) -> dict[str, Any]:
    return {"nature": nature, "plain_data": f"RV {reading} kWh", "signed_data": "T0NNRnx7Ikd3" * 27}
