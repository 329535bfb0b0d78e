"""Signed meter data are read in the ways in which partners send them, and believed only with the key that was registered (H)."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.metering import NotAKey, Refusal, Refused, SignedReading, glance, read_key, read_signed
from hub.metering.keys import KEY_MAX_CHARACTERS
from hub.metering.ocmf import TEXT_MAX_CHARACTERS, read_record
from hub.metering.signed import VALUES_MAX
from tests.metering.records import (
    AT_THE_METER,
    BEGIN_AT,
    BEHIND_THE_CABLE,
    END_AT,
    EXPORT,
    IMPORT,
    KEY,
    OTHER_KEY,
    Content,
    charge,
    der,
    in_base64,
    in_hex,
    new_key,
    payload,
    public,
    reading,
    signed,
    signed_data,
    value,
)

BEGIN = signed(payload(reading("B", 100), page=7))
END = signed(payload(reading("E", 120.5), page=8))
BOTH = signed(payload(reading("B", 100), reading("E", 120.5), page=8))


def read(content: Content, key: str | None = None) -> SignedReading:
    """What signed data say, which are believed."""
    found = read_signed(content, key or public())
    assert isinstance(found, SignedReading), found
    return found


def energy(content: Content) -> Decimal:
    span = read(content).billed
    assert span is not None
    return span.energy


def refused(content: Content, key: str | None = None) -> Refused:
    found = read_signed(content, key or public())
    assert isinstance(found, Refusal), found
    return found.why


def data(*readings: Content, **changes: Any) -> Content:
    return signed_data(value(signed(payload(*readings, **changes))))


# --- ways of sending -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(signed_data(value(BEGIN, "Start"), value(END, "End")), id="a record for each end"),
        pytest.param(signed_data(value(END, "End"), value(BEGIN, "Begin")), id="the end first"),
        pytest.param(signed_data(value(BOTH, "End")), id="one record for both"),
        pytest.param(signed_data(value(BEGIN, "Start"), value(BOTH, "End")), id="the end has the begin again"),
        pytest.param(signed_data(value(BOTH, "Start"), value(BOTH, "End")), id="one record twice"),
        pytest.param(signed_data(value(BOTH, encode=str)), id="as it is"),
        pytest.param(signed_data(value(BOTH, encode=in_hex)), id="in hex"),
        pytest.param(signed_data(value(BOTH, encode=lambda text: in_base64(text).rstrip("="))), id="without padding"),
        pytest.param(signed_data(value(f"{BOTH}\n")), id="with a line break"),
        pytest.param(signed_data(value("", plain=BOTH)), id="in the plain text only"),
        pytest.param(signed_data(value("3045022100", plain=BOTH, encode=str)), id="a bare signature, and all in plain"),
        pytest.param(signed_data(value(f"{BOTH}|{public(OTHER_KEY)}")), id="a key behind it, which proves nothing"),
        pytest.param(signed_data(value(BOTH), encoding="ocmf 1.0"), id="another name of the encoding"),
    ],
)
def test_a_charge_is_read_in_whatever_way_it_is_sent(content: Content) -> None:
    found = read(content)
    assert (found.faults, found.meter) == ((), "METER1")
    assert energy(content) == Decimal("20.5")


def test_times_are_read_with_the_status_of_the_clock() -> None:
    span = read(charge()).billed
    assert span is not None
    assert (span.begin.at, span.begin.clock) == (datetime(2026, 10, 10, 8, tzinfo=UTC), "S")
    assert span.end.at == datetime(2026, 10, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "at", "clock"),
    [
        pytest.param("2026-10-10T10:00:00,500+0200 I", datetime(2026, 10, 10, 8, 0, 0, 500_000, UTC), "I", id="milli"),
        pytest.param("2026-10-10T10:00:00+02:00", datetime(2026, 10, 10, 8, tzinfo=UTC), "U", id="no status"),
        pytest.param("2026-10-10T10:00:00,000 S", None, "S", id="no zone"),
        pytest.param("0001-01-01T00:00:00,000+0200 R", None, "U", id="before all time"),
        pytest.param("yesterday", None, "U", id="no time"),
        pytest.param(17, None, "U", id="a number"),
    ],
)
def test_odd_times_are_unknown(moment: Any, at: datetime | None, clock: str) -> None:
    span = read(data(reading("B", 1, TM=moment), reading("E", 2))).billed
    assert span is not None
    assert (span.begin.at, span.begin.clock) == (at, clock)


# --- energy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readings", "kwh"),
    [
        pytest.param([reading("B", 100), reading("E", 120)], "20", id="kWh"),
        pytest.param([reading("B", 100_000, RU="Wh"), reading("E", 120_001, RU="Wh")], "20.001", id="Wh"),
        pytest.param([reading("B", 100_000, RU="Wh"), reading("E", 120)], "20", id="one in Wh"),
        pytest.param([reading("B", "100.0001"), reading("E", "100.0002")], "0.0001", id="numbers as texts"),
        pytest.param([reading("B", 5), {"TM": END_AT, "TX": "E", "RV": 9}], "4", id="what is the same is left out"),
        pytest.param([reading("B", 5), reading("C", 8), reading("E", 9)], "4", id="one in between"),
        *(pytest.param([reading("B", 5), reading(why, 9)], "4", id=f"ended by {why}") for why in "LRAP"),
        pytest.param(
            [
                reading("B", 0, RI=AT_THE_METER),
                reading("B", 0, RI=BEHIND_THE_CABLE),
                reading("E", 20, RI=AT_THE_METER),
                reading("E", 19.9, RI=BEHIND_THE_CABLE),
            ],
            "19.9",
            id="behind the cable where that is known",
        ),
        pytest.param(
            [reading("B", 50, RI=EXPORT), reading("B", 100), reading("E", 90, RI=EXPORT), reading("E", 120)],
            "20",
            id="not what was fed back",
        ),
        pytest.param([reading("B", 1, RI=None), reading("E", 4, RI=None)], "3", id="a register without a name"),
        pytest.param([reading("B", 9), reading("E", 4)], "-5", id="a register that falls"),
    ],
)
def test_energy_is_what_the_register_rose_by(readings: list[Content], kwh: str) -> None:
    assert energy(data(*readings)) == Decimal(kwh)


def test_a_moment_is_taken_from_the_nature_of_the_value_where_a_reading_has_none() -> None:
    begin, end = (signed(payload(reading("B", kwh, TX=None), page=page)) for kwh, page in ((1, 1), (3, 2)))
    assert energy(signed_data(value(begin, "START"), value(end, "end"))) == 2


def test_what_begins_anew_with_each_charge_is_known() -> None:
    for register, is_of_charge in ((IMPORT, False), (AT_THE_METER, True)):
        span = read(data(reading("B", 0, RI=register), reading("E", 1, RI=register))).billed
        assert span is not None
        assert span.is_of_charge is is_of_charge


# --- what is missing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(signed_data(value(BEGIN)), "there is no end reading of energy", id="no end"),
        pytest.param(signed_data(value(END)), "there is no begin reading of energy", id="no begin"),
        pytest.param(data(), "there is no begin reading of energy", id="no readings"),
        pytest.param(data(reading("B", 1), reading("E", 2, RU="mOhm")), "no end reading", id="no unit of energy"),
        pytest.param(data(reading("B", 1), reading("E", "much")), "no end reading", id="no number"),
        pytest.param(data(reading("B", 1), reading("E", True)), "no end reading", id="a truth for a number"),
        pytest.param(data(reading("B", 1), reading("E", 1e300)), "no end reading", id="beyond all reason"),
        pytest.param(data(reading("B", 1, RI=EXPORT), reading("E", 2, RI=EXPORT)), "no begin", id="only fed back"),
        pytest.param(
            data(reading("B", 1), reading("E", 2, RI=AT_THE_METER)), "different registers", id="two registers"
        ),
        pytest.param(data(reading("B", 1), reading("E", 2, ST="M")), "the end reading has the status M", id="status"),
        pytest.param(data(reading("B", 1, ST=""), reading("E", 2)), "begin reading has no status", id="no status"),
        pytest.param(data(reading("B", 1, EF="E"), reading("E", 2, EF="")), "marked as an error", id="error of energy"),
        pytest.param(
            data(reading("B", 1), reading("B", 2), reading("E", 3)), "several begin readings", id="two begins"
        ),
        pytest.param(data(reading("B", 1, TM=END_AT), reading("E", 2, TM=BEGIN_AT)), "before the begin", id="order"),
        pytest.param(
            signed_data(value(BEGIN), value(signed(payload(reading("E", 2), page=8, MS="OTHER")))),
            "several meters",
            id="two meters",
        ),
        *(
            pytest.param(
                signed_data(value(BEGIN), value(signed(payload(reading("E", 2), PG=page)))),
                f"page {page} does not follow page T7",
                id=f"page 7, then {page}",
            )
            for page in ("T7", "T6", "F8")
        ),
    ],
)
def test_what_is_incomplete_is_said(content: Content, fault: str) -> None:
    """H06."""
    assert fault in "; ".join(read(content).faults)


@pytest.mark.parametrize("page", ["T8", "T12", "T0010", None, "", "Tx"])
def test_later_pages_and_those_without_number_are_in_order(page: str | None) -> None:
    end = signed(payload(reading("E", 120), PG=page))
    assert read(signed_data(value(BEGIN), value(end))).faults == ()


def test_an_error_of_the_time_is_none_of_the_energy() -> None:
    assert read(data(reading("B", 1, EF="t"), reading("E", 2))).faults == ()


# --- signatures ------------------------------------------------------------------------------


def more(text: str) -> str:
    return text.replace("120", "220")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(charge(key=OTHER_KEY), id="another key"),
        pytest.param(
            {**charge(key=OTHER_KEY), "public_key": public(OTHER_KEY)}, id="another key, which the CDR brings"
        ),
        pytest.param(
            signed_data(value(signed(payload(reading("B", 1), reading("E", 120)), changed=more))), id="changed since"
        ),
        pytest.param(
            signed_data(value(BEGIN), value(signed(payload(reading("E", 120), page=8), OTHER_KEY))), id="one of two"
        ),
        pytest.param(signed_data(value(BOTH.replace('"SD": "', '"SD": "zz'))), id="no hex"),
        pytest.param(signed_data(value(BOTH.replace('"SD"', '"XX"'))), id="no signature"),
        pytest.param(signed_data(value(BOTH.replace('"SD": "', '"SD": "00'))), id="no DER"),
        pytest.param(
            signed_data(value(signed(payload(reading("B", 1), reading("E", 120)), changed=more), plain=BOTH)),
            id="the plain text does not count beside a signed one",
        ),
    ],
)
def test_what_the_registered_key_did_not_sign_is_refused(content: Content) -> None:
    """H02."""
    assert refused(content) is Refused.WRONG_SIGNATURE


def test_a_changed_number_breaks_the_signature() -> None:
    record = signed(payload(reading("B", 1), reading("E", 120)))
    assert read(signed_data(value(record))).faults == ()
    assert refused(signed_data(value(more(record)))) is Refused.WRONG_SIGNATURE


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [
        pytest.param(ec.SECP256R1(), None, id="not named"),
        pytest.param(ec.SECP256R1(), "ECDSA-secp256r1-SHA256", id="secp256r1"),
        pytest.param(ec.SECP384R1(), "ECDSA-secp384r1-SHA256", id="secp384r1"),
        pytest.param(ec.SECP256K1(), "ECDSA-secp256k1-SHA256", id="secp256k1"),
        pytest.param(ec.BrainpoolP256R1(), "ECDSA-brainpool256r1-SHA256", id="brainpool, under its name in OCMF"),
        pytest.param(ec.SECP256R1(), "ECDSA-secp192r1-SHA256", id="the curve is that of the key"),
    ],
)
def test_curves_of_ocmf_are_verified(curve: ec.EllipticCurve, algorithm: str | None) -> None:
    key = new_key(curve)
    record = signed(payload(reading("B", 1), reading("E", 2)), key, algorithm)
    assert read(signed_data(value(record)), public(key)).faults == ()
    assert refused(signed_data(value(record)), public(new_key(curve))) is Refused.WRONG_SIGNATURE


def test_a_signature_in_base64_is_one_too() -> None:
    head, _, signature = BOTH.rpartition('"SD": "')
    encoded = b64encode(bytes.fromhex(signature.split('"')[0])).decode()
    record = f'{head}"SE": "base64", "SD": "{encoded}"}}'
    assert read(signed_data(value(record))).faults == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(signed_data(value("xyz", plain="xyz")), Refused.UNREADABLE, id="no record"),
        pytest.param(signed_data(), Refused.UNREADABLE, id="no value"),
        pytest.param({"encoding_method": "OCMF"}, Refused.UNREADABLE, id="no values"),
        pytest.param(
            {"encoding_method": "OCMF", "signed_values": [3, {"signed_data": 3}]}, Refused.UNREADABLE, id="odd"
        ),
        pytest.param(signed_data(value("OCMF|[]|{}")), Refused.UNREADABLE, id="a list"),
        pytest.param(signed_data(value("OCMF|{}|{")), Refused.UNREADABLE, id="half a record"),
        pytest.param(signed_data(value("OCMF|" + "[" * 9000)), Refused.UNREADABLE, id="too deep"),
        pytest.param(signed_data(value("AAA"), encoding="EDL40 Mennekes"), Refused.UNKNOWN_ENCODING, id="EDL40"),
        pytest.param({}, Refused.UNKNOWN_ENCODING, id="nothing"),
        pytest.param(
            signed_data(value(signed(payload(), algorithm="ECDSA-secp256r1-MD5"))), Refused.NOT_VERIFIABLE, id="MD5"
        ),
    ],
)
def test_what_cannot_be_read_says_nothing(content: Content, why: Refused) -> None:
    """H07."""
    assert refused(content) is why


def test_a_key_that_is_none_verifies_nothing() -> None:
    assert refused(charge(), "AAAA") is Refused.NOT_VERIFIABLE


@pytest.mark.parametrize("readings", [None, 3, "x", [3, None, "x", []], {"TX": "B"}])
def test_odd_readings_are_none(readings: Any) -> None:
    found = read(signed_data(value(signed(payload(RD=readings)))))
    assert found.billed is None
    assert found.faults


def test_texts_and_lists_are_read_up_to_a_bound() -> None:
    long = signed(payload(reading("B", 1), reading("E", 2), TT="x" * TEXT_MAX_CHARACTERS))
    assert read_record(long) is None
    many = signed_data(*[value(BEGIN)] * VALUES_MAX, value(END))
    assert "there is no end reading of energy" in read(many).faults


# --- who and which ---------------------------------------------------------------------------


def test_who_charged_is_read_from_the_last_record_that_says_it() -> None:
    begin = signed(payload(reading("B", 1), page=1, ID="", IT="NONE"))
    end = signed(payload(reading("E", 2), page=2, ID="04a2b9", IT="ISO14443", IL="TRUSTED"))
    found = read(signed_data(value(begin), value(end))).identification
    assert found is not None
    assert (found.type, found.id, found.level) == ("ISO14443", "04a2b9", "TRUSTED")
    assert read(data(reading("B", 1), reading("E", 2), ID=None)).identification is None


def test_one_payload_has_one_digest_however_it_is_encoded_and_signed() -> None:
    """D07: ECDSA gives another signature each time."""
    content = payload(reading("B", 1), reading("E", 2))
    one, other = signed(content), signed(content)
    assert one != other
    digests = {
        read(signed_data(value(record, encode=form))).digest for record in (one, other) for form in (in_hex, str)
    }
    assert len(digests) == 1
    assert read(charge()).digest not in digests


def test_a_glance_tells_the_same_without_a_key() -> None:
    found, full = glance(charge(ID="token1")), read(charge(ID="token1"))
    assert (found.digest, found.meter, found.token) == (full.digest, "METER1", "TOKEN1")
    for odd in (None, 3, {}, {"signed_values": 3}, signed_data(value("x"))):
        assert glance(odd) == glance({})


# --- keys ------------------------------------------------------------------------------------


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(public(), id="base64"),
        pytest.param(der().hex(), id="hex"),
        pytest.param(pem(KEY), id="PEM"),
        pytest.param(f"  {public()[:40]}\n{public()[40:]}\n", id="on two lines"),
    ],
)
def test_keys_are_taken_in_usual_forms(text: str) -> None:
    assert read_key(text) == public()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("hello", id="no key"),
        pytest.param("Schlüssel", id="no ASCII"),
        pytest.param(b64encode(der()[:-4]).decode(), id="half a key"),
        pytest.param(
            b64encode(
                rsa.generate_private_key(65537, 2048)
                .public_key()
                .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ).decode(),
            id="RSA",
        ),
        pytest.param("A" * (KEY_MAX_CHARACTERS + 1), id="without end"),
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NotAKey):
        read_key(text)
