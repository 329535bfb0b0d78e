"""What the specification leaves open has names."""

from __future__ import annotations

import pytest

from hub.pricing.policy import DEFAULT, Policy, Setting, TariffPolicy, UnknownSetting, settings
from hub.pricing.tariff import compile_tariff
from ocpi_modules.types import encode_json

ENERGY = {"type": "ENERGY", "price": 0.39999, "step_size": 1}
TARIFF = encode_json({"id": "T", "currency": "EUR", "elements": [{"price_components": [ENERGY]}]})


def test_a_policy_is_read_from_its_settings() -> None:
    assert Policy.read({"flat": "tariff"}) == Policy(flat="tariff")
    assert Policy.read(DEFAULT.as_content()) == DEFAULT


@pytest.mark.parametrize("content", [{"flut": "tariff"}, {"flat": "once"}, {"flat": 1}, {"flat": []}])
def test_what_is_no_setting_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(UnknownSetting, match=r"policy\.fl"):
        Policy.read(content)


def test_one_setting_is_changed() -> None:
    changed = Policy(step_size="none").changed("flat", "tariff")
    assert changed == Policy(step_size="none", flat="tariff")
    with pytest.raises(UnknownSetting, match=r"policy\.flut"):
        DEFAULT.changed("flut", "tariff")
    with pytest.raises(UnknownSetting, match=r"policy\.flat"):
        DEFAULT.changed("flat", "once")


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.name)
def test_a_tariff_is_compiled_anew_for_the_settings_that_are_about_tariffs_only(setting: Setting) -> None:
    plain = compile_tariff(TARIFF, DEFAULT)
    for value in setting.values[1:]:
        is_same = compile_tariff(TARIFF, DEFAULT.changed(setting.name, value)) is plain
        assert is_same is (setting.name not in TariffPolicy._fields), value


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.name)
def test_every_setting_has_a_rule_and_its_default_first(setting: Setting) -> None:
    assert setting.default == setting.values[0]
    assert setting.rule[0] in "NDTERFSVMCX"
    assert setting.says.endswith(".")
