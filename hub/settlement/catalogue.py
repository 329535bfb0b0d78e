"""The checks as data: id, kind, severity, disposition, family, and the rule in one sentence.

Ids are those of the clearing catalogue: A ingest and identity, B arithmetic, C physics, D uniqueness, E session, F token, G tariff and
price, H signed meter data, I time limits, J credits, K master data, M agreement, P control. Where a contract would have to set a limit and
none does, a check reports and does not hold.
"""

from __future__ import annotations

from hub.settlement.findings import Check, Disposition, Family, Severity

_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
_SETTLE, _HOLD, _DROP = Disposition.SETTLE, Disposition.HOLD, Disposition.DROP
_DEFER, _REPORT = Disposition.DEFER, Disposition.REPORT

# --- A: ingest and identity ---------------------------------------------------------------------------------
INVALID_CDR = Check("A01", "INVALID_CDR", _ERROR, _HOLD, Family.FORM, "A CDR has every required field, of its type.")
TEXT_TOO_LONG = Check("A02", "TEXT_TOO_LONG", _WARNING, _REPORT, Family.FORM, "No text is longer than its field.")
OWNER_MISMATCH = Check(
    "A03", "OWNER_MISMATCH", _ERROR, _HOLD, Family.FORM, "The owner of a CDR is a CPO among the parties of the period."
)
EVSE_OPERATOR_MISMATCH = Check(
    "A04",
    "EVSE_OPERATOR_MISMATCH",
    _ERROR,
    _HOLD,
    Family.LOCATION,
    "The operator in an EVSE id is the owner of the CDR, or the owner publishes that EVSE.",
)
DUPLICATE_CDR = Check(
    "A05",
    "DUPLICATE_CDR",
    _ERROR,
    _DROP,
    Family.DUPLICATE,
    "An owner sends each CDR once; the same one again counts once.",
)
CDR_ID_REUSED = Check(
    "A06", "CDR_ID_REUSED", _ERROR, _HOLD, Family.ID_REUSED, "A CDR never changes: one id of an owner, one content."
)
ID_TOO_LONG = Check(
    "A07",
    "ID_TOO_LONG",
    _WARNING,
    _REPORT,
    Family.FORM,
    "The id of a CDR has up to 36 characters, of a credit up to 39.",
)
NEGATIVE_DURATION = Check("A08", "NEGATIVE_DURATION", _ERROR, _HOLD, Family.TIME, "A charge ends after it starts.")
DATED_BEFORE_END = Check(
    "A08",
    "DATED_BEFORE_END",
    _WARNING,
    _REPORT,
    Family.TIME,
    "A CDR is written when the charge has ended, give or take five minutes.",
)
END_IN_FUTURE = Check(
    "A09",
    "END_IN_FUTURE",
    _ERROR,
    _HOLD,
    Family.TIME,
    "A charge has ended when its CDR arrives, give or take five minutes.",
)
UNKNOWN_TIMES = Check(
    "A10", "UNKNOWN_TIMES", _ERROR, _HOLD, Family.TIME, "No unknown times (1970) where the agreement forbids them."
)
CURRENCY_MISMATCH = Check(
    "A11",
    "CURRENCY_MISMATCH",
    _ERROR,
    _HOLD,
    Family.PRICE,
    "CDR, tariff, session and agreement are in one currency of ISO 4217.",
)
EVSE_NOT_NAMED = Check(
    "A12", "EVSE_NOT_NAMED", _ERROR, _HOLD, Family.LOCATION, "EVSE #NA stands only for a reservation that nobody used."
)
PRICE_MARKED = Check(
    "A13", "PRICE_MARKED", _INFO, _REPORT, Family.PRICE, "A remark that marks the price as an estimate is told."
)
NUMBER_PRECISION = Check("A14", "NUMBER_PRECISION", _INFO, _REPORT, Family.FORM, "Numbers have up to four decimals.")
CDR_NOT_TAKEN = Check(
    "A15",
    "CDR_NOT_TAKEN",
    _ERROR,
    _HOLD,
    Family.FORM,
    "A CDR is for an eMSP that the hub reaches, from a party that may send it one.",
)
TOKEN_PARTY_MISMATCH = Check(
    "A15",
    "TOKEN_PARTY_MISMATCH",
    _ERROR,
    _HOLD,
    Family.TOKEN,
    "The eMSP in cdr_token is the one the CDR was sent to, and the one whose token it is.",
)

# --- B: arithmetic ------------------------------------------------------------------------------------------
PERIOD_OUTSIDE_SESSION = Check(
    "B01",
    "PERIOD_OUTSIDE_SESSION",
    _WARNING,
    _REPORT,
    Family.TIME,
    "Periods lie between start and end, within a second.",
)
ENERGY_SUM_MISMATCH = Check(
    "B02",
    "ENERGY_SUM_MISMATCH",
    _ERROR,
    _HOLD,
    Family.ENERGY,
    "total_energy is the sum of the periods, within 0.001 kWh a period or 0.1 %.",
)
TIME_SUM_MISMATCH = Check(
    "B03",
    "TIME_SUM_MISMATCH",
    _WARNING,
    _REPORT,
    Family.TIME,
    "TIME and PARKING_TIME of a period fill it, within the error of notation and a second.",
)
PARKING_TIME_MISMATCH = Check(
    "B03",
    "PARKING_TIME_MISMATCH",
    _WARNING,
    _REPORT,
    Family.TIME,
    "total_parking_time is the sum of the periods, within the error of notation and a second.",
)
TOTAL_TIME_MISMATCH = Check(
    "B04",
    "TIME_SUM_MISMATCH",
    _WARNING,
    _REPORT,
    Family.TIME,
    "total_time is the time from start to end, within the error of notation and a second a period.",
)
TOTAL_NOT_SUM_OF_PARTS = Check(
    "B05",
    "TOTAL_NOT_SUM_OF_PARTS",
    _ERROR,
    _HOLD,
    Family.PRICE,
    "total_cost is the sum of its parts where all priced ones are stated, within a minor unit a part; a limit may make it another.",
)
VAT_MISMATCH = Check(
    "B06", "VAT_MISMATCH", _ERROR, _HOLD, Family.PRICE, "incl_vat follows from excl_vat and the rates of the tariff."
)
NEGATIVE_AMOUNT = Check(
    "B07",
    "NEGATIVE_AMOUNT",
    _ERROR,
    _HOLD,
    Family.PRICE,
    "A negative total that neither a credit, nor energy fed back, nor a negative price explains.",
)
FREE_OF_CHARGE = Check(
    "B08", "FREE_OF_CHARGE", _WARNING, _SETTLE, Family.PRICE, "Nothing is claimed for energy that has a price."
)
COST_WITHOUT_VOLUME = Check(
    "B09", "COST_WITHOUT_VOLUME", _ERROR, _HOLD, Family.PRICE, "A cost has energy, time or a flat price behind it."
)
PART_WITHOUT_VOLUME = Check(
    "B10", "PART_WITHOUT_VOLUME", _WARNING, _REPORT, Family.PRICE, "A part of the cost has a volume behind it."
)
TARIFF_NOT_EMBEDDED = Check(
    "B11",
    "TARIFF_NOT_EMBEDDED",
    _INFO,
    _REPORT,
    Family.TARIFF,
    "The tariffs that periods name are in the CDR.",
)

# --- C: physics ---------------------------------------------------------------------------------------------
ENERGY_ABOVE_PHYSICAL_LIMIT = Check(
    "C01",
    "ENERGY_ABOVE_PHYSICAL_LIMIT",
    _ERROR,
    _HOLD,
    Family.ENERGY,
    "Energy is at most the power of the connector times the time, with a margin of 5 %, and 0.1 kWh below six minutes.",
)
PERIOD_ABOVE_PHYSICAL_LIMIT = Check(
    "C02",
    "ENERGY_ABOVE_PHYSICAL_LIMIT",
    _ERROR,
    _HOLD,
    Family.ENERGY,
    "No period has more energy than the power of the connector gives in its time, with the same margin.",
)
ENERGY_IMPLAUSIBLE = Check(
    "C03",
    "ENERGY_IMPLAUSIBLE",
    _ERROR,
    _HOLD,
    Family.ENERGY,
    "Where no connector tells what is possible, no charge takes more than 1,000 kWh; above 150 it is told.",
)
ENERGY_UNIT_ERROR = Check(
    "C04",
    "ENERGY_UNIT_ERROR",
    _ERROR,
    _HOLD,
    Family.UNIT,
    "Energy is in kWh: no factor of 1,000 between two statements of it.",
)
MICRO_SESSION = Check(
    "C05",
    "MICRO_SESSION",
    _WARNING,
    _REPORT,
    Family.ENERGY,
    "Less than 0.1 kWh in less than 2 minutes costs nothing, where the agreement says so.",
)
IMPLAUSIBLE_DURATION = Check(
    "C06",
    "IMPLAUSIBLE_DURATION",
    _ERROR,
    _HOLD,
    Family.TIME,
    "No charge lasts longer than seven days; above one it is told.",
)
PARKING_LONGER_THAN_SESSION = Check(
    "C07",
    "PARKING_LONGER_THAN_SESSION",
    _ERROR,
    _HOLD,
    Family.TIME,
    "Parking is a part of the time of a session.",
)
POWER_CONTRADICTS_TARIFF = Check(
    "C08",
    "INSUFFICIENT_DATA",
    _WARNING,
    _REPORT,
    Family.TARIFF,
    "A period proves the power or current that its tariff asks for.",
)
METER_RUNS_BACKWARDS = Check(
    "C09",
    "METER_RUNS_BACKWARDS",
    _WARNING,
    _REPORT,
    Family.METERING,
    "The signed register of a meter never falls from one charge to the next.",
)

# --- D: uniqueness and overlap ------------------------------------------------------------------------------
SESSION_BILLED_TWICE = Check(
    "D01",
    "SESSION_BILLED_TWICE",
    _ERROR,
    _HOLD,
    Family.SESSION_REPEATED,
    "A session has one CDR that is not credited.",
)
NEAR_DUPLICATE = Check(
    "D02",
    "NEAR_DUPLICATE",
    _ERROR,
    _HOLD,
    Family.SESSION_REPEATED,
    "Two CDRs for one token and EVSE with the same start and energy are one charge.",
)
OVERLAPPING_SESSIONS = Check(
    "D03",
    "OVERLAPPING_SESSIONS",
    _ERROR,
    _HOLD,
    Family.OVERLAP,
    "Two charges on one connector do not overlap by more than the tolerated time.",
)
TOKEN_CONCURRENT_USE = Check(
    "D04", "TOKEN_CONCURRENT_USE", _WARNING, _REPORT, Family.TOKEN, "A token is at one EVSE at a time."
)
SESSION_WITHOUT_CDR = Check(
    "D05",
    "SESSION_WITHOUT_CDR",
    _WARNING,
    _REPORT,
    Family.SESSION,
    "A completed session that took or cost anything has its CDR within the days of grace.",
)
EMSP_CDR_MISSING = Check(
    "D06", "EMSP_CDR_MISSING", _ERROR, _HOLD, Family.VIEW, "The eMSP holds every CDR that it is to pay."
)
EMSP_CDR_DIFFERS = Check(
    "D08",
    "EMSP_CDR_DIFFERS",
    _ERROR,
    _HOLD,
    Family.VIEW,
    "The eMSP holds the same total for a CDR as the hub, and no CDR that the hub does not have.",
)
SIGNED_DATA_REPEATED = Check(
    "D07", "SIGNED_DATA_REPEATED", _ERROR, _HOLD, Family.METERING, "One signed meter reading stands behind one CDR."
)

# --- E: session ---------------------------------------------------------------------------------------------
MISSING_SESSION = Check(
    "E01", "MISSING_SESSION", _WARNING, _SETTLE, Family.SESSION, "The session that a CDR names was pushed."
)
SESSION_INVALID = Check(
    "E02", "SESSION_INVALID", _ERROR, _HOLD, Family.SESSION, "A session that its CPO called INVALID is not billed."
)
SESSION_CDR_ENERGY_MISMATCH = Check(
    "E03",
    "SESSION_CDR_ENERGY_MISMATCH",
    _ERROR,
    _HOLD,
    Family.ENERGY,
    "The energy of a CDR is that of its completed session, within 1 % or 0.05 kWh.",
)
SESSION_CDR_TIME_MISMATCH = Check(
    "E04",
    "SESSION_CDR_TIME_MISMATCH",
    _WARNING,
    _REPORT,
    Family.SESSION,
    "Start (that of charging, or of a reservation before it) and end of a CDR are those of its completed session, within a minute.",
)
SESSION_CDR_COST_MISMATCH = Check(
    "E05",
    "SESSION_CDR_COST_MISMATCH",
    _WARNING,
    _REPORT,
    Family.PRICE,
    "The cost of a CDR is the last one of its completed session, within a minor unit.",
)
SESSION_CDR_IDENTITY_MISMATCH = Check(
    "E06",
    "SESSION_CDR_IDENTITY_MISMATCH",
    _ERROR,
    _HOLD,
    Family.SESSION,
    "Token and EVSE of a CDR are those of its session.",
)

# --- F: token and authorisation -----------------------------------------------------------------------------
UNKNOWN_TOKEN = Check(
    "F01",
    "UNKNOWN_TOKEN",
    _ERROR,
    _HOLD,
    Family.TOKEN,
    "The token of a CDR is in the list of an eMSP, or was authorised.",
)
TOKEN_INVALID_AT_START = Check(
    "F02",
    "TOKEN_INVALID_AT_START",
    _ERROR,
    _HOLD,
    Family.TOKEN,
    "The token was valid when the session began; a block counts from 24 hours after it was acknowledged.",
)
CONTRACT_MISMATCH = Check(
    "F03", "CONTRACT_MISMATCH", _WARNING, _REPORT, Family.TOKEN, "The contract in a CDR is that of its token."
)
AUTH_METHOD_VIOLATION = Check(
    "F04",
    "AUTH_METHOD_VIOLATION",
    _WARNING,
    _REPORT,
    Family.TOKEN,
    "A token that may not be used offline was not; an authorisation that gave a reference is named.",
)

AUTHORIZATION_REFUSED = Check(
    "F05",
    "TOKEN_INVALID_AT_START",
    _ERROR,
    _HOLD,
    Family.TOKEN,
    "No eMSP said no when it was asked whether the charge may begin.",
)
AUTHORIZATION_MISSING = Check(
    "F05",
    "AUTHORIZATION_MISSING",
    _WARNING,
    _REPORT,
    Family.TOKEN,
    "An eMSP that was asked said yes, from 15 minutes before the start to 5 minutes after it.",
)
REFERENCE_MISSING = Check(
    "F06",
    "AUTH_METHOD_VIOLATION",
    _WARNING,
    _REPORT,
    Family.TOKEN,
    "The authorization_reference that an eMSP gave stands in the CDR.",
)
REFERENCE_MISMATCH = Check(
    "F06",
    "AUTHORIZATION_REFERENCE_MISMATCH",
    _WARNING,
    _REPORT,
    Family.TOKEN,
    "The authorization_reference of a CDR is the last one that was given for its charge.",
)
COMMAND_NOT_ACCEPTED = Check(
    "F07",
    "COMMAND_NOT_ACCEPTED",
    _WARNING,
    _REPORT,
    Family.TOKEN,
    "A charge by command has a command to start or reserve that was not refused; one may be accepted late.",
)
AUTHORIZED_ELSEWHERE = Check(
    "F08",
    "AUTHORIZED_ELSEWHERE",
    _ERROR,
    _HOLD,
    Family.TOKEN,
    "The Location and EVSEs that were authorised contain the one that was used.",
)

# --- G: tariff and price ------------------------------------------------------------------------------------
MISSING_TARIFF = Check(
    "G01", "MISSING_TARIFF", _ERROR, _HOLD, Family.PRICE, "The tariff of every priced period is known."
)
TARIFF_CONTENT_MISMATCH = Check(
    "G01",
    "TARIFF_CONTENT_MISMATCH",
    _WARNING,
    _SETTLE,
    Family.PRICE,
    "The tariff in a CDR is the version that was in force when the session began.",
)
WRONG_TARIFF = Check(
    "G02",
    "WRONG_TARIFF",
    _WARNING,
    _SETTLE,
    Family.PRICE,
    "The tariff of a period is offered on the connector, of the right type and valid at the start.",
)
PRICE_MISMATCH = Check(
    "G03", "PRICE_MISMATCH", _WARNING, _SETTLE, Family.PRICE, "The claim is what the tariff makes of the charge."
)
ROUNDING_DIFFERENCE = Check(
    "G03", "ROUNDING_DIFFERENCE", _INFO, _SETTLE, Family.PRICE, "The claim differs by the rounding of its amounts only."
)
PART_MISMATCH = Check(
    "G03", "PART_MISMATCH", _WARNING, _REPORT, Family.PRICE, "Each stated part is what the tariff makes of it."
)
STEP_SIZE_NOT_APPLIED = Check(
    "G11", "STEP_SIZE_NOT_APPLIED", _WARNING, _SETTLE, Family.PRICE, "Volumes are rounded up to whole steps."
)
STEP_SIZE_APPLIED_PER_PERIOD = Check(
    "G11", "STEP_SIZE_APPLIED_PER_PERIOD", _WARNING, _SETTLE, Family.PRICE, "Volumes are rounded once a session."
)
MIN_PRICE_NOT_APPLIED = Check("G06", "MIN_PRICE_NOT_APPLIED", _WARNING, _SETTLE, Family.PRICE, "A least price counts.")
MAX_PRICE_NOT_APPLIED = Check(
    "G06", "MAX_PRICE_NOT_APPLIED", _WARNING, _SETTLE, Family.PRICE, "A greatest price counts."
)
FLAT_COUNT_MISMATCH = Check(
    "G04", "FLAT_COUNT_MISMATCH", _WARNING, _SETTLE, Family.PRICE, "A flat price is due once a session."
)
WRONG_TIMEZONE = Check(
    "G04", "WRONG_TIMEZONE", _WARNING, _SETTLE, Family.PRICE, "Times of day are local to the location of the charge."
)
SYSTEMATIC_ROUNDING_BIAS = Check(
    "P07",
    "SYSTEMATIC_ROUNDING_BIAS",
    _WARNING,
    _REPORT,
    Family.BIAS,
    "The rounding differences of a CPO average out over a period.",
)
PRICE_OUTLIER = Check(
    "G09",
    "PRICE_OUTLIER",
    _INFO,
    _REPORT,
    Family.PRICE,
    "A price per kWh is not far from the median between two parties: not by more than half of it and three times the usual distance.",
)
FREE_TARIFF = Check(
    "G10", "FREE_TARIFF", _INFO, _REPORT, Family.TARIFF, "Where nothing is claimed the tariff says that it is free."
)
MISSING_PERIOD_BOUNDARY = Check(
    "G03", "MISSING_PERIOD_BOUNDARY", _WARNING, _REPORT, Family.TARIFF, "A period begins wherever another price does."
)
DIMENSION_MISSING = Check("G03", "DIMENSION_MISSING", _WARNING, _REPORT, Family.TARIFF, "A priced dimension is stated.")
UNVERIFIABLE_TIME = Check("G03", "UNVERIFIABLE_TIME", _WARNING, _REPORT, Family.TARIFF, "Local time can be told.")
AMBIGUOUS_TARIFF = Check("G02", "AMBIGUOUS_TARIFF", _WARNING, _REPORT, Family.TARIFF, "One tariff counts at a time.")
TARIFF_INVALID = Check("G02", "TARIFF_INVALID", _WARNING, _REPORT, Family.TARIFF, "A tariff makes sense by itself.")
TARIFF_ID_MISSING = Check("G01", "TARIFF_ID_MISSING", _WARNING, _REPORT, Family.TARIFF, "Periods name their tariffs.")

# --- H: signed meter data -----------------------------------------------------------------------------------
SIGNED_DATA_MISSING = Check(
    "H01",
    "SIGNED_DATA_MISSING",
    _ERROR,
    _HOLD,
    Family.METERING,
    "A charge comes with signed meter data where the agreement requires them.",
)
SIGNATURE_WRONG = Check(
    "H02",
    "SIGNATURE_WRONG",
    _ERROR,
    _HOLD,
    Family.METERING,
    "Signed meter data verify with the key registered for the meter.",
)
SIGNED_ENERGY_MISMATCH = Check(
    "H03",
    "SIGNED_ENERGY_MISMATCH",
    _ERROR,
    _HOLD,
    Family.METERING,
    "total_energy is what the signed readings differ by, within 0.001 kWh or 0.1 %.",
)
SIGNED_TIME_MISMATCH = Check(
    "H04",
    "SIGNED_TIME_MISMATCH",
    _WARNING,
    _REPORT,
    Family.METERING,
    "Signed times are those of the CDR, within two minutes; time is billed by a clock that was set.",
)
SIGNED_TOKEN_MISMATCH = Check(
    "H05",
    "SIGNED_TOKEN_MISMATCH",
    _WARNING,
    _REPORT,
    Family.METERING,
    "The identification that was signed is that of the token; another known token is held.",
)
SIGNED_DATA_INCOMPLETE = Check(
    "H06",
    "SIGNED_DATA_INCOMPLETE",
    _ERROR,
    _HOLD,
    Family.METERING,
    "Signed data begin and end, on one meter, with a good status, on pages that follow each other.",
)
SIGNED_DATA_UNREADABLE = Check(
    "H07",
    "SIGNED_DATA_UNREADABLE",
    _INFO,
    _REPORT,
    Family.METERING,
    "Signed data are in a form that can be verified here.",
)

# --- I, J, K, M ---------------------------------------------------------------------------------------------
LATE_DELIVERY = Check(
    "I01",
    "LATE_DELIVERY",
    _WARNING,
    _REPORT,
    Family.ARRIVAL,
    "A CDR arrives within three days of the charge, or as agreed.",
)
LATE_CDR = Check(
    "I02", "LATE_CDR", _WARNING, _DEFER, Family.ARRIVAL, "What arrives after the close counts in the open period."
)
EARLIER_PERIOD = Check(
    "I02",
    "EARLIER_PERIOD",
    _INFO,
    _REPORT,
    Family.ARRIVAL,
    "What ended and came before the period was settled in an earlier one.",
)
CREDIT_FLAG_INCONSISTENT = Check(
    "J01", "CREDIT_FLAG_INCONSISTENT", _ERROR, _HOLD, Family.CREDIT, "credit and credit_reference_id belong together."
)
CREDIT_WITHOUT_ORIGINAL = Check(
    "J02",
    "CREDIT_WITHOUT_ORIGINAL",
    _ERROR,
    _HOLD,
    Family.CREDIT,
    "A credit credits a CDR of the same two parties that is there and no credit.",
)
CREDIT_REPEATED = Check("J02", "CREDIT_REPEATED", _ERROR, _HOLD, Family.CREDIT, "A CDR is credited once.")
CREDIT_AMOUNT_MISMATCH = Check(
    "J03", "CREDIT_AMOUNT_MISMATCH", _ERROR, _HOLD, Family.CREDIT, "A credit is its original with the total negated."
)
CREDIT_DATA_MISMATCH = Check(
    "J03", "CREDIT_DATA_MISMATCH", _WARNING, _REPORT, Family.FORM, "A credit repeats all data of its original."
)
CORRECTED_CDR = Check(
    "J04",
    "CORRECTED_CDR",
    _INFO,
    _REPORT,
    Family.SESSION,
    "A credit and the CDR that replaces its original are shown as one correction.",
)
CORRECTED_BY_ADJUSTMENT = Check(
    "J06",
    "CORRECTED_BY_ADJUSTMENT",
    _INFO,
    _REPORT,
    Family.SESSION,
    "A CPO that cannot credit corrects a CDR by an adjustment that both parties consented to.",
)
UNKNOWN_LOCATION = Check(
    "K01", "UNKNOWN_LOCATION", _WARNING, _REPORT, Family.LOCATION, "The EVSE of a CDR was published."
)
CONNECTOR_MISMATCH = Check(
    "K02",
    "CONNECTOR_MISMATCH",
    _WARNING,
    _REPORT,
    Family.LOCATION,
    "Connector, country and coordinates of a CDR are those of its location, within 500 m.",
)
EVSE_OUT_OF_SERVICE = Check(
    "K03", "EVSE_OUT_OF_SERVICE", _INFO, _REPORT, Family.LOCATION, "The EVSE was in service when the session began."
)
HOME_CHARGING = Check(
    "K04",
    "HOME_CHARGING",
    _ERROR,
    _HOLD,
    Family.AGREEMENT,
    "Compensation for charging at home goes to the driver: kept apart.",
)
NO_AGREEMENT = Check(
    "M01",
    "NO_AGREEMENT",
    _ERROR,
    _HOLD,
    Family.AGREEMENT,
    "An agreement of the two parties covers the day, country, EVSE and token.",
)
EXPOSURE_ABOVE_LIMIT = Check(
    "M02",
    "EXPOSURE_ABOVE_LIMIT",
    _WARNING,
    _REPORT,
    Family.AGREEMENT,
    "What a party owes another and has not paid stays within the limit that the two agreed on; it is told from 80 % on.",
)
FEE_MISMATCH = Check(
    "M03",
    "FEE_MISMATCH",
    _ERROR,
    _HOLD,
    Family.AGREEMENT,
    "A fee on a statement is what the agreement makes of its CDR, within a minor unit; a month with another one does not close.",
)

CATALOGUE: tuple[Check, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Check))
"""Every check, in the order above."""
