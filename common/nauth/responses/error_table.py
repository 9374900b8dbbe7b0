"""`ErrorTable`: from (endpoint, status, code) to the vendor's error, with its message."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import Generic, TypeVar

import attrs

from nauth.errors import NauthError, VendorUnavailableError

__all__ = ["ErrorTable"]

E = TypeVar("E", bound=NauthError)
W = TypeVar("W", bound=enum.Enum)


@attrs.frozen(kw_only=True)
class ErrorTable(Generic[E, W]):
    """What a vendor's responses mean. Each vendor's `errors.py` fills one in.

    An endpoint is a member of the vendor's own enum; its value says what was attempted, such as "signing in".

    Attributes:
        throttled: for 429, on every endpoint.
        unavailable: for 5xx, on every endpoint.
        redirected: for 3xx: no redirect of a call of the vendor's API is followed.
        of_status: the class for any other status, by endpoint.
        otherwise: the class for what the tables do not list, by endpoint.
        of_code: the class for a refusal that comes with a status of success, by endpoint and the vendor's code.
        meanings: what each class means and what to do next.
        meanings_at: the same for one endpoint, where it differs there.
    """

    throttled: type[E]
    unavailable: type[E]
    redirected: type[E]
    of_status: Mapping[W, Mapping[int, type[E]]]
    otherwise: Mapping[W, type[E]]
    of_code: Mapping[W, Mapping[str, type[E]]] = attrs.field(factory=dict[W, Mapping[str, type[E]]])
    meanings: Mapping[type[E], str]
    meanings_at: Mapping[tuple[W, type[E]], str] = attrs.field(factory=dict[tuple[W, type[E]], str])

    def choose(self, endpoint: W, status: int, code: str | None = None) -> type[E]:
        """Return the class of error for a response that is not a success.

        Args:
            endpoint: where the response came from.
            status: the HTTP status, or the one that the body says it stands for.
            code: the vendor's code; counts only where the status is one of success.
        """
        if status == 429:  # noqa: PLR2004 - RFC 6585 section 4
            return self.throttled
        if status >= 500:  # noqa: PLR2004 - RFC 9110 section 15.6
            return self.unavailable
        if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
            return self.redirected
        leaf = self.of_status[endpoint].get(status)
        if leaf is None and status < 300 and code is not None:  # noqa: PLR2004 - RFC 9110 section 15.3
            leaf = self.of_code.get(endpoint, {}).get(code)
        return leaf or self.otherwise[endpoint]

    def error(
        self,
        leaf: type[E],
        endpoint: W,
        status: int,
        *,
        at: str | None = None,
        sender: str | None = None,
        means: str | None = None,
        hint: str = "",
        code: str | None = None,
        detail: str | None = None,
        request_id: str | None = None,
        retry_after: timedelta | None = None,
    ) -> E:
        """Build the error.

        Its text: ``issuing a token failed at HOST: what it means (HTTP 401 from URL, code 02: the vendor's words)``.

        Args:
            leaf: its class, from `choose`.
            endpoint: where the response came from.
            status: the HTTP status.
            at: the address that was called, for the sentence.
            sender: the address that answered, for the brackets.
            means: what the response means, where the tables' words do not fit it.
            hint: put behind the meaning as it is.
            code: the vendor's code, cleaned.
            detail: the vendor's words, cleaned.
            request_id: the vendor's name for the exchange.
            retry_after: how long the vendor asks to wait; kept only by errors that waiting can help.
        """
        means = means or self.meanings_at.get((endpoint, leaf)) or self.meanings[leaf]
        place = f" at {at}" if at else ""
        said = f"HTTP {status}" + (f" from {sender}" if sender else "")
        said += (f", code {code}" if code else "") + (f": {detail}" if detail else "")
        return leaf(
            f"{endpoint.value} failed{place}: {means}{hint} ({said})",
            status=status,
            code=code,
            detail=detail,
            request_id=request_id,
            retry_after=retry_after if issubclass(leaf, VendorUnavailableError) else None,
        )
