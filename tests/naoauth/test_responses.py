"""Two roots of one collection, refusals in every form, and the table of statuses."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from yarl import URL

from naoauth import (
    NaoApiError,
    NaoBadRequestError,
    NaoCredentialsRejectedError,
    NaoError,
    NaoMalformedResponseError,
    NaoNotFoundError,
    NaoPermissionDeniedError,
    NaoSignInNeededError,
    NaoThrottledError,
    NaoTokenRefusedError,
    NaoUnavailableError,
    Pagination,
    SitePage,
)
from naoauth.errors import Endpoint, of_oauth
from naoauth.responses import detail_of, read_response
from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    NauthError,
    RequestRejectedError,
    VendorUnavailableError,
)
from nauth.secret import Secret
from tests.support.transport import answer

_URL = URL("https://www.nao-cloud.com/api/v2/sites")


def _page(body: object) -> SitePage:
    return read_response(answer(200, body), Endpoint.JWT_RESOURCE, SitePage, url=_URL).data


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"id": "1", "type": "site", "attributes": {"name": "Hall"}}]},
        {"sites": [{"id": 1, "name": "Hall"}]},
    ],
)
def test_both_roots(body: dict[str, Any]) -> None:
    """JSON:API and the resource's own name, ids as text or number."""
    (site,) = _page(body).sites
    assert (site.id, site.name) == ("1", "Hall")
    assert "Hall" not in repr(site)


@pytest.mark.parametrize(
    "body", [{"sites": []}, {"data": []}, {"data": [], "meta": None}, {"data": [], "meta": {"pagination": 7}}]
)
def test_an_empty_collection(body: dict[str, Any]) -> None:
    """Empty under either root."""
    assert _page(body) == SitePage()


def test_pagination_and_names_are_optional() -> None:
    """Counts of another form are left out."""
    page = _page({"data": [{"id": "1"}], "meta": {"pagination": {"current": 2, "records": "9", "x": 1}}})
    assert page.pagination == Pagination(current=2)
    assert page.sites[0].name is None


@pytest.mark.parametrize(
    "body, problem",
    [
        ({}, "$.sites"),
        ([], "expected object"),
        ({"data": {}}, "$.sites"),
        ({"data": [7]}, "$.sites[0]"),
        ({"data": [{}]}, "$.sites[0].id"),
        ({"data": [{"id": []}]}, "$.sites[0].id"),
        ({"data": [{"id": "1", "attributes": "CANARY"}]}, "attributes"),
        (b"<html>", "markup"),
    ],
)
def test_a_page_that_cannot_be_read(body: object, problem: str) -> None:
    """Typed, with the place and no value."""
    with pytest.raises(NaoMalformedResponseError) as refused:
        _page(body)
    assert any(problem in line for line in refused.value.problems)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    "body, told",
    [
        ({"errors": [{"status": "401", "title": "No", "detail": "Not you", "code": None}]}, "Not you"),
        ({"errors": [{"status": "401", "title": "No"}]}, "No"),
        ({"errors": ["one", "two", "three", "four", "one"]}, "one; two; three"),
        ({"errors": {"email": ["is wrong"], "n": 7}}, "email: is wrong"),
        ({"errors": "plain"}, "plain"),
        ({"error": "short"}, "short"),
        ({"message": "long"}, "long"),
        ({"errors": [], "message": 7}, None),
        ({"errors": ["hunter2!"]}, None),
        ({"errors": ["x" * 40]}, "[...]"),
        ([], None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_every_form_of_errors(body: object, told: str | None) -> None:
    """The words are read from whatever form, cleaned, and never quote what was sent."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert detail_of(raw, Secret("hunter2"), None, Secret("")) == told


_TABLE: list[tuple[Endpoint, int, type[NaoError]]] = [
    *[(Endpoint.SESSIONS, status, NaoCredentialsRejectedError) for status in (400, 401, 422)],
    (Endpoint.SESSIONS, 403, NaoPermissionDeniedError),
    (Endpoint.KEY_RESOURCE, 401, NaoCredentialsRejectedError),
    (Endpoint.JWT_RESOURCE, 401, NaoTokenRefusedError),
    (Endpoint.OAUTH_RESOURCE, 401, NaoTokenRefusedError),
    *[(Endpoint.JWT_RESOURCE, status, NaoBadRequestError) for status in (400, 405, 406, 422)],
    *[(endpoint, 404, NaoNotFoundError) for endpoint in Endpoint],
    *[(endpoint, 418, NaoApiError) for endpoint in Endpoint],
    *[(endpoint, 429, NaoThrottledError) for endpoint in Endpoint],
    *[(endpoint, 500, NaoUnavailableError) for endpoint in Endpoint],
    *[(endpoint, 302, NaoMalformedResponseError) for endpoint in Endpoint],
]


@pytest.mark.parametrize("endpoint, status, leaf", _TABLE)
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"errors": "told"}'])
def test_the_table(endpoint: Endpoint, status: int, leaf: type[NaoError], body: bytes) -> None:
    """The status decides and is never hidden by the body; address and request id are told."""
    headers = {"x-request-id": "r-1", "Retry-After": "3"}
    with pytest.raises(NaoError) as refused:
        read_response(answer(status, body, headers=headers), endpoint, SitePage, url=_URL)
    assert type(refused.value) is leaf
    assert (refused.value.status, refused.value.request_id) == (status, "r-1")
    assert "https://www.nao-cloud.com:443/api/v2/sites" in str(refused.value)
    assert ("told" in str(refused.value)) == body.startswith(b"{")
    assert refused.value.retry_after == (timedelta(seconds=3) if status in {429, 500} else None)


@pytest.mark.parametrize(
    "error, leaf",
    [
        (VendorUnavailableError("x", status=429), NaoThrottledError),
        (VendorUnavailableError("x"), NaoUnavailableError),
        (RequestRejectedError("x", status=404), NaoNotFoundError),
        (RequestRejectedError("x", status=400), NaoBadRequestError),
        (CredentialsRejectedError("x"), NaoCredentialsRejectedError),
        (InteractionRequiredError("x"), NaoSignInNeededError),
    ],
)
def test_what_oauth_raises_becomes_the_vendors(error: NauthError, leaf: type[NaoError]) -> None:
    """Same kind, same text, the vendor's name."""
    made = of_oauth(error)
    assert type(made) is leaf
    assert (str(made), made.status) == ("x", error.status)
