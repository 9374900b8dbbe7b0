"""The four sandboxes under Schemathesis: what docs/openapi describes, right and wrong, gets an answer that is described.

`NAUTH_FUZZ_EXAMPLES` says how many requests each operation gets, 25 by default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import attrs
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naoauth.sandbox import NaoSandbox
from nauth.testing.vendor_sandbox import VendorSandbox
from nomadauth.sandbox import NomadSandbox
from nombaauth.sandbox import NombaSandbox
from noyoauth.sandbox import NoyoSandbox

schemathesis = pytest.importorskip("schemathesis", reason="needs Schemathesis, of the test group")

_EXAMPLES = int(os.environ.get("NAUTH_FUZZ_EXAMPLES", "25"))
_DESCRIPTIONS = Path(__file__).parents[2] / "docs" / "openapi"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@attrs.frozen
class _Double:
    """One vendor's sandbox, and how its token is got.

    Attributes:
        new: makes the sandbox.
        token: signs in, and returns the headers of a good request.
        prefix: of the paths on the server, where the description's are below it.
    """

    new: Callable[[], VendorSandbox[Any]]
    token: Callable[[Any], Mapping[str, str]]
    prefix: str = ""


def _asked(url: str, body: object, **headers: str) -> Any:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})  # noqa: S310 - a sandbox on loopback
    with urlopen(request) as answer:  # noqa: S310 - as above
        return json.load(answer)


def _nomad(sandbox: NomadSandbox) -> Mapping[str, str]:
    given = sandbox.credentials
    body = {"userName": given.username, "password": given.password.reveal()}
    token = _asked(f"{sandbox.base_url}/api/account/login", body)["token"]
    return {"Authorization": f"Bearer {token}"}


def _nomba(sandbox: NombaSandbox) -> Mapping[str, str]:
    given = sandbox.credentials
    body = {
        "grant_type": "client_credentials",
        "client_id": given.client_id,
        "client_secret": given.client_secret.reveal(),
    }
    found = _asked(f"{sandbox.base_url}/v1/auth/token/issue", body, accountId=given.account_id)
    return {"Authorization": f"Bearer {found['data']['access_token']}", "accountId": given.account_id}


def _noyo(sandbox: NoyoSandbox) -> Mapping[str, str]:
    # a token comes from the sandbox's own side: its Basic pair would take another header
    key = sandbox._keys[sandbox.credentials.client_id]
    return {"Authorization": f"Bearer {sandbox._sessions.issue(key)}"}


def _nao(sandbox: NaoSandbox) -> Mapping[str, str]:
    key = sandbox.credentials_of("api_key")
    return {"Authorization": key.auth_token.reveal(), "Accept": "application/json"}  # type: ignore[union-attr,unused-ignore]  # an API key


_DOUBLES: Mapping[str, _Double] = {
    "nomad": _Double(NomadSandbox, _nomad, "/api"),
    "nomba": _Double(NombaSandbox, _nomba),
    "noyo": _Double(NoyoSandbox, _noyo),
    "nao": _Double(lambda: NaoSandbox(oauth_revoke="200", oauth_refresh="rotated_old_dies"), _nao),
}


def _document(name: str) -> dict[str, Any]:
    # through JSON: anchors make shared objects
    document: dict[str, Any] = json.loads(
        json.dumps(yaml.safe_load((_DESCRIPTIONS / f"{name}.yaml").read_text(encoding="utf-8")))
    )
    return document


def _checks() -> list[Any]:
    from schemathesis.checks import not_a_server_error  # noqa: PLC0415 - it may not be there
    from schemathesis.specs.openapi import checks  # noqa: PLC0415 - as above

    return [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]


@contextmanager
def _served(double: _Double) -> Iterator[tuple[str, Mapping[str, str]]]:
    with double.new() as sandbox:
        yield sandbox.base_url + double.prefix, double.token(sandbox)


def _statuses(operation: Any, base_url: str, good: Mapping[str, str]) -> set[int]:
    """Ask for one operation, rightly and wrongly, check each answer, and return the statuses seen."""
    positive, negative = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    cases = operation.as_strategy(generation_mode=positive) | operation.as_strategy(generation_mode=negative)
    checks = _checks()
    seen: set[int] = set()

    @given(cases, st.booleans())
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def answers(case: Any, signed: bool) -> None:
        response = case.call(base_url=base_url, headers=dict(good) if signed else None, timeout=20)
        seen.add(response.status_code)
        case.validate_response(response, checks=checks)

    answers()
    return seen


@pytest.mark.filterwarnings("ignore")  # those of Schemathesis and of the client that it uses
@pytest.mark.parametrize("name", _DOUBLES)
def test_every_answer_is_described(name: str) -> None:
    """No 5xx, and no status, kind, header or body that the description does not have, with a good token and without."""
    schema = schemathesis.openapi.from_dict(_document(name))
    asked: dict[str, set[int]] = {}
    with _served(_DOUBLES[name]) as (base_url, good):
        for found in schema.get_all_operations():
            asked[found.ok().label] = _statuses(found.ok(), base_url, good)
    assert all(asked.values()), asked
    # at least one operation of each vendor has succeeded, or all this says little
    assert any(min(statuses) < 300 for statuses in asked.values()), asked
