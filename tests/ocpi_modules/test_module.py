"""Which operation a method and a path mean: the 405 matrix (M-02 to M-12) and what an operation says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi_modules.catalog import MODULES
from ocpi_modules.cdrs import CDR
from ocpi_modules.commands import StartSession
from ocpi_modules.errors import MethodNotAllowed, UnknownPath
from ocpi_modules.locations import EVSE, Connector, Location
from ocpi_modules.module import Interface, Purpose
from ocpi_modules.parties import Role

S, R = Interface.SENDER, Interface.RECEIVER
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def segments(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")) if path else ()


@pytest.mark.parametrize(
    ("module_id", "interface", "path", "offered"),
    [
        pytest.param("credentials", S, "", "DELETE GET POST PUT", id="M-02 credentials: no PATCH"),
        pytest.param("locations", S, "", "GET", id="M-03 the list is only read"),
        pytest.param("locations", S, "L1", "GET", id="M-03 an object is only read"),
        pytest.param("locations", S, "L1/E1/1", "GET", id="M-03 a connector is only read"),
        pytest.param("locations", R, "DE/CP1/L1", "GET PATCH PUT", id="M-04 no POST, no DELETE"),
        pytest.param("locations", R, "DE/CP1/L1/E1", "GET PATCH PUT", id="M-04 the same for an EVSE"),
        pytest.param("locations", R, "DE/CP1/L1/E1/1", "GET PATCH PUT", id="M-04 the same for a connector"),
        pytest.param("sessions", S, "", "GET", id="M-05 the list is only read"),
        pytest.param("sessions", S, "1/charging_preferences", "PUT", id="M-05 preferences are only set"),
        pytest.param("sessions", R, "DE/CP1/1", "GET PATCH PUT", id="M-06 a session is never deleted"),
        pytest.param("cdrs", S, "", "GET", id="M-07 the list is only read"),
        pytest.param("cdrs", R, "", "POST", id="M-07 the collection only takes"),
        pytest.param("cdrs", R, "DE/CP1/1", "GET", id="M-07 a CDR never changes"),
        pytest.param("tariffs", S, "", "GET", id="M-08 the list is only read"),
        pytest.param("tariffs", R, "DE/CP1/T1", "DELETE GET PUT", id="M-08 no PATCH since 2.2"),
        pytest.param("tokens", S, "", "GET", id="M-09 the list is only read"),
        pytest.param("tokens", S, "U1/authorize", "POST", id="M-09 authorize is a POST"),
        pytest.param("tokens", R, "NL/MS1/U1", "GET PATCH PUT", id="M-09 a token is never deleted"),
        pytest.param("commands", R, "START_SESSION", "POST", id="M-10 a command is a POST"),
        pytest.param("commands", S, "c-1", "POST", id="M-10 a result is a POST"),
        pytest.param("chargingprofiles", R, "1", "DELETE GET PUT", id="M-11 no POST, no PATCH"),
        pytest.param("chargingprofiles", S, "1", "POST PUT", id="M-11 results and active profiles"),
        pytest.param("hubclientinfo", S, "", "GET", id="M-12 the list is only read"),
    ],
)
def test_a_path_takes_its_own_methods_and_names_them_to_all_others(
    module_id: str, interface: Interface, path: str, offered: str
) -> None:
    module, allowed = MODULES[module_id], tuple(offered.split())
    for method in METHODS:
        if method in allowed:
            assert module.find(interface, method, segments(path)).method == method
        else:
            with pytest.raises(MethodNotAllowed) as refused:
                module.find(interface, method, segments(path))
            assert (refused.value.http_status, refused.value.allowed) == (405, allowed)


@pytest.mark.parametrize(
    ("module_id", "interface", "method", "path", "http_status"),
    [
        pytest.param("sessions", S, "PUT", "123", 404, id="M-05 a PUT only fits the preferences"),
        pytest.param("sessions", S, "POST", "123", 405, id="M-05 no POST anywhere here"),
        pytest.param("sessions", S, "PATCH", "123", 405, id="M-05 no PATCH anywhere here"),
        pytest.param("sessions", R, "PATCH", "DE/CP1/1/charging_periods", 404, id="M-06 no deeper segments"),
        pytest.param("locations", R, "POST", "", 405, id="M-04 POST is not offered on the collection"),
        pytest.param("locations", R, "PUT", "DE/CP1", 404, id="an owner is no location"),
        pytest.param("locations", R, "PUT", "DE/CP1/L1/E1/1/2", 404, id="nothing is below a connector"),
        pytest.param("locations", S, "GET", "L1/E1/1/2", 404, id="nothing is below a connector, sender side"),
        pytest.param("cdrs", R, "POST", "DE/CP1", 404, id="CD-02 a CDR is posted to the bare URL"),
        pytest.param("cdrs", R, "PUT", "", 405, id="M-07 a CDR is not put"),
        pytest.param("cdrs", R, "DELETE", "", 405, id="M-07 a CDR is not deleted"),
        pytest.param("tokens", S, "PUT", "", 405, id="M-09 the list is not put"),
        pytest.param("tokens", S, "POST", "U1/Authorize", 404, id="literal segments are lower case"),
        pytest.param("tokens", S, "POST", "U1", 404, id="a uid alone authorises nothing"),
        pytest.param("commands", R, "GET", "", 405, id="M-10 GET is not offered at all"),
        pytest.param("commands", R, "POST", "", 404, id="a command has a name"),
        pytest.param("credentials", R, "GET", "", 404, id="V-05 there is no other interface of credentials"),
    ],
)
def test_a_path_that_fits_nothing_is_not_found_or_not_allowed(
    module_id: str, interface: Interface, method: str, path: str, http_status: int
) -> None:
    with pytest.raises((UnknownPath, MethodNotAllowed)) as refused:
        MODULES[module_id].find(interface, method, segments(path))
    assert refused.value.http_status == http_status
    assert isinstance(refused.value, MethodNotAllowed) is (http_status == 405)


@pytest.mark.parametrize(
    ("module_id", "interface", "method", "path", "keys"),
    [
        pytest.param("locations", S, "GET", "", (), id="a list has no keys"),
        pytest.param("locations", S, "GET", "L1/E1", ("L1", "E1"), id="L-02 no owner on the sender side"),
        pytest.param("locations", R, "PUT", "DE/CP1/L1/E1/1", ("DE", "CP1", "L1", "E1", "1"), id="L-04 five keys"),
        pytest.param("tokens", S, "POST", "U1/authorize", ("U1",), id="a literal is no key"),
        pytest.param("sessions", S, "PUT", "7/charging_preferences", ("7",), id="a literal is no key, again"),
        pytest.param("tokens", S, "POST", "authorize/authorize", ("authorize",), id="an id may look like a literal"),
    ],
)
def test_keys_are_the_variable_segments_in_order(
    module_id: str, interface: Interface, method: str, path: str, keys: tuple[str, ...]
) -> None:
    operation = MODULES[module_id].find(interface, method, segments(path))
    assert operation.keys_of(segments(path)) == keys


@pytest.mark.parametrize(
    ("path", "depth", "body", "id_field"),
    [
        pytest.param("DE/CP1/L1", 0, Location, "id", id="the location"),
        pytest.param("DE/CP1/L1/E1", 1, EVSE, "uid", id="an EVSE of it"),
        pytest.param("DE/CP1/L1/E1/1", 2, Connector, "id", id="a connector of that"),
    ],
)
def test_a_deeper_path_means_a_part_with_its_own_class_and_id(path: str, depth: int, body: type, id_field: str) -> None:
    """L-04, L-07, L-09."""
    module = MODULES["locations"]
    operation = module.find(R, "PUT", segments(path))
    keys = operation.keys_of(segments(path))
    assert module.depth(operation, keys) == depth
    assert operation.body_class(keys) is body
    assert (module.object_at(depth), module.id_field_at(depth)) == (body, id_field)


def test_a_module_without_parts_has_no_depth() -> None:
    module = MODULES["sessions"]
    operation = module.find(R, "PUT", segments("DE/CP1/1"))
    assert module.depth(operation, operation.keys_of(segments("DE/CP1/1"))) == 0


def test_the_name_of_a_command_chooses_its_body_and_an_unknown_name_has_none() -> None:
    """CM-01."""
    operation = MODULES["commands"].find(R, "POST", ("START_SESSION",))
    assert operation.body_class(("START_SESSION",)) is StartSession
    assert operation.body_class(("start_session",)) is None
    assert operation.body_class(("DANCE",)) is None


def test_an_operation_without_a_body_has_no_body_class() -> None:
    operation = MODULES["cdrs"].find(R, "GET", ("DE", "CP1", "1"))
    assert not operation.has_body
    assert operation.body_class(("DE", "CP1", "1")) is None
    posted = MODULES["cdrs"].find(R, "POST", ())
    assert (posted.has_body, posted.body_class(())) == (True, CDR)


@pytest.mark.parametrize(
    ("query", "content", "variant"),
    [
        pytest.param({}, None, "RFID", id="TK-01 the default"),
        pytest.param({"type": "APP_USER"}, None, "APP_USER", id="TK-02 the query"),
        pytest.param({"type": "app_user"}, None, "APP_USER", id="Y-04 in whatever case"),
        pytest.param({"type": ""}, {"type": "OTHER"}, "OTHER", id="X-20 an empty query is none"),
        pytest.param({}, {"type": "AD_HOC_USER"}, "AD_HOC_USER", id="X-48 the body where the query is silent"),
        pytest.param({"type": "RFID"}, {"type": "OTHER"}, "RFID", id="the query is asked first"),
        pytest.param({}, {"type": 7}, "RFID", id="a type that is no text is none"),
        pytest.param({}, ["type"], "RFID", id="a body that is no object has no type"),
    ],
)
def test_the_type_of_a_token_is_half_of_its_key(query: dict[str, str], content: Any, variant: str) -> None:
    assert MODULES["tokens"].variant_of(query, content) == variant


def test_other_modules_have_no_variant() -> None:
    assert MODULES["locations"].variant_of({"type": "APP_USER"}, {"type": "APP_USER"}) == ""


def test_pushes_are_what_changes_an_object_and_nothing_else() -> None:
    pushes = {purpose for purpose in Purpose if purpose.is_push}
    assert pushes == {Purpose.REPLACE, Purpose.UPDATE, Purpose.ADD, Purpose.REMOVE}


def test_an_operation_is_owned_when_its_url_names_the_owner() -> None:
    """L-02, L-04, CD-02."""
    assert MODULES["locations"].find(R, "PUT", ("DE", "CP1", "L1")).is_owned
    assert not MODULES["locations"].find(S, "GET", ("DE", "CP1", "L1")).is_owned
    assert not MODULES["cdrs"].find(R, "POST", ()).is_owned


def test_who_calls_one_interface_serves_the_other() -> None:
    module = MODULES["tokens"]
    assert module.implementers(S) == module.callers(R) == {Role.EMSP, Role.OTHER}
    assert module.implementers(R) == module.callers(S) == {Role.CPO}
