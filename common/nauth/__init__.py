"""nauth: one access token for any number of coroutines, renewed before it expires so that no caller waits.

Stable are the names in `__all__` of this package, of `nauth.stores`, `nauth.oauth2`, `nauth.testing` and of the vendor
packages and their `pages`. Everything else may change in any release.

A public name is imported at its first use, with what it needs. `nauth.pytest_plugin` lies in this package and is loaded by
every suite of an environment in which nauth is installed: those suites shall not pay for the rest.
"""

from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what editors and type checkers read; `_HOMES` says the same to Python
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

_HOMES = {
    "nauth.authenticator": ("Authenticator",),
    "nauth.bearer.aiohttp": ("BearerAuth",),
    "nauth.client_pool": ("ClientPool", "PoolStats"),
    "nauth.clock": ("Clock", "SystemClock"),
    "nauth.errors": (
        "ClosedError",
        "ConfigurationError",
        "CredentialsRejectedError",
        "ExpiredOnArrivalError",
        "InteractionRequiredError",
        "LeaseLostError",
        "MalformedResponseError",
        "NauthError",
        "NotSentError",
        "OriginError",
        "OutcomeUnknownError",
        "PagesError",
        "PermissionDeniedError",
        "RequestRejectedError",
        "StoreError",
        "TokenRefusedError",
        "TokenUnchangedError",
        "VendorUnavailableError",
    ),
    "nauth.events": (
        "Cause",
        "Event",
        "Observer",
        "OriginRefused",
        "RenewalFailed",
        "RenewalJoined",
        "RenewalStarted",
        "RenewalSucceeded",
        "RequestReplayed",
        "TokenAdopted",
        "TokenRefused",
    ),
    "nauth.manager.health": ("Health", "HealthState"),
    "nauth.manager.token_manager": ("TokenManager",),
    "nauth.pages": ("PageForm", "Pages"),
    "nauth.responses.reply": ("Reply",),
    "nauth.secret": ("Secret",),
    "nauth.stores.base": ("StoreKey", "TokenStore"),
    "nauth.stores.memory": ("MemoryStore",),
    "nauth.token": ("RenewalPolicy", "Token", "TokenState"),
    "nauth.typed_calls": ("CallOptions",),
}
"""Module -> the public names that it is the home of."""

_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}
_SUBMODULES = {module.split(".")[1] for module in _HOMES}
_FIRST_USE = RLock()
"""One thread imports at a time: two that import overlapping modules at once may each see the other's half-made ones."""


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name in _MODULE_OF:
            with _FIRST_USE:
                found = getattr(import_module(_MODULE_OF[name]), name)
            globals()[name] = found  # where Python finds it from now on
            return found
        if name in _SUBMODULES:
            with _FIRST_USE:
                return import_module(f"{__name__}.{name}")
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415 - slow, and rarely asked for

            return version("nauth")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
