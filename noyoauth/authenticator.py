"""`NoyoAuthenticator`: turn credentials into tokens. Keeps none."""

from __future__ import annotations

import json

from nauth.errors import ConfigurationError
from nauth.redact import clean
from nauth.time_formats import instant
from nauth.token import Token
from noyoauth.api import NoyoApi
from noyoauth.credentials import NoyoCredentialSource, current
from noyoauth.errors import NoyoMalformedResponseError
from noyoauth.lifetime import LifetimeRules, token_lifetime
from noyoauth.models import IssueTokenRequest, Reply, TokenAnswer

__all__ = ["NoyoAuthenticator"]


class NoyoAuthenticator:
    """Issue as https://docs.noyo.com/docs/introduction/getting-started/authentication describes.

    Noyo has no refresh tokens: a new token is requested with the key. It documents no way to revoke a token.

    Args:
        credentials: the API key, or a function that returns the current one; called for each token.
        api: Noyo's endpoints.
        rules: what the user knows of lifetimes beyond the documents.
    """

    def __init__(
        self, credentials: NoyoCredentialSource, api: NoyoApi, *, rules: LifetimeRules | None = None
    ) -> None:
        self._credentials = credentials
        self._api = api
        self._rules = rules or LifetimeRules()

    async def issue(self) -> Token:
        """Sign in with client id and secret.

        Returns:
            A Bearer token; its `extra` has `expires_in` as Noyo sent it, if it did.

        Raises:
            NoyoCredentialsRejectedError: refused; the text lists what to check.
            NoyoError: see `noyoauth.errors`.
        """
        reply = await self._api.issue_token(IssueTokenRequest(), credentials=current(self._credentials))
        return _token(reply, self._rules)

    async def refresh(self, token: Token) -> Token:  # noqa: ARG002 - the protocol's shape
        """Sign in again. Never called, because no token of Noyo's has a refresh token."""
        return await self.issue()

    async def revoke(self, token: Token) -> None:  # noqa: ARG002 - the protocol's shape
        """Refuse: no way to revoke is documented.

        Raises:
            ConfigurationError: always. Nothing was sent.
        """
        raise ConfigurationError(
            "Noyo documents no way to revoke a token; it ends by itself within minutes. Revoke the key in the Noyo app "
            "if its secret may have leaked"
        )


def _token(reply: Reply[TokenAnswer], rules: LifetimeRules) -> Token:
    data, meta = reply.data, reply.meta
    if not data.access_token.sendable:
        raise NoyoMalformedResponseError(
            "Noyo's answer to issuing a token holds a token that is empty or cannot be sent in a header",
            problems=("$.access_token: expected visible ASCII characters, got another str",),
            status=meta.status,
            request_id=meta.request_id,
        )
    lifetime = token_lifetime(data, meta, rules)
    stated = _text(data.expires_in)
    return Token(
        access_token=data.access_token,
        lifetime=lifetime,
        expires_at=instant(meta.sent_wall_s + lifetime.total_seconds()),
        # the documented scheme, whatever the case of `token_type`
        extra={} if stated is None else {"expires_in": stated},
    )


def _text(raw: object) -> str | None:
    if raw is None or isinstance(raw, str):
        return clean(raw)
    return clean(json.dumps(raw))
