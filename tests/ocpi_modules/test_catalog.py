"""The one table of modules: complete, and at one with itself."""

from __future__ import annotations

from itertools import chain

import pytest

from ocpi_modules.catalog import FUNCTIONAL, MODULES, VERSION
from ocpi_modules.module import Interface, Module, Operation, Purpose
from ocpi_modules.parties import Role

S, R = Interface.SENDER, Interface.RECEIVER
EACH = [pytest.param(module, id=module.id) for module in MODULES.values()]
KEPT = [pytest.param(module, id=module.id) for module in MODULES.values() if module.is_kept]


def operations(module: Module) -> list[Operation]:
    return list(chain(module.sender, module.receiver))


def test_the_table_holds_the_modules_of_this_version_under_their_own_names() -> None:
    """V-04."""
    assert VERSION == "2.2.1"
    assert set(MODULES) == {
        "credentials",
        "locations",
        "sessions",
        "cdrs",
        "tariffs",
        "tokens",
        "commands",
        "chargingprofiles",
        "hubclientinfo",
    }
    assert all(module.id == name for name, module in MODULES.items())


def test_functional_modules_have_both_interfaces_and_configuration_modules_are_not_routed() -> None:
    """V-04, R-05."""
    assert [module.id for module in FUNCTIONAL] == [
        "locations",
        "sessions",
        "cdrs",
        "tariffs",
        "tokens",
        "commands",
        "chargingprofiles",
    ]
    assert all(module.sender and module.receiver for module in FUNCTIONAL)
    assert all(module.senders and module.receivers for module in FUNCTIONAL)


@pytest.mark.parametrize(
    ("module_id", "senders", "receivers"),
    [
        pytest.param("locations", "CPO NAP", "EMSP NAP NSP OTHER", id="B-06 a NAP both gives and takes"),
        pytest.param("tariffs", "CPO NAP", "EMSP NAP NSP OTHER", id="B-06 tariffs as locations"),
        pytest.param("sessions", "CPO", "EMSP OTHER SCSP", id="B-06 an SCSP follows sessions"),
        pytest.param("cdrs", "CPO", "EMSP OTHER", id="money has two sides"),
        pytest.param("tokens", "EMSP OTHER", "CPO", id="G-04 tokens are for those who charge cars"),
        pytest.param("commands", "EMSP OTHER", "CPO", id="CM-01 commands go to the CPO"),
    ],
)
def test_the_roles_of_a_module_are_those_of_the_terminology_table(module_id: str, senders: str, receivers: str) -> None:
    module = MODULES[module_id]
    assert {role.value for role in module.senders} == set(senders.split())
    assert {role.value for role in module.receivers} == set(receivers.split())


def test_only_shareable_data_is_broadcast_and_what_belongs_to_one_emsp_never_is() -> None:
    """B-03, B-04, B-11."""
    assert {module.id for module in MODULES.values() if module.is_broadcast} == {"locations", "tariffs", "tokens"}
    assert {module.id for module in MODULES.values() if module.is_addressed} == {"sessions", "cdrs"}


def test_a_hub_takes_part_in_hubclientinfo_alone() -> None:
    """M-12, X-14."""
    taking_part = {module.id for module in MODULES.values() if Role.HUB in module.senders | module.receivers}
    assert taking_part == {"hubclientinfo"}


@pytest.mark.parametrize("module", KEPT)
def test_a_kept_module_has_an_object_with_owner_key_and_date(module: Module) -> None:
    assert module.object is not None
    assert {"country_code", "party_id", "last_updated", module.key} <= set(module.object.model_fields)


@pytest.mark.parametrize("module", KEPT)
def test_an_addressed_object_names_its_emsp_and_the_others_do_not(module: Module) -> None:
    """SE-11, X-46."""
    assert module.object is not None
    assert ("cdr_token" in module.object.model_fields) is module.is_addressed


@pytest.mark.parametrize("module", EACH)
def test_the_fields_that_the_table_speaks_of_exist(module: Module) -> None:
    for depth, part in enumerate(module.parts):
        assert part.field in module.object_at(depth).model_fields
        assert {part.id_field, "last_updated"} <= set(part.object.model_fields)
    for field in module.appends:
        assert module.object is not None
        assert field in module.object.model_fields
    if module.variant:
        assert module.object is not None
        assert module.variant.parameter in module.object.model_fields


@pytest.mark.parametrize("module", EACH)
def test_what_is_final_is_only_added_and_read(module: Module) -> None:
    """CD-05, M-07."""
    purposes = {operation.purpose for operation in operations(module)}
    if module.is_final:
        assert purposes == {Purpose.LIST, Purpose.ADD, Purpose.READ}
    else:
        assert module.id == "credentials" or Purpose.ADD not in purposes


@pytest.mark.parametrize("module", EACH)
def test_every_path_has_one_meaning_for_each_method(module: Module) -> None:
    for interface in (S, R):
        said = [
            (operation.method, length)
            for operation in module.operations(interface)
            for length in range(len(operation.path) - operation.optional, len(operation.path) + 1)
        ]
        assert len(said) == len(set(said))


@pytest.mark.parametrize("module", EACH)
def test_pushes_carry_a_body_unless_they_remove(module: Module) -> None:
    for operation in operations(module):
        if operation.purpose.is_push:
            assert operation.has_body is (operation.purpose is not Purpose.REMOVE)


@pytest.mark.parametrize("module", [pytest.param(module, id=module.id) for module in FUNCTIONAL])
def test_whatever_is_asked_of_one_party_says_how_to_find_it(module: Module) -> None:
    """O-03."""
    acts = [operation for operation in operations(module) if operation.purpose is Purpose.ACT]
    lost = [operation for operation in acts if operation.destination is None]
    assert [(module.id, operation.method) for operation in lost] in (
        [],
        [("chargingprofiles", "PUT")],
    )  # CP-07: needs TO
