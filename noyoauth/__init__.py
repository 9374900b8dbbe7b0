"""Sign in to Noyo (benefits data, United States) from asyncio: one token for any number of coroutines."""

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
from noyoauth.api import NoyoApi
from noyoauth.authenticator import NoyoAuthenticator
from noyoauth.client import NoyoClient
from noyoauth.config import HOSTS, NoyoEnvironment, NoyoHosts
from noyoauth.credentials import NoyoCredentials, NoyoCredentialSource
from noyoauth.errors import (
    NoyoApiError,
    NoyoBadRequestError,
    NoyoConflictError,
    NoyoCredentialsRejectedError,
    NoyoError,
    NoyoMalformedResponseError,
    NoyoNotFoundError,
    NoyoNotSentError,
    NoyoOutcomeUnknownError,
    NoyoPermissionDeniedError,
    NoyoThrottledError,
    NoyoTokenRefusedError,
    NoyoUnavailableError,
)
from noyoauth.lifetime import ExpiresInUnit, LifetimeRules
from noyoauth.models import (
    AnswerMeta,
    ErrorBody,
    Group,
    GroupsPage,
    IssueTokenRequest,
    ListGroupsRequest,
    PageMeta,
    Reply,
    TokenAnswer,
)

__all__ = [
    "HOSTS",
    "AnswerMeta",
    "ConfigurationError",
    "CredentialsRejectedError",
    "ErrorBody",
    "ExpiresInUnit",
    "Group",
    "GroupsPage",
    "InteractionRequiredError",
    "IssueTokenRequest",
    "LifetimeRules",
    "ListGroupsRequest",
    "MalformedResponseError",
    "NauthError",
    "NoyoApi",
    "NoyoApiError",
    "NoyoAuthenticator",
    "NoyoBadRequestError",
    "NoyoClient",
    "NoyoConflictError",
    "NoyoCredentialSource",
    "NoyoCredentials",
    "NoyoCredentialsRejectedError",
    "NoyoEnvironment",
    "NoyoError",
    "NoyoHosts",
    "NoyoMalformedResponseError",
    "NoyoNotFoundError",
    "NoyoNotSentError",
    "NoyoOutcomeUnknownError",
    "NoyoPermissionDeniedError",
    "NoyoThrottledError",
    "NoyoTokenRefusedError",
    "NoyoUnavailableError",
    "OriginError",
    "OutcomeUnknownError",
    "PageMeta",
    "PermissionDeniedError",
    "RenewalPolicy",
    "Reply",
    "RequestRejectedError",
    "Secret",
    "Token",
    "TokenAnswer",
    "TokenRefusedError",
    "VendorUnavailableError",
]
