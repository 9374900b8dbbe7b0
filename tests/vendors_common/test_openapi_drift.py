"""No drift between models, sandboxes and descriptions goes unnoticed: each kind is planted, and found."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any

import attrs
import pytest

import nombaauth.models as nomba_models
from nauth.wire.converter import Unit, make_converter
from tests.support.openapi.description import Description
from tests.support.openapi.exchanges import Wire, exchange_problems
from tests.support.openapi.models import model_problems
from tests.support.openapi.vendors import VENDORS, Vendor, every_vendor, played, route_problems


@every_vendor
@pytest.mark.slow
def test_drift_between_models_and_schemas_is_found(vendor: Vendor) -> None:
    """Each renamed, dropped, retyped or newly required member of each schema, and each lost schema, is noticed."""

    def problems(spoiled: Description) -> list[str]:
        return model_problems(spoiled, vendor.converter, vendor.models, inner=vendor.inner)

    for name, schema in vendor.description.schemas.items():
        if "x-not-a-model" in schema:
            continue
        lost = vendor.description.copy()
        lost.schemas[f"{name}Anew"] = lost.schemas[name] | {"x-not-a-model": "moved"}
        del lost.schemas[name]["type"]
        lost.schemas[name]["x-not-a-model"] = "says so"
        assert problems(lost), name
        for member, part in schema.get("properties", {}).items():
            if part.get("x-ignored", False):
                continue
            for spoil in (_rename, _drop, _retype, _require, _respell):
                spoiled = vendor.description.copy()
                spoil(spoiled.schemas[name], member)
                assert problems(spoiled), (name, member, spoil.__name__)


def _rename(schema: dict[str, Any], member: str) -> None:
    schema["properties"][f"{member}_"] = schema["properties"].pop(member)


def _drop(schema: dict[str, Any], member: str) -> None:
    del schema["properties"][member]


def _retype(schema: dict[str, Any], member: str) -> None:
    schema["properties"][member] = {"type": "boolean", "format": "another"}


def _require(schema: dict[str, Any], member: str) -> None:
    schema["required"] = sorted(set(schema.get("required", ())) ^ {member})


def _respell(schema: dict[str, Any], member: str) -> None:
    schema["properties"][member]["x-also-read"] = ["another"]


def test_drift_of_a_model_is_found() -> None:
    """A model that gains a field, or a status that gains a value, is noticed."""

    @attrs.frozen(kw_only=True)
    class TokenData(nomba_models.TokenData):
        token_type: str | None = None

    nomba = VENDORS["nomba"]
    others = tuple(model for model in nomba.models if model is not nomba_models.TokenData)
    assert model_problems(nomba.description, nomba.converter, (TokenData, *others)) == [
        "TokenData.tokenType: not in the schema"
    ]
    nomad = VENDORS["nomad"]
    spoiled = nomad.description.copy()
    spoiled.schemas["LoginStatus"]["x-known-values"].pop()
    assert model_problems(spoiled, nomad.converter, nomad.models) == ["LoginStatus: known values"]


def test_durations_carry_their_unit() -> None:
    """A duration on the wire is a number whose format names the unit."""

    @attrs.frozen
    class Pause:
        after: Annotated[timedelta, Unit.MS]

    def described(unit: str) -> Description:
        part = {"type": "number", "format": unit}
        schema = {"type": "object", "required": ["after"], "properties": {"after": part}}
        answer = {
            "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pause"}}}}
        }
        paths = {"/": {"get": {"responses": answer}}}
        return Description({"paths": paths, "components": {"schemas": {"Pause": schema}}})

    assert model_problems(described("milliseconds"), make_converter(), (Pause,)) == []
    assert model_problems(described("seconds"), make_converter(), (Pause,)) != []


@every_vendor
async def test_drift_on_the_wire_is_found(vendor: Vendor) -> None:
    """A lost path, status, member, header or way to sign in is noticed by the exchanges that were recorded."""
    async with played(vendor, **vendor.full) as (sandbox, wire):
        for entry in vendor.description.operations():
            spoiled = vendor.description.copy()
            del spoiled.document["paths"][entry.path][entry.method.lower()]
            assert route_problems(vendor, spoiled, sandbox)
            assert exchange_problems(spoiled, wire), entry.name
            spoiled = vendor.description.copy()
            operation = spoiled.document["paths"][entry.path][entry.method.lower()]
            operation["responses"] = {"599": {"description": "never"}}
            assert exchange_problems(spoiled, wire), entry.name
        seen = _seen(vendor.description, wire)
        assert len(seen) >= 3
        for name, member in sorted(seen):
            spoiled = vendor.description.copy()
            del spoiled.schemas[name]["properties"][member]
            assert exchange_problems(spoiled, wire), (name, member)
        spoiled = vendor.description.copy()
        for scheme in spoiled.document["components"]["securitySchemes"].values():
            scheme |= {"type": "http", "scheme": "digest"}
        assert exchange_problems(spoiled, wire)


def _seen(description: Description, wire: Wire) -> set[tuple[str, str]]:
    """Return schema and member for what stood in a recorded body that one closed schema describes by itself."""
    found: set[tuple[str, str]] = set()
    for request, answer in wire.ours:
        entry = description.operation(request.method, request.url.path)
        assert entry is not None
        response = description.resolved(entry.body["responses"][str(answer.status)])
        for part, body in ((entry.body.get("requestBody", {}), request.body), (response, answer.body)):
            schema = part.get("content", {}).get("application/json", {}).get("schema", {})
            name = schema.get("$ref", "").rpartition("/")[2]
            closed = "properties" in description.schemas.get(name, {})
            if body and closed and description.schemas[name].get("additionalProperties") is not True:
                found |= {(name, member) for member in json.loads(body)}
    return found
