"""NAO Cloud's endpoints, one typed coroutine each. Holds no token.

Source: https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication
"""

from __future__ import annotations

from yarl import URL

from naoauth.config import API_PATH, USER_AGENT, below
from naoauth.converter import CONVERTER
from naoauth.errors import LEAVES, Endpoint
from naoauth.models import Session, SessionRequest, SitePage
from naoauth.responses import read_response
from naoauth.session_response import open_session
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.transport.base import Request, Transport
from nauth.transport.token_calls import reading, send
from nauth.wire.converter import encode

__all__ = ["NaoApi"]


class NaoApi:
    """Typed calls: request model in, response model out. Each asks for JSON: otherwise NAO Cloud answers 406.

    Args:
        base_url: the service's address, without ``/api/v2``.
        auth: sends the call that carries credentials.
        resources: sends calls that need a token, and adds it; the same as `auth` if None.
        endpoint: which kind of credential `resources` adds, for the errors.
        jwt_key: as for `NaoSession`.
        expires_key: as for `NaoSession`.
    """

    def __init__(
        self,
        *,
        base_url: URL,
        auth: Transport,
        resources: Transport | None = None,
        endpoint: Endpoint = Endpoint.JWT_RESOURCE,
        jwt_key: str | None = None,
        expires_key: str | None = None,
    ) -> None:
        self._base_url = base_url
        self._auth = auth
        self._resources = resources or auth
        self._endpoint = endpoint
        self._jwt_key = jwt_key
        self._expires_key = expires_key

    async def create_session(
        self, request: SessionRequest | None = None, *, auth_token: Secret | None = None
    ) -> Session:
        """Get a JWT: `POST /api/v2/sessions`, with e-mail and password **or** with the API key.

        Args:
            request: e-mail and password; sent as JSON, without `Authorization`.
            auth_token: the API key; sent raw in `Authorization`, without a body or a content type.

        Raises:
            ConfigurationError: both were given, or neither; nothing was sent.
            NaoCredentialsRejectedError: refused; the text names what to check, two-factor authentication included.
            NaoMalformedResponseError: a success in which no JWT could be found.
            NaoError: see `naoauth.errors`.
        """
        if (request is None) == (auth_token is None):
            raise ConfigurationError("create_session takes a request or an auth_token, and one of them only")
        url, headers = below(self._base_url, f"{API_PATH}/sessions"), self._headers()
        # repeatable: a second session does not end the first
        if request is None:
            asked = Request(
                method="POST", url=url, headers=headers | _raw(auth_token), body=None, repeatable=True
            )
            sent: tuple[Secret | None, ...] = (auth_token,)
        else:
            headers["Content-Type"] = "application/json"
            asked = Request(
                method="POST", url=url, headers=headers, body=encode(CONVERTER, request), repeatable=True
            )
            sent = (request.session.password,)
        answer = await send(self._auth, asked, LEAVES)
        return open_session(answer, url, jwt_key=self._jwt_key, expires_key=self._expires_key, sent=sent)

    async def list_sites(self, *, page: int | None = None) -> SitePage:
        """Return a page of the account's sites: `GET /api/v2/sites`.

        Args:
            page: counted from 1; the first if None.

        Raises:
            NaoCredentialsRejectedError: the API key was refused.
            NaoTokenRefusedError: a new token was refused.
            NaoSignInNeededError: the person has to sign in again.
            NaoError: see `naoauth.errors`.
        """
        url = below(self._base_url, f"{API_PATH}/sites")
        asked = url if page is None else url.with_query({"page[number]": str(page)})
        request = Request(method="GET", url=asked, headers=self._headers(), repeatable=True)
        answer = await send(self._resources, request, LEAVES)
        with reading(answer):
            return read_response(answer, self._endpoint, SitePage, url=url).data

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "User-Agent": USER_AGENT}


def _raw(auth_token: Secret | None) -> dict[str, str]:
    return {} if auth_token is None else {"Authorization": auth_token.reveal()}
