"""nomba-python 0.5.0 against the sandbox: what other people's code expects of Nomba, it gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nombaauth.sandbox import NombaSandbox

nomba: Any = pytest.importorskip("nomba", reason="needs nomba-python, of the group vendors-own")
httpx = pytest.importorskip("httpx")


@pytest.fixture
def sandbox() -> Iterator[NombaSandbox]:
    """The sandbox with its defaults, in a thread."""
    with NombaSandbox() as made:
        yield made


def _client(sandbox: NombaSandbox, **changed: str) -> Any:
    """A client of theirs; its host is fixed, so only that is replaced."""
    key = sandbox.credentials
    given = {
        "client_id": key.client_id,
        "client_secret": key.client_secret.reveal(),
        "account_id": key.account_id,
    }
    made = nomba.Nomba(**(given | changed))
    made.client._http.close()
    made.client._http = httpx.Client(base_url=sandbox.base_url)
    return made


def test_it_signs_in_and_reads(sandbox: NombaSandbox) -> None:
    """One sign-in for several calls, the parent's and a sub-account's."""
    client = _client(sandbox)
    assert client.accounts.fetch_parent_account_details()["data"]["accountName"] == "Ada Stores"
    assert client.client.get("/v1/accounts/balance")["data"]["currency"] == "NGN"
    assert client.client.get(f"/v1/accounts/{sandbox.sub_account_id}/balance")["code"] == "00"
    assert sandbox.requests["issue"] == 1
    client.close()


def test_it_recovers_from_a_401_and_revokes(sandbox: NombaSandbox) -> None:
    """A dead token is replaced by a second sign-in; revoking ends it."""
    client = _client(sandbox)
    client.client.get("/v1/accounts/balance")
    sandbox.kill_sessions()
    assert client.client.get("/v1/accounts/balance")["code"] == "00"
    assert client.revoke_token()["code"] == "00"
    assert (sandbox.live_tokens, sandbox.requests["issue"]) == (0, 2)
    client.close()


def test_it_is_refused_as_it_expects(sandbox: NombaSandbox) -> None:
    """A wrong secret is its own error class, with Nomba's body."""
    client = _client(sandbox, client_secret="wrong")
    with pytest.raises(nomba.NombaAuthError) as refused:
        client.client.get("/v1/accounts/balance")
    assert (refused.value.status_code, refused.value.response_body["code"]) == (401, "401")
    client.close()
