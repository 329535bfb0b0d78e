"""What meters say in OCPP's words, as exact numbers."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.chargers.events import MeterValue, Sample
from hub.chargers.readings import INLET, INTERVAL, Measured, measured
from tests.chargers.charges import START

D = Decimal
POWER, CURRENT = "Power.Active.Import", "Current.Import"


def value(*samples: Sample) -> MeterValue:
    return MeterValue(at=START, samples=samples)


def sample(text: str, **more: Any) -> Sample:
    return Sample(value=text, **more)


def said(*samples: Sample) -> dict[str, Any]:
    """What one meter value says, but for what it does not."""
    (one,) = measured([value(*samples)])
    values = {field.name: getattr(one, field.name) for field in fields(Measured)}
    return {name: shown for name, shown in values.items() if shown not in (None, "", START, "Sample.Periodic")}


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([sample("1234.5")], {"register_wh": D("1234.5")}, id="Wh by default"),
        pytest.param([sample("1.2345", unit="kWh")], {"register_wh": D("1234.5")}, id="kWh"),
        pytest.param([sample("12", multiplier=2)], {"register_wh": D(1200)}, id="2.x: a power of ten"),
        pytest.param([sample("12", unit="kWh", multiplier=-3)], {"register_wh": D(12)}, id="2.x: kWh in thousandths"),
        pytest.param([sample("1.1E3")], {"register_wh": D(1100)}, id="written with an exponent"),
        pytest.param([sample("11", measurand=POWER, unit="kW")], {"power_w": D(11000)}, id="kW"),
        pytest.param([sample("11000", measurand=POWER)], {"power_w": D(11000)}, id="a power of which no unit was said"),
        pytest.param(
            [
                sample(text, measurand=POWER, unit="W", phase=phase)
                for text, phase in (("1", "L1"), ("2", "L2"), ("4", "L3"))
            ],
            {"power_w": D(7)},
            id="the sum of three phases",
        ),
        pytest.param(
            [sample("9", measurand=POWER, unit="W"), sample("1", measurand=POWER, unit="W", phase="L1")],
            {"power_w": D(9)},
            id="the whole before the phases",
        ),
        pytest.param(
            [
                sample(text, measurand="Voltage", unit="V", phase=phase)
                for text, phase in (("229", "L1-N"), ("231", "L2-N"))
            ],
            {"voltage_v": D(230)},
            id="the mean of voltages",
        ),
        pytest.param(
            [sample("32", measurand=CURRENT, unit="A", phase=f"L{phase}") for phase in (1, 2, 3)],
            {"current_a": D(96)},
            id="currents add up",
        ),
        pytest.param([sample("5"), sample("7", location="Inlet")], {"register_wh": D(5)}, id="outlet before inlet"),
        pytest.param([sample("5", location="Cable")], {"register_wh": D(5)}, id="behind the cable"),
        pytest.param([sample("42", measurand="SoC", unit="Percent", location="EV")], {"soc_percent": D(42)}, id="SoC"),
        pytest.param(
            [sample("5"), sample("900", measurand="Energy.Active.Export.Register")],
            {"register_wh": D(5)},
            id="export is no import",
        ),
    ],
)
def test_a_meter_value_is_read_in_base_units(samples: list[Sample], expected: dict[str, Any]) -> None:
    found = measured([value(*samples)])
    shown = [one for one in found if one.kind == ""]
    assert {name: getattr(shown[0], name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "more"),
    [
        pytest.param("abc", {}, id="no number"),
        pytest.param("", {}, id="nothing"),
        pytest.param("NaN", {}, id="not a number"),
        pytest.param("Infinity", {}, id="endless"),
        pytest.param("1_000", {}, id="what only Python reads"),
        pytest.param("٣", {}, id="other digits"),
        pytest.param("-5", {}, id="a register below zero"),
        pytest.param("9" * 41, {}, id="too long"),
        pytest.param("1E99", {}, id="beyond all reason"),
        pytest.param("5", {"unit": "varh"}, id="another unit"),
        pytest.param("5", {"multiplier": 99}, id="a power of ten beyond reason"),
        pytest.param("101", {"measurand": "SoC", "unit": "Percent"}, id="more than full"),
    ],
)
def test_what_cannot_be_is_left_out_and_named(text: str, more: dict[str, Any]) -> None:
    shown = said(sample(text, **more))
    assert list(shown) == ["doubtful"]


def test_begin_and_end_in_one_message_are_two_readings() -> None:
    found = measured([value(sample("1", context="Transaction.Begin"), sample("9", context="Transaction.End"))])
    assert [(one.context, one.register_wh) for one in found] == [("Transaction.Begin", D(1)), ("Transaction.End", D(9))]


def test_an_inlet_and_an_interval_are_registers_of_their_own() -> None:
    interval = sample("2", measurand="Energy.Active.Import.Interval")
    found = measured([value(sample("5"), sample("7", location="Inlet"), interval)])
    assert {one.kind: one.register_wh for one in found} == {"": D(5), INLET: D(7), INTERVAL: D(2)}


words = st.text(max_size=12) | st.sampled_from(["1", "-1", "1e5", "Wh", "kWh", "L1", "N", POWER, "Voltage", "SoC"])


@given(
    st.lists(
        st.builds(
            Sample,
            value=words,
            measurand=words | st.sampled_from([POWER, CURRENT, "Energy.Active.Import.Register"]),
            unit=words,
            multiplier=st.integers(-100, 100),
            phase=words,
            context=words,
            location=words,
        )
    )
)
def test_nothing_that_a_station_may_say_raises(samples: list[Sample]) -> None:
    for one in measured([value(*samples)]):
        assert len(one.key) == 40
