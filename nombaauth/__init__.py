"""Sign in to Nomba (payments, Nigeria) from asyncio: one token for any number of coroutines."""

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
from nombaauth.api import NombaApi
from nombaauth.authenticator import NombaAuthenticator
from nombaauth.client import NombaCallOptions, NombaClient
from nombaauth.config import NombaEnvironment
from nombaauth.credentials import NombaCredentials
from nombaauth.errors import (
    NombaApiError,
    NombaBadRequestError,
    NombaCredentialsRejectedError,
    NombaError,
    NombaMalformedResponseError,
    NombaNotFoundError,
    NombaNotSentError,
    NombaOutcomeUnknownError,
    NombaPermissionDeniedError,
    NombaRefreshRefusedError,
    NombaThrottledError,
    NombaTokenRefusedError,
    NombaUnavailableError,
)
from nombaauth.models import (
    AnswerMeta,
    Balance,
    Envelope,
    IssueTokenRequest,
    RateLimit,
    RefreshTokenRequest,
    RevokeTokenRequest,
    TokenData,
)

__all__ = [
    "AnswerMeta",
    "Balance",
    "ConfigurationError",
    "CredentialsRejectedError",
    "Envelope",
    "InteractionRequiredError",
    "IssueTokenRequest",
    "MalformedResponseError",
    "NauthError",
    "NombaApi",
    "NombaApiError",
    "NombaAuthenticator",
    "NombaBadRequestError",
    "NombaCallOptions",
    "NombaClient",
    "NombaCredentials",
    "NombaCredentialsRejectedError",
    "NombaEnvironment",
    "NombaError",
    "NombaMalformedResponseError",
    "NombaNotFoundError",
    "NombaNotSentError",
    "NombaOutcomeUnknownError",
    "NombaPermissionDeniedError",
    "NombaRefreshRefusedError",
    "NombaThrottledError",
    "NombaTokenRefusedError",
    "NombaUnavailableError",
    "OriginError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RateLimit",
    "RefreshTokenRequest",
    "RenewalPolicy",
    "RequestRejectedError",
    "RevokeTokenRequest",
    "Secret",
    "Token",
    "TokenData",
    "TokenRefusedError",
    "VendorUnavailableError",
]
