"""nauth: one access token for any number of coroutines, renewed before it expires so that no caller waits.

Stable are the names in `__all__` of this package, of `nauth.stores`, `nauth.oauth2`, `nauth.testing` and of the vendor
packages and their `pages`. Everything else may change in any release.
"""

from typing import TYPE_CHECKING

from nauth.authenticator import Authenticator
from nauth.bearer.aiohttp import BearerAuth
from nauth.client_pool import ClientPool, PoolStats
from nauth.clock import Clock, SystemClock
from nauth.errors import (
    ClosedError,
    ConfigurationError,
    CredentialsRejectedError,
    ExpiredOnArrivalError,
    InteractionRequiredError,
    LeaseLostError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OriginError,
    OutcomeUnknownError,
    PagesError,
    PermissionDeniedError,
    RequestRejectedError,
    StoreError,
    TokenRefusedError,
    TokenUnchangedError,
    VendorUnavailableError,
)
from nauth.events import (
    Cause,
    Event,
    Observer,
    OriginRefused,
    RenewalFailed,
    RenewalJoined,
    RenewalStarted,
    RenewalSucceeded,
    RequestReplayed,
    TokenAdopted,
    TokenRefused,
)
from nauth.manager.health import Health, HealthState
from nauth.manager.token_manager import TokenManager
from nauth.pages import PageForm, Pages
from nauth.responses.reply import Reply
from nauth.secret import Secret
from nauth.stores.base import StoreKey, TokenStore
from nauth.stores.memory import MemoryStore
from nauth.token import RenewalPolicy, Token, TokenState
from nauth.typed_calls import CallOptions

__version__: str
"""The version of the distribution."""

__all__ = [
    "Authenticator",
    "BearerAuth",
    "CallOptions",
    "Cause",
    "ClientPool",
    "Clock",
    "ClosedError",
    "ConfigurationError",
    "CredentialsRejectedError",
    "Event",
    "ExpiredOnArrivalError",
    "Health",
    "HealthState",
    "InteractionRequiredError",
    "LeaseLostError",
    "MalformedResponseError",
    "MemoryStore",
    "NauthError",
    "NotSentError",
    "Observer",
    "OriginError",
    "OriginRefused",
    "OutcomeUnknownError",
    "PageForm",
    "Pages",
    "PagesError",
    "PermissionDeniedError",
    "PoolStats",
    "RenewalFailed",
    "RenewalJoined",
    "RenewalPolicy",
    "RenewalStarted",
    "RenewalSucceeded",
    "Reply",
    "RequestRejectedError",
    "RequestReplayed",
    "Secret",
    "StoreError",
    "StoreKey",
    "SystemClock",
    "Token",
    "TokenAdopted",
    "TokenManager",
    "TokenRefused",
    "TokenRefusedError",
    "TokenState",
    "TokenStore",
    "TokenUnchangedError",
    "VendorUnavailableError",
    "__version__",
]


if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> str:
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version  # noqa: PLC0415 - slow, and rarely asked for

        return version("nauth")
