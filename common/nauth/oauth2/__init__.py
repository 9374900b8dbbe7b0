"""OAuth 2.0 for any vendor: client credentials, authorization code with PKCE, refresh, revocation.

::

    endpoint = TokenEndpoint(
        "https://auth.example.com/token", client_id="...", client_secret="..."
    )
    grant = ClientCredentials(endpoint, scope="read")
    manager = TokenManager(grant, key=endpoint.key("example"))
    token = await manager.token()

Sources: RFC 6749 (the framework), RFC 7636 (PKCE), RFC 7009 (revocation), RFC 6750 (bearer tokens).
"""

from __future__ import annotations

from nauth.oauth2.authorization_code import AuthorizationCode
from nauth.oauth2.browser_session import recall, remember
from nauth.oauth2.client_credentials import ClientCredentials
from nauth.oauth2.endpoint import TokenEndpoint
from nauth.oauth2.pkce import PKCE
from nauth.oauth2.sign_in import SignIn, StartedSignIn

__all__ = [
    "PKCE",
    "AuthorizationCode",
    "ClientCredentials",
    "SignIn",
    "StartedSignIn",
    "TokenEndpoint",
    "recall",
    "remember",
]
