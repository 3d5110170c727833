"""The interface's document: generated, committed, valid, and of every route that the functions serve."""

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from strongroom_service.entry.api.application import READER_ROUTES
from strongroom_service.entry.api.openapi import FILE, encode, generate


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The committed document."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def test_the_committed_document_is_the_one_that_the_routes_make() -> None:
    """After a change: `make openapi`."""
    assert FILE.read_text(encoding="utf-8") == encode(generate())


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_the_readers_declared_routes_are_those_it_serves(document: dict[str, Any]) -> None:
    for path, method in READER_ROUTES.items():
        assert method.lower() in document["paths"][path.replace("{path:path}", "{path}")]


def test_every_operation_has_a_name_and_the_errors_of_every_call(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert {"400", "429", "500", "502", "503", "504"} <= operation["responses"].keys()
        assert "422" not in operation["responses"]
        signed = operation.get("security", document["security"]) != []
        assert signed == (operation["operationId"] != "getHealth")
