"""Sign in to NAO Cloud (Pole Star, indoor location) from asyncio: one token for any number of coroutines."""

from naoauth.api import NaoApi
from naoauth.authenticator import NaoApiKeyAuthenticator, NaoOAuthAuthenticator, NaoSessionAuthenticator
from naoauth.client import NaoClient
from naoauth.credentials import NaoApiKey, NaoCredentials, NaoOAuth, NaoSession
from naoauth.errors import (
    NaoApiError,
    NaoBadRequestError,
    NaoCredentialsRejectedError,
    NaoError,
    NaoMalformedResponseError,
    NaoNotFoundError,
    NaoNotSentError,
    NaoOutcomeUnknownError,
    NaoPermissionDeniedError,
    NaoSignInNeededError,
    NaoThrottledError,
    NaoTokenRefusedError,
    NaoUnavailableError,
)
from naoauth.models import Pagination, Session, SessionLogin, SessionRequest, Site, SitePage
from nauth.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    InteractionRequiredError,
    MalformedResponseError,
    NauthError,
    OriginError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RequestRejectedError,
    TokenRefusedError,
    VendorUnavailableError,
)
from nauth.secret import Secret
from nauth.token import RenewalPolicy, Token

__all__ = [
    "ConfigurationError",
    "CredentialsRejectedError",
    "InteractionRequiredError",
    "MalformedResponseError",
    "NaoApi",
    "NaoApiError",
    "NaoApiKey",
    "NaoApiKeyAuthenticator",
    "NaoBadRequestError",
    "NaoClient",
    "NaoCredentials",
    "NaoCredentialsRejectedError",
    "NaoError",
    "NaoMalformedResponseError",
    "NaoNotFoundError",
    "NaoNotSentError",
    "NaoOAuth",
    "NaoOAuthAuthenticator",
    "NaoOutcomeUnknownError",
    "NaoPermissionDeniedError",
    "NaoSession",
    "NaoSessionAuthenticator",
    "NaoSignInNeededError",
    "NaoThrottledError",
    "NaoTokenRefusedError",
    "NaoUnavailableError",
    "NauthError",
    "OriginError",
    "OutcomeUnknownError",
    "Pagination",
    "PermissionDeniedError",
    "RenewalPolicy",
    "RequestRejectedError",
    "Secret",
    "Session",
    "SessionLogin",
    "SessionRequest",
    "Site",
    "SitePage",
    "Token",
    "TokenRefusedError",
    "VendorUnavailableError",
]
