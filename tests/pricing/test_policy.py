"""What the specification leaves open has names."""

from __future__ import annotations

import pytest

from hub.pricing.policy import DEFAULT, Policy, UnknownSetting, settings


def test_a_policy_is_read_from_its_settings() -> None:
    assert Policy.read({"flat": "tariff"}) == Policy(flat="tariff")
    assert Policy.read(DEFAULT.as_content()) == DEFAULT


@pytest.mark.parametrize("content", [{"flut": "tariff"}, {"flat": "once"}, {"flat": 1}, {"flat": []}])
def test_what_is_no_setting_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(UnknownSetting, match=r"policy\.fl"):
        Policy.read(content)


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.name)
def test_every_setting_has_a_rule_and_its_default_first(setting: object) -> None:
    from hub.pricing.policy import Setting

    assert isinstance(setting, Setting)
    assert setting.default == setting.values[0]
    assert setting.rule[0] in "NDTERFSVMCX"
    assert setting.says.endswith(".")
