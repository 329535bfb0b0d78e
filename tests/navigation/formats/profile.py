"""`python -m tests.navigation.formats.profile FOLDER`: the German AFIR publications of the tests, validated by the profile's own schemas.

FOLDER is the folder "Schema und Beispiele" of version 01-00-00 in a copy of github.com/MobilithekDE/AFIR-DATEX-II-Recharging-Profil. That
repository says nothing of a licence, so its files are not part of this project.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Resource
from referencing.jsonschema import EMPTY_REGISTRY

from hub.navigation.formats.afir import dynamic_json, static_json
from tests.navigation.formats.samples import EDITION, PLACES, PRICES

PUBLICATIONS = {
    "EnergyInfrastructureTablePublication/DATEXII_3_D2Payload.json": lambda: static_json(PLACES, EDITION, PRICES),
    "EnergyInfrastructureStatusPublication/DATEXII_3_MessageContainer.json": lambda: dynamic_json(PLACES, EDITION),
}


def problems(folder: Path) -> Iterator[str]:
    """What the schemas in `folder` find wrong, one sentence each."""
    for schema, publication in PUBLICATIONS.items():
        document = json.loads(b"".join(publication()))
        for error in _validator(folder / schema).iter_errors(document):
            yield f"{schema}: {error.json_path}: {error.message}"


def _validator(schema: Path) -> Draft202012Validator:
    registry = EMPTY_REGISTRY
    for path in schema.parent.glob("DATEXII_*.json"):
        registry = registry.with_resource(
            path.name, Resource.from_contents(json.loads(path.read_text(encoding="utf-8")))
        )
    return Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")), registry=registry)


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    sys.stdout.write("\n".join([*found, f"{len(found)} problems"]) + "\n")
    sys.exit(bool(found))
