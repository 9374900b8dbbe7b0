"""Noyo's endpoints, one typed coroutine each. Holds no token.

Sources: https://docs.noyo.com/docs/introduction/getting-started/authentication and
https://docs.noyo.com/api-reference/ (fulfillment.json)
"""

from __future__ import annotations

import attrs
from yarl import URL

from nauth.transport.base import Request, Transport
from nauth.transport.token_calls import reading, send
from nauth.wire.converter import encode
from noyoauth.config import USER_AGENT, NoyoEnvironment
from noyoauth.converter import CONVERTER
from noyoauth.credentials import NoyoCredentials
from noyoauth.errors import LEAVES, Endpoint
from noyoauth.models import GroupsPage, IssueTokenRequest, ListGroupsRequest, Reply, TokenAnswer
from noyoauth.responses import read_response

__all__ = ["NoyoApi"]

_COMMON = {"Accept": "application/json", "User-Agent": USER_AGENT}


class NoyoApi:
    """Typed calls: request model in, typed reply out.

    Args:
        base_url: the API's address.
        token_url: the token endpoint.
        environment: the environment, for the text of errors; None if it is not known.
        auth: sends the token call.
        resources: sends calls that need a token, and adds it; the same as `auth` if None.
    """

    def __init__(
        self,
        *,
        base_url: URL,
        token_url: URL,
        environment: NoyoEnvironment | None = None,
        auth: Transport,
        resources: Transport | None = None,
    ) -> None:
        self._base_url = base_url
        self._token_url = token_url
        self._said = f"environment {environment}" if environment else "environment not stated"
        self._auth = auth
        self._resources = resources or auth

    async def issue_token(
        self, request: IssueTokenRequest, *, credentials: NoyoCredentials
    ) -> Reply[TokenAnswer]:
        """Sign in: `POST /auth/public/token`, with the key in a Basic header and a JSON body.

        Raises:
            NoyoCredentialsRejectedError: the key was refused.
            NoyoMalformedResponseError: the response did not come from the token endpoint; the text names the URL.
            NoyoError: see `noyoauth.errors`.
        """
        call = Request(
            method="POST",
            url=self._token_url,
            headers=_COMMON
            | {"Content-Type": "application/json", "Authorization": credentials.authorization},
            body=encode(CONVERTER, request),
            # if the response was lost, the token in it expires within minutes
            repeatable=True,
        )
        where = f"{self._token_url} ({self._said})"
        return read_response(await send(self._auth, call, LEAVES), Endpoint.ISSUE, TokenAnswer, where=where)

    @property
    def where(self) -> str:
        """The API's host and environment, as errors show them."""
        return f"{self._base_url.authority} ({self._said})"

    async def list_groups(self, request: ListGroupsRequest | None = None) -> Reply[GroupsPage]:
        """Return one page of the organization's groups: `GET /api/v1/groups`. Noyo recommends it to test a token.

        Raises:
            NoyoTokenRefusedError: a valid token was refused; the text lists likely causes.
            NoyoPermissionDeniedError, NoyoNotFoundError, NoyoThrottledError, NoyoUnavailableError: see
                `noyoauth.errors`.
        """
        query = {name: str(value) for name, value in attrs.asdict(request or ListGroupsRequest()).items()}
        url = self._base_url.joinpath("api/v1/groups").with_query(query)
        call = Request(method="GET", url=url, headers=_COMMON, repeatable=True)
        answer = await send(self._resources, call, LEAVES)
        with reading(answer):
            return read_response(answer, Endpoint.RESOURCE, GroupsPage, where=self.where)
