"""The API description shows what is served, because both are read from the module table."""

from __future__ import annotations

import re

import pytest

from hub.web.openapi import ocpi_paths
from ocpi_modules.catalog import FUNCTIONAL
from ocpi_modules.module import Interface, Module
from tests.conftest import World


@pytest.mark.parametrize("module", FUNCTIONAL, ids=lambda module: module.id)
def test_every_operation_of_the_table_is_described(module: Module) -> None:
    described = ocpi_paths()
    for interface in Interface:
        base = f"/ocpi/2.2.1/{interface.value.lower()}/{module.id}"
        for operation in module.operations(interface):
            paths = [path for path, methods in described.items() if operation.method.lower() in methods]
            assert any(path.startswith(base) for path in paths)


async def test_the_description_is_whole(world: World) -> None:
    """Every reference leads somewhere."""
    made = (await world.admin.get("/openapi.json")).json()
    wanted = set(re.findall(r"#/components/schemas/([\w.-]+)", str(made)))
    assert "Location" in wanted
    assert wanted <= made["components"]["schemas"].keys()
