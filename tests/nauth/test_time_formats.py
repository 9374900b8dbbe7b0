from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nauth.time_formats import (
    LOOSE,
    MAX_LIFETIME,
    RETRY_AFTER_CAP,
    bounded_seconds,
    http_date,
    lifetime_until,
    parse_instant,
    parse_iso,
    retry_after,
)

STAMP = datetime(2024, 3, 27, 15, 22, 53, tzinfo=UTC)
EPOCH_S = 1_711_552_973
NOW = datetime(2024, 3, 27, 15, 0, 0, tzinfo=UTC)

quick = settings(deadline=None, max_examples=300)


@pytest.mark.parametrize(
    "text, micros",
    [
        ("2024-03-27T15:22:53Z", 0),
        ("2024-03-27t15:22:53z", 0),
        ("2024-03-27 15:22:53Z", 0),
        ("2024-03-27T15:22:53+00:00", 0),
        ("2024-03-27T15:22:53-00:00", 0),
        ("2024-03-27T16:22:53+0100", 0),
        ("2024-03-27T09:52:53-05:30", 0),
        ("2024-03-27T15:22:53.1Z", 100_000),
        ("2024-03-27T15:22:53,123Z", 123_000),
        ("2024-03-27T15:22:53.123456Z", 123_456),
        ("2024-03-27T15:22:53.123456999+00:00", 123_456),
        ("2024-03-27T15:22:52.9999999Z", None),
    ],
)
def test_iso(text: str, micros: int | None) -> None:
    """ISO 8601 is read with any offset spelling, and digits beyond microseconds are cut, never rounded up."""
    wanted = STAMP - timedelta(microseconds=1) if micros is None else STAMP.replace(microsecond=micros)
    for read in (parse_iso(text), parse_instant(text)):
        assert read == wanted
        assert read.tzinfo is UTC


def test_leap_second() -> None:
    """The 60th second is the next minute's first, and a 61st does not exist."""
    assert parse_iso("2016-12-31T23:59:60.5Z") == datetime(2017, 1, 1, 0, 0, 0, 500_000, UTC)
    with pytest.raises(ValueError, match="no such instant"):
        parse_iso("2016-12-31T23:59:61Z")


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-27 15:22:53 UTC",
        "2024-03-27 15:22:53 utc",
        "2024-03-27 15:22:53 GMT",
        "2024-03-27 15:22:53UTC",
        "2024-03-27 15:22:53 Z",
        "2024-03-27 15:22:53 +0000",
        "2024-03-27 16:22:53 +01:00",
        "  2024-03-27T15:22:53Z\n",
        "Wed, 27 Mar 2024 15:22:53 GMT",
        "Wednesday, 27-Mar-24 15:22:53 GMT",
        "Wed Mar 27 15:22:53 2024",
    ],
)
def test_tolerant_spellings(text: str) -> None:
    """Ruby's spelling, all three HTTP dates and stray white space are read."""
    assert parse_instant(text) == STAMP


def test_strict_reader_refuses_words() -> None:
    """The strict reader takes no zone words: they are for `parse_instant`."""
    with pytest.raises(ValueError, match="not an ISO 8601 instant"):
        parse_iso("2024-03-27 15:22:53 UTC")


@pytest.mark.parametrize(
    "value",
    [
        EPOCH_S,
        float(EPOCH_S),
        str(EPOCH_S),
        f" {EPOCH_S}.0 ",
        EPOCH_S * 1000,
        f"{EPOCH_S * 1000}",
        EPOCH_S * 1e3,
    ],
)
def test_epoch(value: object) -> None:
    """Seconds and milliseconds are told apart by their size, as number or as text."""
    assert parse_instant(value, epoch=True) == STAMP
    with pytest.raises(ValueError, match=r"not an ISO 8601|neither text"):
        parse_instant(value)


def test_naive() -> None:
    """A time without an offset is UTC where the vendor is known to mean that, and else refused."""
    assert parse_instant("2024-03-27T15:22:53", naive_is_utc=True) == STAMP
    with pytest.raises(ValueError, match="without an offset"):
        parse_instant("2024-03-27T15:22:53")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        "",
        "soon",
        "2024-03-27",
        "2024-13-27T15:22:53Z",
        "2024-03-27T25:22:53Z",
        "2024-03-27T15:22:53+25:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "2024-03-27T15:22:53 WAT",
        "Wed, 27 Mar 2024 25:22:53 GMT",
        "Wed, 27 Mar 2024 15:22:53 WAT",
        "\u0662024-03-27T15:22:53Z",
        float("nan"),
        float("inf"),
        1e17,
        10**400,
        -(10**12) * 10**6,
        "9" * 60,
        "2024-03-27T15:22:53." + "0" * 100 + "Z",
    ],
)
def test_unreadable_instants(value: object) -> None:
    """Anything else is a ValueError that keeps the value to itself."""
    with pytest.raises(ValueError, match=r"^(not an|neither|no such|an instant)") as caught:
        parse_instant(value, naive_is_utc=True, epoch=True)
    assert not value or str(value) not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@quick
@given(st.text(max_size=80) | st.floats() | st.integers() | st.from_regex(r"\A[\d:TZ+. -]{10,40}\Z"))
def test_parse_instant_on_anything(value: object) -> None:
    """Random input gives an aware UTC datetime or a ValueError, nothing else."""
    try:
        read = parse_instant(value, naive_is_utc=True, epoch=True)
    except ValueError:
        return
    assert read.tzinfo is UTC


@quick
@given(
    st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))).filter(
        lambda stamp: 2 <= stamp.year <= 9998
    )
)
def test_isoformat_round_trip(stamp: datetime) -> None:
    """Whatever `isoformat` writes is read back as the same instant."""
    assert parse_instant(stamp.isoformat()) == stamp


def test_http_date_that_does_not_exist() -> None:
    """A date of the right form for no day of the calendar is none."""
    assert http_date("Thu, 30 Feb 2024 15:22:53 GMT") is None
    assert http_date("yesterday") is None


def test_mark_shows_its_name() -> None:
    """The mark of loose fields prints as what it is."""
    assert repr(LOOSE) == "LOOSE"


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("7", 7),
        (" +7 ", 7),
        ("0", 0),
        ("-5", 0),
        ("1.5", 1.5),
        ("2.", 2),
        ("9" * 400, RETRY_AFTER_CAP.total_seconds()),
        ("3600", RETRY_AFTER_CAP.total_seconds()),
        ("Wed, 27 Mar 2024 15:01:30 GMT", 90),
        ("Wed, 27 Mar 2024 14:00:00 GMT", 0),
        ("Thu, 28 Mar 2024 14:00:00 GMT", RETRY_AFTER_CAP.total_seconds()),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("\u0667", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """A wait is read in either form, lies between zero and the cap, and garbage is no wait."""
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after({"Retry-After": text}, now=NOW) == wanted
    assert retry_after({"content-length": "0", "RETRY-AFTER": text}, now=NOW) == wanted


def test_retry_after_counts_from_the_answers_date() -> None:
    """A date is counted from the answer's own clock where that can be read, so that skew does not matter."""
    headers = {"retry-after": "Wed, 27 Mar 2024 18:00:30 GMT", "DATE": "Wed, 27 Mar 2024 18:00:00 GMT"}
    assert retry_after(headers, now=NOW) == timedelta(seconds=30)
    assert retry_after({**headers, "DATE": "?"}, now=NOW) == RETRY_AFTER_CAP
    assert retry_after(headers, now=NOW, cap=timedelta(seconds=5)) == timedelta(seconds=5)
    assert retry_after({}, now=NOW) is None


@quick
@given(st.text(max_size=40), st.text(max_size=40))
def test_retry_after_on_anything(text: str, date: str) -> None:
    """Random headers give a bounded wait or none."""
    wait = retry_after({"Retry-After": text, "Date": date}, now=NOW)
    assert wait is None or timedelta(0) <= wait <= RETRY_AFTER_CAP


@pytest.mark.parametrize(
    "value, seconds",
    [
        (600, 600),
        (0.5, 0.5),
        ("600", 600),
        (" 600.5 ", 600.5),
        (10**400, None),
        (1e300, None),
    ],
)
def test_bounded_seconds(value: object, seconds: float | None) -> None:
    """A lifetime is read from a number or its text, and is never longer than the cap."""
    assert bounded_seconds(value) == (MAX_LIFETIME if seconds is None else timedelta(seconds=seconds))
    assert bounded_seconds(value, cap=timedelta(seconds=0.25)) == timedelta(seconds=0.25)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        "0",
        "-3",
        "soon",
        "",
        "nan",
        "1e3",
        float("nan"),
        float("inf"),
        json.loads("1e999"),
        "9" * 500,
        1e-9,
        [],
    ],
)
def test_unsaid_lifetimes(value: object) -> None:
    """Null, zero, negatives, flags and garbage mean that the vendor did not say."""
    assert bounded_seconds(value) is None


@quick
@given(st.text(max_size=30) | st.floats() | st.integers() | st.booleans() | st.none())
def test_bounded_seconds_on_anything(value: object) -> None:
    """Random values give a positive bounded lifetime or none."""
    read = bounded_seconds(value)
    assert read is None or timedelta(0) < read <= MAX_LIFETIME


def test_lifetime_until() -> None:
    """The stamp is measured against the answer's clock, or against ours where the answer has none."""
    stamp = STAMP + timedelta(seconds=1800)
    skewed = EPOCH_S - 3600.0
    assert lifetime_until(stamp, date_header="Wed, 27 Mar 2024 15:22:53 GMT", sent_wall=skewed) == timedelta(
        seconds=1800
    )
    for unreadable in (None, "", "today"):
        assert lifetime_until(stamp, date_header=unreadable, sent_wall=float(EPOCH_S)) == timedelta(
            seconds=1800
        )
    assert lifetime_until(STAMP, date_header=None, sent_wall=EPOCH_S + 5.0) == timedelta(seconds=-5)
    assert (
        lifetime_until(STAMP + 2 * MAX_LIFETIME, date_header=None, sent_wall=float(EPOCH_S)) == MAX_LIFETIME
    )
