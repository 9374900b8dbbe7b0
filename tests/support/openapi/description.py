"""An OpenAPI description, and what an exchange on the wire has against it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import attrs
import yaml
from jsonschema import Draft202012Validator
from yarl import URL

from nauth.transport.base import Answer, Request

__all__ = ["Description", "Json", "Operation", "answer_problems", "request_problems"]

Json: TypeAlias = dict[str, Any]

_METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})
_FORM = "application/x-www-form-urlencoded"
_SCHEMAS = "#/components/schemas/"


@attrs.frozen
class Operation:
    """One method of one path, its references resolved one level deep."""

    method: str
    path: str
    body: Json = attrs.field(repr=False)
    parameters: tuple[Json, ...] = attrs.field(repr=False)
    security: tuple[Json, ...] = attrs.field(repr=False)

    @property
    def name(self) -> str:
        return str(self.body["operationId"])


class Description:
    """A parsed description. `copy` gives one that may be spoiled, before it is first asked."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._validators: dict[str, Draft202012Validator] = {}

    @classmethod
    def read(cls, path: Path) -> Description:
        # through JSON: anchors make shared objects, and spoiling one must not spoil the other
        return cls(json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")))))

    def copy(self) -> Description:
        return Description(copy.deepcopy(self.document))

    @property
    def schemas(self) -> Json:
        found: Json = self.document["components"]["schemas"]
        return found

    @property
    def base_path(self) -> str:
        """What stands before every path, such as ``/api``."""
        _, _, rest = str(self.document["servers"][0]["url"]).partition("://")
        return "/" + path if (path := rest.partition("/")[2]) else ""

    def resolved(self, part: Json) -> Json:
        """Follow a reference, if `part` is one."""
        reference = part.get("$ref")
        if reference is None:
            return part
        found: Any = self.document
        for step in str(reference).removeprefix("#/").split("/"):
            found = found[step]
        return self.resolved(found)

    def operations(self) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method in _METHODS & item.keys():
                body: Json = item[method]
                given = [*item.get("parameters", ()), *body.get("parameters", ())]
                yield Operation(
                    method.upper(),
                    path,
                    body,
                    tuple(map(self.resolved, given)),
                    tuple(body["security"] if "security" in body else self.document.get("security", ())),
                )

    def operation(self, method: str, path: str) -> Operation | None:
        """Return the operation that a request to `path` means."""
        below = path.removeprefix(self.base_path)
        for known in self.operations():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(known.path))
            if known.method == method and re.fullmatch(pattern, below):
                return known
        return None

    def concrete(self, operation: Operation) -> str:
        """Return the operation's path with base and examples filled in."""
        examples = {
            entry["name"]: entry["example"] for entry in operation.parameters if entry["in"] == "path"
        }
        return self.base_path + operation.path.format(**examples)

    def referred(self, *roots: object) -> frozenset[str]:
        """Return the names of the schemas that can be reached from `roots`."""
        found: set[str] = set()
        pending = list(roots)
        while pending:
            part = pending.pop()
            if isinstance(part, list):
                pending += part
            elif isinstance(part, dict):
                pending += part.values()
                reference = str(part.get("$ref", ""))
                if reference:
                    name = reference.removeprefix(_SCHEMAS)
                    if name not in found:
                        found |= {name} if reference.startswith(_SCHEMAS) else set()
                        pending.append(self.resolved(part))
        return frozenset(found)

    def sent(self) -> frozenset[str]:
        """Return the names of the schemas that requests are made of."""
        return self.referred(*(operation.body.get("requestBody") for operation in self.operations()))

    def received(self) -> frozenset[str]:
        """Return the names of the schemas that answers are made of."""
        return self.referred(*(operation.body["responses"] for operation in self.operations()))

    def problems_with(self, schema: Json, value: object) -> list[str]:
        """Say what `value` has against `schema`, read strictly: a member that is not described is one."""
        key = json.dumps(schema)
        if key not in self._validators:
            whole = _strict({**schema, "components": {"schemas": self.schemas}})
            self._validators[key] = Draft202012Validator(whole)
        return [f"{error.json_path}: {error.validator}" for error in self._validators[key].iter_errors(value)]


def request_problems(description: Description, request: Request) -> list[str]:
    """Say where `request` is not as described; nothing where it is."""
    operation = description.operation(request.method, request.url.path)
    if operation is None:
        return [f"{request.method} {request.url.path}: not described"]
    found = [
        *_parameter_problems(description, operation, request),
        *_security_problems(description, operation, request),
        *_body_problems(description, operation, request),
    ]
    return [f"{operation.name}: {problem}" for problem in found]


def answer_problems(description: Description, request: Request, answer: Answer) -> list[str]:
    """Say where `answer` is not as described; nothing where it is."""
    operation = description.operation(request.method, request.url.path)
    if operation is None:
        return [f"{request.method} {request.url.path}: not described"]
    responses: Json = operation.body["responses"]
    if str(answer.status) not in responses:
        return [f"{operation.name}: status {answer.status} is not described"]
    response = description.resolved(responses[str(answer.status)])
    where = f"{operation.name} {answer.status}"
    wanted = [
        name for name in response.get("headers", ()) if name == "Location" and name not in answer.headers
    ]
    if wanted:
        return [f"{where}: header Location is missing"]
    content: Json = response.get("content", {})
    if not answer.body:
        empty = not content or response.get("x-may-be-empty", False)
        return [] if empty else [f"{where}: an empty body is not described"]
    if answer.content_type not in content:
        return [f"{where}: {answer.content_type} is not described"]
    if "json" not in answer.content_type:
        return []
    schema: Json = content[answer.content_type].get("schema", {})
    return [f"{where}: {problem}" for problem in description.problems_with(schema, json.loads(answer.body))]


def _parameter_problems(description: Description, operation: Operation, request: Request) -> Iterator[str]:
    query = dict(URL(request.url).query)
    for parameter in operation.parameters:
        place, name = parameter["in"], parameter["name"]
        given = {"query": query, "header": request.headers}.get(place, {name: "-"}).get(name)
        if given is None:
            if parameter.get("required", False):
                yield f"{place} {name} is missing"
            continue
        whole_number = parameter["schema"].get("type") == "integer" and given.isdecimal()
        value: object = int(given) if whole_number else given
        yield from (
            f"{place} {name} {problem}" for problem in description.problems_with(parameter["schema"], value)
        )
    known = {parameter["name"] for parameter in operation.parameters if parameter["in"] == "query"}
    yield from (f"query {name} is not described" for name in query.keys() - known)


def _security_problems(description: Description, operation: Operation, request: Request) -> Iterator[str]:
    given = request.headers.get("Authorization")
    if given is None:
        if operation.security and {} not in operation.security:
            yield "Authorization is missing"
        return
    schemes: Json = description.document["components"]["securitySchemes"]
    allowed = [_lead(schemes[name]) for entry in operation.security for name in entry]
    lead = given.partition(" ")[0] if " " in given else ""
    if lead not in allowed:
        yield f"Authorization comes as {lead or 'a bare value'}, described is {allowed}"


def _lead(scheme: Json) -> str:
    """Return the word before the credential; nothing for a bare one."""
    if scheme["type"] == "http":
        return str(scheme["scheme"]).capitalize()
    return "Bearer" if scheme["type"] == "oauth2" else str(scheme.get("x-scheme", ""))


def _body_problems(description: Description, operation: Operation, request: Request) -> Iterator[str]:
    described: Json = operation.body.get("requestBody", {})
    if request.body is None:
        if described.get("required", False):
            yield "the body is missing"
        return
    kind = request.headers.get("Content-Type", "")
    if kind not in described.get("content", {}):
        yield f"a body of {kind or 'no type'} is not described"
        return
    value = dict(parse_qsl(request.body.decode())) if kind == _FORM else json.loads(request.body)
    yield from description.problems_with(described["content"][kind]["schema"], value)


def _strict(part: Any) -> Any:
    """Close every object that does not say it is open, and take the further spellings for the first."""
    if isinstance(part, list):
        return [_strict(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    # what stands under `properties` are names, not keywords
    made: Json = {
        key: {name: _strict(entry) for name, entry in value.items()}
        if key in {"properties", "schemas"}
        else _strict(value)
        for key, value in part.items()
    }
    properties: Mapping[str, Any] = part.get("properties", {})
    if not isinstance(part.get("properties"), dict) or part.get("type") != "object":
        return made
    made.setdefault("additionalProperties", False)
    others = {name: entry.get("x-also-read", []) for name, entry in properties.items()}
    for name, spellings in others.items():
        made["properties"] |= dict.fromkeys(spellings, made["properties"][name])
    required = part.get("required", [])
    made["required"] = [name for name in required if not others.get(name)]
    made["allOf"] = [
        {"anyOf": [{"required": [spelling]} for spelling in (name, *others[name])]}
        for name in required
        if others.get(name)
    ]
    return made
