"""The words of Open Charge Map: ids and titles that its clients know, and what OCPI's words are among them.

Source: the core reference data of Open Charge Map's API (public ids). Only what can come up in a POI of this hub is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

from hub.navigation.countries import english_name
from hub.navigation.formats.publishing import Publisher
from hub.navigation.location import Connector
from hub.settlement.countries import alpha_2, alpha_3
from ocpi_modules.locations import Status

Item = dict[str, Any]

DATA_PROVIDER_ID = 1_000_000
"""This hub as a data provider: no id of Open Charge Map's own."""
FIRST_OPERATOR_ID = 1_000_000
_PARTY_CHARACTERS = 5
_PARTY_BASE = 36

UNKNOWN_COUNTRY_ID = 0

_COUNTRIES = """
AD10 AE235 AF5 AG14 AI12 AL7 AM16 AO11 AQ13 AR15 AS9 AT19 AU18 AW17 AX6 AZ20 BA33 BB24 BD23 BE26 BF40 BG39 BH22 BI41
BJ28 BL187 BM29 BN38 BO31 BQ32 BR36 BS21 BT30 BV35 BW34 BY25 BZ27 CA44 CC52 CD56 CF47 CG55 CH217 CI59 CK57 CL49 CM43
CN50 CO53 CR58 CU61 CV45 CW62 CX51 CY63 CZ64 DE87 DJ66 DK65 DM67 DO68 DZ8 EC69 EE74 EG70 EH245 ER73 ES210 ET75 FI79
FJ78 FK76 FM147 FO77 FR80 GA84 GB1 GD92 GE86 GF81 GG96 GH88 GI89 GL91 GM85 GN97 GP93 GQ72 GR90 GS209 GT95 GU94 GW98
GY99 HK4 HM101 HN103 HR60 HT100 HU104 ID107 IE3 IL111 IM110 IN106 IO37 IQ109 IR108 IS105 IT112 JE115 JM113 JO116 JP114
KE118 KG123 KH42 KI119 KM54 KN189 KP120 KR121 KW122 KY46 KZ117 LA124 LB126 LC190 LI130 LK211 LR128 LS127 LT131 LU132
LV125 LY129 MA153 MC149 MD148 ME151 MF191 MG135 MH141 MK134 ML139 MM155 MN150 MO133 MP167 MQ142 MR143 MS152 MT140
MU144 MV138 MW136 MX146 MY137 MZ154 NA156 NC160 NE163 NF166 NG164 NI162 NL159 NO168 NP158 NR157 NU165 NZ161 OM169
PA173 PE176 PF82 PG174 PH177 PK170 PL179 PM192 PN178 PR181 PS172 PT180 PW171 PY175 QA182 RE183 RO184 RS199 RU185 RW186
SA197 SB206 SC200 SD212 SE216 SG202 SH188 SI205 SJ214 SK204 SL201 SM195 SN198 SO207 SR213 ST196 SV71 SX203 SY218 SZ215
TC231 TD48 TF83 TG224 TH222 TJ220 TK225 TL223 TM230 TN228 TO226 TR229 TT227 TV232 TW219 TZ221 UA234 UG233 UM236 US2
UY237 UZ238 VA102 VC193 VE240 VG242 VI243 VN241 VU239 WF244 WS194 YE246 YT145 ZA208 ZM247 ZW248
"""
_COUNTRY_IDS = {known: int(entry[2:]) for entry in _COUNTRIES.split() if (known := alpha_3(entry[:2]))}

SUBMISSION_PUBLISHED = 100
KILOMETRES, MILES = "km", "miles"
DISTANCE_UNITS = {KILOMETRES: 1, MILES: 2}
"""What `distanceunit` may say, and its id; Open Charge Map takes miles where nothing is said."""
NO_DISTANCE = 0

_TYPE_2_SOCKET, _TYPE_2_TETHERED = 25, 1036
_GBT_AC_SOCKET, _GBT_AC_TETHERED = 1038, 1039

_CONNECTION_TYPES = {
    0: ("Unknown", "Not Specified"),
    1: ("Type 1 (J1772)", "SAE J1772-2009"),
    2: ("CHAdeMO", "IEC 62196-3 Configuration AA"),
    3: ("BS1363 3 Pin 13 Amp", "BS1363 / Type G"),
    8: ("Tesla (Roadster)", "Tesla Connector"),
    9: ("NEMA 5-20R", None),
    10: ("NEMA 14-30", None),
    11: ("NEMA 14-50", None),
    13: ("Europlug 2-Pin (CEE 7/16)", "Europlug 2-Pin (CEE 7/16)"),
    22: ("NEMA 5-15R", "NEMA 5-15R"),
    23: ("CEE 7/5", None),
    _TYPE_2_SOCKET: ("Type 2 (Socket Only)", "IEC 62196-2 Type 2"),
    26: ("SCAME Type 3C (Schneider-Legrand)", "IEC 62196-2 Type 3"),
    27: ("NACS / Tesla Supercharger", "Tesla Supercharger"),
    28: ("CEE 7/4 - Schuko - Type F", "CEE 7/4"),
    29: ("Type I (AS 3112)", "Type I/AS 3112/CPCS-CCC"),
    30: ("Tesla (Model S/X)", None),
    32: ("CCS (Type 1)", "IEC 62196-3 Configuration EE"),
    33: ("CCS (Type 2)", "IEC 62196-3 Configuration FF"),
    34: ("IEC 60309 3-pin", "IEC 60309 3-pin"),
    35: ("IEC 60309 5-pin", "IEC 60309 5-pin"),
    36: ("SCAME Type 3A (Low Power)", "IEC 62196-2 Type 3A"),
    _TYPE_2_TETHERED: ("Type 2 (Tethered Connector)", "IEC 62196-2 Type 2"),
    _GBT_AC_SOCKET: ("GB-T AC - GB/T 20234.2 (Socket)", "GB-T AC - GB/T 20234.2 (Socket)"),
    _GBT_AC_TETHERED: ("GB-T AC - GB/T 20234.2 (Tethered Cable)", "GB-T AC - GB/T 20234.2 (Tethered Cable)"),
    1040: ("GB-T DC - GB/T 20234.3", "GB-T DC - GB/T 20234.3"),
    1044: ("ChaoJi", None),
}

_CONNECTION_TYPE_OF = {
    "CHADEMO": 2,
    "CHAOJI": 1044,
    "DOMESTIC_B": 22,
    "DOMESTIC_C": 13,
    "DOMESTIC_E": 23,
    "DOMESTIC_F": 28,
    "DOMESTIC_G": 3,
    "DOMESTIC_I": 29,
    "GBT_DC": 1040,
    "IEC_60309_2_single_16": 34,
    "IEC_60309_2_three_16": 35,
    "IEC_60309_2_three_32": 35,
    "IEC_60309_2_three_64": 35,
    "IEC_62196_T1": 1,
    "IEC_62196_T1_COMBO": 32,
    "IEC_62196_T2_COMBO": 33,
    "IEC_62196_T3A": 36,
    "IEC_62196_T3C": 26,
    "NEMA_5_20": 9,
    "NEMA_14_30": 10,
    "NEMA_14_50": 11,
    "SAE_J3400": 27,
    "TESLA_R": 8,
    "TESLA_S": 30,
}

_BY_FORMAT = {
    "GBT_AC": {"SOCKET": _GBT_AC_SOCKET, "CABLE": _GBT_AC_TETHERED},
    "IEC_62196_T2": {"SOCKET": _TYPE_2_SOCKET, "CABLE": _TYPE_2_TETHERED},
}
"""Standards that are two kinds of plug: a socket and a cable."""

_CURRENT_TYPES = {
    10: ("AC (Single-Phase)", "Alternating Current - Single Phase"),
    20: ("AC (Three-Phase)", "Alternating Current - Three Phase"),
    30: ("DC", "Direct Current"),
}
CURRENT_TYPE_OF = {"AC_1_PHASE": 10, "AC_2_PHASE": 10, "AC_2_PHASE_SPLIT": 10, "AC_3_PHASE": 20, "DC": 30}

_LEVELS = {
    1: ("Level 1 : Low (Under 2kW)", "Under 2 kW, usually domestic socket types"),
    2: ("Level 2 : Medium (Over 2kW)", "Over 2 kW, usually non-domestic socket type"),
    3: ("Level 3:  High (Over 40kW)", "40KW and Higher"),
}
_LEVEL_2_MIN_KW, _LEVEL_3_MIN_KW = 2.0, 40.0

STATUS_UNKNOWN, STATUS_NOT_OPERATIONAL = 0, 100
_STATUS_TYPES: dict[int, tuple[str, bool | None]] = {
    STATUS_UNKNOWN: ("Unknown", None),
    10: ("Currently Available (Automated Status)", True),
    20: ("Currently In Use (Automated Status)", True),
    30: ("Temporarily Unavailable", True),
    STATUS_NOT_OPERATIONAL: ("Not Operational", False),
    150: ("Planned For Future Date", False),
    200: ("Removed (Decommissioned)", False),
}
STATUS_TYPE_OF = {
    Status.AVAILABLE: 10,
    Status.BLOCKED: 30,
    Status.CHARGING: 20,
    Status.INOPERATIVE: STATUS_NOT_OPERATIONAL,
    Status.OUTOFORDER: STATUS_NOT_OPERATIONAL,
    Status.PLANNED: 150,
    Status.REMOVED: 200,
    Status.RESERVED: 20,
    Status.UNKNOWN: STATUS_UNKNOWN,
}
BEST_FIRST = (10, 20, 30, STATUS_UNKNOWN, 150, STATUS_NOT_OPERATIONAL, 200)
"""Of the states of several, the one that says most for a driver who looks for a free one."""

USAGE_PUBLIC, USAGE_MEMBERSHIP, USAGE_PAY_AT_LOCATION = 1, 4, 5
_USAGE_TYPES: dict[int, tuple[str, bool | None, bool | None]] = {
    USAGE_PUBLIC: ("Public", None, None),
    USAGE_MEMBERSHIP: ("Public - Membership Required", False, True),
    USAGE_PAY_AT_LOCATION: ("Public - Pay At Location", True, False),
}


# --- items -----------------------------------------------------------------------------------


def connection_type(connection_type_id: int) -> Item:
    """The kind of a plug, in full."""
    title, formal_name = _CONNECTION_TYPES[connection_type_id]
    return {
        "ID": connection_type_id,
        "Title": title,
        "FormalName": formal_name,
        "IsDiscontinued": False,
        "IsObsolete": False,
    }


def current_type(current_type_id: int) -> Item:
    """The kind of current, in full."""
    title, description = _CURRENT_TYPES[current_type_id]
    return {"ID": current_type_id, "Title": title, "Description": description}


def level(level_id: int) -> Item:
    """The class of power, in full."""
    title, comments = _LEVELS[level_id]
    return {"ID": level_id, "Title": title, "Comments": comments, "IsFastChargeCapable": level_id == max(_LEVELS)}


def status_type(status_type_id: int) -> Item:
    """A state, in full."""
    title, is_operational = _STATUS_TYPES[status_type_id]
    return {"ID": status_type_id, "Title": title, "IsOperational": is_operational, "IsUserSelectable": False}


def usage_type(usage_type_id: int) -> Item:
    """How one may use a place, in full."""
    title, is_paid_there, needs_membership = _USAGE_TYPES[usage_type_id]
    return {
        "ID": usage_type_id,
        "Title": title,
        "IsPayAtLocation": is_paid_there,
        "IsMembershipRequired": needs_membership,
        "IsAccessKeyRequired": needs_membership,
    }


def country_item(country: str) -> Item | None:
    """A country (alpha-3), in full; None where Open Charge Map does not know it."""
    if country not in _COUNTRY_IDS:
        return None
    return {
        "ID": _COUNTRY_IDS[country],
        "ISOCode": alpha_2(country),
        "ContinentCode": None,
        "Title": english_name(country),
    }


def operator_item(operator_id: int, title: str, website: str | None = None) -> Item:
    """An operator, in full."""
    return {
        "ID": operator_id,
        "Title": title,
        "WebsiteURL": website,
        "Comments": None,
        "PhonePrimaryContact": None,
        "PhoneSecondaryContact": None,
        "IsPrivateIndividual": False,
        "AddressInfo": None,
        "BookingURL": None,
        "ContactEmail": None,
        "FaultReportEmail": None,
        "IsRestrictedEdit": False,
    }


def data_provider(publisher: Publisher) -> Item:
    """This hub as the provider of the data, with the licence of the data."""
    return {
        "ID": DATA_PROVIDER_ID,
        "Title": publisher.name,
        "WebsiteURL": publisher.website,
        "License": publisher.licence,
        "Comments": None,
        "IsOpenDataLicensed": publisher.licence is not None,
        "IsApprovedImport": True,
        "IsRestrictedEdit": True,
        "DateLastImported": None,
        "DataProviderStatusType": {"ID": SUBMISSION_PUBLISHED, "Title": "Automated Import", "IsProviderEnabled": True},
    }


def submission_status() -> Item:
    """The one that every POI of this hub has."""
    return {"ID": SUBMISSION_PUBLISHED, "Title": "Imported and Published", "IsLive": True}


# --- OCPI's words ----------------------------------------------------------------------------


def connection_type_of(connector: Connector) -> int:
    """The id of the kind of plug; 0 where Open Charge Map has no word for it."""
    kinds = _BY_FORMAT.get(connector.standard)
    if kinds is not None:
        return kinds.get(connector.format, kinds["SOCKET"])
    return _CONNECTION_TYPE_OF.get(connector.standard, 0)


def standards_of(connection_type_id: int) -> tuple[str, ...]:
    """OCPI's standards behind an id, for filters, whatever the format; none for an id that never comes up."""
    parted = (standard for standard, kinds in _BY_FORMAT.items() if connection_type_id in kinds.values())
    whole = (standard for standard, known in _CONNECTION_TYPE_OF.items() if known == connection_type_id)
    return (*parted, *whole)


def parts_a_standard(connection_type_ids: Set[int]) -> bool:
    """Whether one kind of a standard is among these ids and the other is not."""
    return any(0 < len(connection_type_ids & {*kinds.values()}) < len(kinds) for kinds in _BY_FORMAT.values())


def country_id_of(country: str) -> int:
    """The id of a country (alpha-3); UNKNOWN_COUNTRY_ID where Open Charge Map does not know it."""
    return _COUNTRY_IDS.get(country, UNKNOWN_COUNTRY_ID)


def level_of(kilowatts: float | None) -> int | None:
    """The class of power; None where the power is not known."""
    if kilowatts is None:
        return None
    return 3 if kilowatts >= _LEVEL_3_MIN_KW else 2 if kilowatts >= _LEVEL_2_MIN_KW else 1


def operator_id_of(country_code: str, party_id: str) -> int:
    """The id of a party as an operator: the same in every process and for ever, and no other party's."""
    return FIRST_OPERATOR_ID + int(f"{country_code}{party_id}", _PARTY_BASE)


def party_of_operator(operator_id: int) -> str | None:
    """The party (``CC/PID``) that has the id, for filters; None for an id that no party can have."""
    number = operator_id - FIRST_OPERATOR_ID
    if not 0 <= number < _PARTY_BASE**_PARTY_CHARACTERS:
        return None
    text = _in_base_36(number)
    return f"{text[:2]}/{text[2:]}"


def _in_base_36(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = ""
    for _ in range(_PARTY_CHARACTERS):
        number, digit = divmod(number, _PARTY_BASE)
        text = digits[digit] + text
    return text


# --- all of it -------------------------------------------------------------------------------


def reference_data(publisher: Publisher, operators: Iterable[tuple[str, str, str]]) -> Item:
    """What `/ocm/v3/referencedata` answers; `operators` are the CPOs: country code, party id and name."""
    return {
        "ChargerTypes": [level(one) for one in _LEVELS],
        "ConnectionTypes": [connection_type(one) for one in _CONNECTION_TYPES],
        "CurrentTypes": [current_type(one) for one in _CURRENT_TYPES],
        "Countries": [country_item(one) for one in _COUNTRY_IDS],
        "DataProviders": [data_provider(publisher)],
        "Operators": [operator_item(operator_id_of(code, party), name) for code, party, name in operators],
        "StatusTypes": [status_type(one) for one in _STATUS_TYPES],
        "SubmissionStatusTypes": [submission_status()],
        "UsageTypes": [usage_type(one) for one in _USAGE_TYPES],
        # a hub has no users who comment, check in or describe; clients want the lists
        "UserCommentTypes": [],
        "CheckinStatusTypes": [],
        "DataTypes": [],
        "MetadataGroups": [],
        "UserProfile": None,
    }
