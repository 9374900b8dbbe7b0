"""The models, the sandboxes and the descriptions in docs/openapi say the same, so that none can drift."""

from __future__ import annotations

import attrs
import pytest
from jsonschema import Draft202012Validator

import noyoauth.models as noyo_models
from tests.support.openapi.exchanges import DESCRIBED, exchange_problems
from tests.support.openapi.models import model_problems, query_problems
from tests.support.openapi.vendors import VENDORS, Vendor, every_vendor, played, route_problems

SETTINGS = [(name, switch) for name, vendor in VENDORS.items() for switch in vendor.switches]


@every_vendor
def test_descriptions_are_of_one_form(vendor: Vendor) -> None:
    """Each is OpenAPI 3.1 with valid schemas, and every call names the page it was taken from."""
    description = vendor.description
    assert description.document["openapi"].startswith("3.1.")
    for schema in description.schemas.values():
        Draft202012Validator.check_schema(schema)
    operations = list(description.operations())
    assert len({entry.name for entry in operations}) == len(operations)
    for entry in operations:
        assert entry.body["externalDocs"]["url"].startswith("https://")
        assert {name for part in entry.security for name in part} <= (
            description.document["components"]["securitySchemes"].keys()
        )
        placed = {part["name"] for part in entry.parameters if part["in"] == "path"}
        assert all(f"{{{name}}}" in entry.path for name in placed)
        assert "{" not in description.concrete(entry)


@every_vendor
def test_models_and_schemas_agree(vendor: Vendor) -> None:
    """Members, types, formats, spellings and what is required are the same in the models and in the schemas."""
    assert model_problems(vendor.description, vendor.converter, vendor.models, inner=vendor.inner) == []


@every_vendor
def test_every_model_is_accounted_for(vendor: Vendor) -> None:
    """A model is either described or said not to travel."""
    public = {
        name
        for name in vendor.module.__all__
        if attrs.has(getattr(vendor.module, name)) and not name.startswith("_")
    }
    described = {getattr(model, "__origin__", model).__name__ for model in vendor.models} - {"TokenAnswer"}
    assert public - {"TokenAnswer"} == described | vendor.beside.keys()


def test_query_and_its_model_agree() -> None:
    """The parameters of the list of groups are the fields of its request, with their defaults."""
    (asked,) = (entry for entry in DESCRIBED["noyo"].operations() if "x-query-model" in entry.body)
    assert asked.body["x-query-model"] == noyo_models.ListGroupsRequest.__name__
    assert query_problems(asked.parameters, noyo_models.ListGroupsRequest) == []
    assert query_problems(asked.parameters[1:], noyo_models.ListGroupsRequest) != []


@every_vendor
def test_hosts_are_those_of_the_package(vendor: Vendor) -> None:
    """The servers, those of single paths included, are the hosts the package knows; Nomad Media has none."""
    document = vendor.description.document
    places = [document, *document["paths"].values()]
    urls = {server["url"] for place in places for server in place.get("servers", ())}
    assert {url for url in urls if "{" not in url} == (vendor.hosts or set())


@every_vendor
async def test_every_call_is_described_and_every_description_served(vendor: Vendor) -> None:
    """The sandbox serves what is described, and nothing of signing in that is not."""
    async with vendor.sandbox() as sandbox:
        assert route_problems(vendor, vendor.description, sandbox) == set()


@every_vendor
async def test_every_operation_succeeds_as_described(vendor: Vendor) -> None:
    """Each operation is called, and answered with a success that fits its schema."""
    async with played(vendor, **vendor.full) as (_, wire):
        assert exchange_problems(vendor.description, wire) == []
        answered = {
            entry.name
            for request, answer in wire.ours + wire.raw
            if answer.status < 400
            and (entry := vendor.description.operation(request.method, request.url.path))
        }
    assert answered == {entry.name for entry in vendor.description.operations()}


@pytest.mark.slow
@pytest.mark.parametrize("name,switch", SETTINGS)
async def test_answers_fit_under_every_switch(name: str, switch: str) -> None:
    """Whatever the sandbox is set to, requests and answers are as described."""
    vendor = VENDORS[name]
    for value in vendor.switches[switch]:
        if (switch, value) not in vendor.elsewhere:
            async with played(vendor, **{switch: value}) as (_, wire):
                assert exchange_problems(vendor.description, wire) == [], value
