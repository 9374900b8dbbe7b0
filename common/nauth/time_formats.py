"""Instants, waits and lifetimes in the many spellings that vendors use. Pure functions, no clock.

Every result is an aware UTC `datetime` or a `timedelta`. No error text contains the value that was read: what stands
where a date belongs may be anything, a token included.
"""

from __future__ import annotations

import email.utils
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Final

__all__ = [
    "EPOCH_MS_ABOVE",
    "LOOSE",
    "MAX_LIFETIME",
    "RETRY_AFTER_CAP",
    "LooseInstant",
    "bounded_seconds",
    "http_date",
    "lifetime_until",
    "parse_instant",
    "parse_iso",
    "retry_after",
]

MAX_LIFETIME = timedelta(days=366)
"""Longest lifetime accepted; a longer one is cut to it. No vendor here issues a token near it, so more is a wrong
timestamp. If the cut is wrong, the next 401 renews the token."""

RETRY_AFTER_CAP = timedelta(minutes=10)
"""Longest wait accepted from a `Retry-After`. A vendor that names hours would stop a service for hours, and one try
every ten minutes costs the vendor nothing."""

EPOCH_MS_ABOVE = 1e11
"""An epoch number above this counts milliseconds: as seconds it would lie in the year 5138, and as milliseconds it
lies after March 1973."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_TEXT = 64

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))?", re.ASCII
)
_SPACED_OFFSET = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)", re.ASCII)
_ZONE_WORD = re.compile(r"\s*(?:UTC|GMT|Z)$", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)

# RFC 9110 section 5.6.7: IMF-fixdate, the RFC 850 form and asctime. email.utils alone reads nearly anything.
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = r"\d\d:\d\d:\d\d"
_HTTP_DATE = re.compile(
    rf"{_DAY}, \d\d {_MONTH} \d{{4}} {_TIME} GMT"
    rf"|{_DAY}[a-z]*, \d\d-{_MONTH}-\d\d {_TIME} GMT"
    rf"|{_DAY} {_MONTH} [ \d]\d {_TIME} \d{{4}}",
    re.ASCII,
)


class _Loose:
    """Mark a field whose unreadable instant means "none" rather than a malformed response."""

    def __repr__(self) -> str:
        return "LOOSE"


LOOSE: Final = _Loose()
"""The mark that `nauth.wire` looks for."""

LooseInstant = Annotated[datetime | None, LOOSE]
"""A model field read by `parse_instant` in all its forms, naive taken as UTC; None if it cannot be read."""


def parse_iso(text: str, *, naive_is_utc: bool = False) -> datetime:
    """Read ISO 8601 as RFC 3339 profiles it: date, ``T`` or a space, time, fraction, ``Z`` or an offset.

    The offset may lack its colon; fractions beyond microseconds are cut off.

    Args:
        text: such as ``2024-03-27T15:22:53.123456789+01:00``.
        naive_is_utc: take a time without an offset as UTC instead of refusing it.

    Raises:
        ValueError: another form, no offset, or no such instant.
    """
    match = _ISO.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError("not an ISO 8601 instant")
    *numbers, fraction, zulu, sign, hours, minutes = match.groups()
    if not (zulu or sign or naive_is_utc):
        raise ValueError("an instant without an offset")
    year, month, day, hour, minute, second = map(int, numbers)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        leap = int(second == 60)  # noqa: PLR2004 - RFC 3339 allows the leap second, datetime does not
        whole = datetime(year, month, day, hour, minute, second - leap, tzinfo=zone) + timedelta(seconds=leap)
        return whole.astimezone(UTC).replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))
    except (ValueError, OverflowError):
        raise ValueError("no such instant") from None


def parse_instant(value: object, *, naive_is_utc: bool = False, epoch: bool = False) -> datetime:
    """Read an instant in any spelling the four vendors are known or likely to use.

    ISO 8601 (see `parse_iso`); Ruby's ``2024-03-27 15:22:53 UTC`` and ``... +0000``; the three HTTP dates; and with
    `epoch` seconds or milliseconds since 1970 (see `EPOCH_MS_ABOVE`) as a number or as text.

    Args:
        value: what stood in the JSON.
        naive_is_utc: take a time without an offset as UTC instead of refusing it.
        epoch: accept epoch numbers.

    Raises:
        ValueError: none of these forms, or out of range.
    """
    if isinstance(value, str):
        text = value.strip() if len(value) <= _LONGEST_TEXT else ""
        if epoch and _NUMBER.fullmatch(text):
            return _from_epoch(float(text))
        stamp = http_date(text)
        if stamp is not None:
            return stamp
        return parse_iso(_ZONE_WORD.sub("Z", _SPACED_OFFSET.sub("", text)), naive_is_utc=naive_is_utc)
    if epoch and type(value) in (int, float):
        return _from_epoch(value)  # type: ignore[arg-type] # narrowed by the line above: bool must not pass
    raise ValueError("neither text nor an accepted number")


def _from_epoch(number: float) -> datetime:
    try:
        if abs(number) > EPOCH_MS_ABOVE:
            return _EPOCH + timedelta(milliseconds=number)
        return _EPOCH + timedelta(seconds=number)
    except (ValueError, OverflowError):  # NaN, infinity, or past the calendar's end
        raise ValueError("no such instant") from None


def http_date(text: str) -> datetime | None:
    """Read an HTTP date in any of the three forms of RFC 9110 section 5.6.7; None if it is none of them."""
    if not _HTTP_DATE.fullmatch(text):
        return None
    try:
        return email.utils.parsedate_to_datetime(text).replace(tzinfo=UTC)
    except ValueError:  # the right form, but no such day or hour
        return None


def _header(headers: Mapping[str, str], name: str) -> str:
    # a plain dict is case-sensitive, HTTP is not
    return next((value for key, value in headers.items() if key.lower() == name), "").strip()


def retry_after(
    headers: Mapping[str, str], *, now: datetime, cap: timedelta = RETRY_AFTER_CAP
) -> timedelta | None:
    """Return the wait a `Retry-After` header asks for, between zero and `cap`.

    Seconds may carry a sign, a fraction or white space. An HTTP date is counted from the `Date` of the same response,
    so that neither clock need be right; without a readable one, from `now`.

    Args:
        headers: of the response, in any case.
        now: aware wall time.
        cap: the longest wait accepted.

    Returns:
        None if there is no such header or it cannot be read.
    """
    text = _header(headers, "retry-after")
    if _NUMBER.fullmatch(text):
        return timedelta(seconds=max(0.0, min(float(text), cap.total_seconds())))
    until = http_date(text)
    if until is None:
        return None
    return max(timedelta(0), min(until - (http_date(_header(headers, "date")) or now), cap))


def bounded_seconds(value: object, *, cap: timedelta = MAX_LIFETIME) -> timedelta | None:
    """Read a lifetime in seconds from a number or numeric text, such as `expires_in`.

    Returns:
        At most `cap`. None for null, zero, negatives, NaN, infinity, flags and anything else: each means that the
        vendor did not say.
    """
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return None
        value = float(text)
    if type(value) is int:
        # before any float arithmetic, which a number of a thousand digits would overflow
        value = min(value, math.ceil(cap.total_seconds()))
    elif type(value) is not float or not math.isfinite(value):
        return None
    if value <= 0:
        return None
    return min(timedelta(seconds=min(value, cap.total_seconds())), cap) or None


def lifetime_until(expires_at: datetime, *, date_header: str | None, sent_wall: float) -> timedelta:
    """Turn a vendor's absolute expiry into a lifetime that does not depend on this machine's clock.

    Args:
        expires_at: the aware expiry in the response.
        date_header: the `Date` header of the same response. Expiry and header come from one clock, so its error
            cancels.
        sent_wall: epoch seconds when the request was sent; used if the header is missing or unreadable.

    Returns:
        At most `MAX_LIFETIME`; zero or negative if the expiry had already passed.
    """
    answered = http_date(date_header.strip()) if date_header else None
    return min(expires_at - (answered or datetime.fromtimestamp(sent_wall, UTC)), MAX_LIFETIME)


def instant(epoch_s: float) -> datetime:
    """Return the aware UTC datetime of `epoch_s` seconds since the epoch."""
    return datetime.fromtimestamp(epoch_s, UTC)
