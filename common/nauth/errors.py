"""Every error nauth raises, sorted by what the caller can do next.

::

    NauthError
    ├── ConfigurationError            nothing was sent: fix the setting
    │   └── ClosedError               the client or manager was closed
    ├── CredentialsRejectedError      the vendor refused the credential: do not retry
    │   └── TokenRefusedError         ...refused a token it had only just issued
    │       └── TokenUnchangedError   ...or handed the refused token out again
    ├── InteractionRequiredError      a person must act
    ├── PermissionDeniedError         403: neither retry nor renew
    ├── RequestRejectedError          declined: bad request, not found, failed rule
    ├── VendorUnavailableError        transport, timeout, 429, 5xx: see `retry_after`
    │   └── NotSentError              ...the request never left this machine
    ├── OutcomeUnknownError           sent, but the response was lost
    ├── MalformedResponseError        answered, not understood
    │   └── ExpiredOnArrivalError     ...or a new token that had already expired
    ├── PagesError                    a list broke off: go on at `cursor`
    ├── OriginError                   the token would go to a foreign origin
    └── StoreError                    the shared store failed
        └── LeaseLostError            ...or another client took over the lease

Each vendor package derives its own leaves from its base (``NombaError``) *and* the kind above, so both
``except NombaError`` and ``except VendorUnavailableError`` work.

Errors are plain classes, with the message positional and all data keyword-only with defaults: only then do
``pickle`` and ``copy.copy`` rebuild them. None derives from ``OSError``: aiohttp would turn that into its own
``ClientOSError`` and run the middleware chain a second time.
"""

from __future__ import annotations

import copy
import traceback
from datetime import timedelta
from typing import TypedDict, TypeVar, Unpack

__all__ = [
    "ClosedError",
    "ConfigurationError",
    "CredentialsRejectedError",
    "ErrorData",
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
    "fresh_copy",
    "recast",
    "unexpected",
]


class ErrorData(TypedDict, total=False):
    """What every error can carry beside its message; see `NauthError`."""

    status: int | None
    code: str | None
    request_id: str | None
    retry_after: timedelta | None
    detail: str | None


class NauthError(Exception):
    """Base of every error nauth raises.

    Attributes:
        status: HTTP status of the response, if there was one.
        code: the vendor's own code from the response's body, as text, if there was one.
        request_id: the vendor's id of this request in its logs, if the response named one.
        retry_after: how long to wait before the same call may succeed; None if waiting does not help or the time is
            unknown.
        detail: the vendor's own message, cleaned by `nauth.redact.clean`; for people to read, not for code to compare.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: timedelta | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.detail = detail
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


class ConfigurationError(NauthError):
    """Nothing was sent: a setting is missing, contradictory or unsafe."""


class ClosedError(ConfigurationError):
    """The client or token manager was used after it had been closed."""


class CredentialsRejectedError(NauthError):
    """The vendor refused the credential. Trying again without changing it cannot help."""


class TokenRefusedError(CredentialsRejectedError):
    """The vendor answered 401 to a token it had only just issued; the token's age is not the cause."""


class TokenUnchangedError(TokenRefusedError):
    """A renewal returned the same token that the vendor had refused."""


class InteractionRequiredError(NauthError):
    """A person must act: enter a code, choose a password, or sign in again."""


class PermissionDeniedError(NauthError):
    """403: the token is valid but may not do this. A new token would change nothing."""


class RequestRejectedError(NauthError):
    """The vendor understood the request and declines it: a bad request, a missing record, a failed rule."""


class VendorUnavailableError(NauthError):
    """Transport failure, timeout, 429 or 5xx: the same call may succeed after `retry_after`."""


class NotSentError(VendorUnavailableError):
    """No connection was made, so the vendor has seen nothing of this request."""


class OutcomeUnknownError(NauthError):
    """The request was sent and the response was lost: the vendor may or may not have acted on it."""


class MalformedResponseError(NauthError):
    """The vendor answered in a form that could not be understood.

    Attributes:
        problems: one line for each fault: wire path, what was expected and the *type* that came instead, such as
            ``"$.data.expiresAt: expected str, got int"``. Never a value.
    """

    def __init__(
        self,
        message: str = "",
        *,
        problems: tuple[str, ...] = (),
        **data: Unpack[ErrorData],
    ) -> None:
        super().__init__(message, **data)
        self.problems = problems


class ExpiredOnArrivalError(MalformedResponseError):
    """A renewal returned a token that had already expired."""


class PagesError(NauthError):
    """A list in pages was not read to its end, and no record was lost.

    Attributes:
        cursor: where to go on; give it to ``start=``.
    """

    def __init__(self, message: str = "", *, cursor: object = None, **data: Unpack[ErrorData]) -> None:
        super().__init__(message, **data)
        self.cursor = cursor


class OriginError(NauthError):
    """The request would carry the token to an origin that was not configured. Nothing was sent."""


class StoreError(NauthError):
    """The shared token store could not be reached, or its record could not be read."""


class LeaseLostError(StoreError):
    """The lease ended, or another client took it over, before the new token was committed."""


_E = TypeVar("_E", bound=BaseException)
_N = TypeVar("_N", bound=NauthError)


def fresh_copy(error: _E) -> _E:
    """Return a new exception with the same data and notes but no traceback, cause or context.

    One object raised by a thousand waiters grows its traceback a thousand times; each waiter raises its own copy.
    """
    twin = copy.copy(error)
    notes: list[str] | None = getattr(error, "__notes__", None)
    if notes is not None:
        twin.__notes__ = list(notes)
    return twin


def recast(error: NauthError, leaf: type[_N]) -> _N:
    """Return `error` as the vendor's own class of the same kind: same text and data, no traceback."""
    twin = leaf(*error.args)
    twin.__dict__.update(fresh_copy(error).__dict__)
    return twin


def unexpected(error: Exception) -> NauthError:
    """Describe a bug in an authenticator or store by its place; its text is left out, as it may quote a response."""
    # not `extract_tb`: it reads the source file, and the event loop would wait for the disk
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    code = frame.f_code
    return NauthError(
        f"{type(error).__name__} in {code.co_name} ({code.co_filename}:{line}): an authenticator or store may "
        "raise nauth's errors only. Please report this as a bug"
    )
