"""Text from outside, however hostile: a value, None where that is promised, or a typed error; time and memory bounded.

The readers, and what each of them checks, are in `tests/fuzz/readers.py`; `tests/fuzz/atheris_targets.py` runs the same
ones guided by coverage. Answers of token endpoints as a whole are `tests/vendors_common/test_fuzz.py`.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.readers import READERS, SEPARATOR, read
from tests.fuzz.seeds import SEEDS

MIB = 1 << 20
SMALL = 1 << 14
LONGEST_ERROR = 10_000
"""Characters a log may get of one error, whatever came in."""
FACTOR = 250
"""Bytes of memory for each byte of input: JSON of empty objects takes forty in Python, a row of percent signs two hundred."""

ODD = (
    b"", b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"1e-400", b"0", b"-1", b"9" * 400, b"9" * 4300, b"9" * 10_000,
    b"1" + b"0" * 17, b"253402300799", b"253402300800", b"-62135596801", b"1e308", b'""', b'"\\ud800"', b'"\\u0000"', b'"soon"',
    b'"\xed\xa0\x80"', b"[]", b"{}", b"[" * 100, b"\x00", b"\xed\xb3\xbf", b"\xff\xfe", "\uff11".encode(), "٣٦٠٠".encode(),
    b"%ED%A0%80", b"%00", b"%", b"&", b"=", b"?", b"#", b"://", b"@", b":99999", b"[::1]", b"[::g]", b" ", b"\r\nX: y", b"\xef\xbb\xbf",
    b"+14:00", b"-23:59", b"24:00:00", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:60Z", b"Thu, 31 Feb 0000 00:00:00 GMT",
    b'"exp":1e300,', b'"format":true,', b'"error":"x",', b'"code":"00",', SEPARATOR,
)  # fmt: skip


_NO_KIND = st.binary(max_size=200) | st.text(max_size=100).map(str.encode)
_EDITS = st.lists(
    st.tuples(
        st.integers(0, 300),
        st.sampled_from((0, 1, 2, 4, 8, 30)),
        st.sampled_from(ODD) | st.binary(max_size=4),
    ),
    max_size=3,
)
"""Where to cut, how many bytes away, and what to put there."""


@st.composite
def inputs(draw: st.DrawFn, name: str) -> bytes:
    """Draw a good input with pieces of it replaced by odd ones, or bytes of no kind at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(_NO_KIND)
    body = bytearray(draw(st.sampled_from(SEEDS[name])))
    for place, length, piece in draw(_EDITS):
        start = place % (len(body) + 1)
        body[start : start + length] = piece
    return bytes(body)


@pytest.mark.parametrize("name", READERS)
def test_a_good_input_is_read(name: str) -> None:
    """Each reader has inputs that it takes: else the others prove little."""
    assert any(not read(name, seed) for seed in SEEDS[name]) or name == "environment"


@pytest.mark.parametrize("name", READERS)
def test_any_input(name: str) -> None:
    """What comes back is sound, or the error is typed and of a size that a log can bear."""

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs(name))
    def every(data: bytes) -> None:
        assert len(read(name, data)) <= LONGEST_ERROR

    every()


def _filled(piece: bytes, size: int, before: bytes = b"", after: bytes = b"") -> bytes:
    return before + piece * ((size - len(before) - len(after)) // len(piece)) + after


HUGE: Mapping[str, Callable[[int], bytes]] = {
    "letters": lambda size: _filled(b"a", size),
    "digits": lambda size: _filled(b"9", size),
    "spaces": lambda size: _filled(b" ", size),
    "NUL": lambda size: _filled(b"\x00", size),
    "surrogates": lambda size: _filled(b"\xed\xa0\x80", size),
    "dots": lambda size: _filled(b"a.", size),
    "dashes": lambda size: _filled(b"-", size),
    "percent signs": lambda size: _filled(b"%", size),
    "pairs": lambda size: _filled(b"a=b&", size),
    "tokens": lambda size: _filled(b"a_token=b&", size),
    "arrays in arrays": lambda size: _filled(b"[", size),
    "objects in objects": lambda size: _filled(b'{"a":', size),
    "empty objects": lambda size: _filled(b"{}," + b" " * 61, size, b"[", b"{}]"),
    "equal keys": lambda size: _filled(b'"jwt":"' + b"a" * 50 + b'",', size, b"{", b'"jwt":1}'),
    "humps": lambda size: _filled(b"aB", size, b'{"meta":{"', b'":1}}'),
    "a number": lambda size: _filled(b"9", size, b'{"expires_in":', b"}"),
    "an expiry": lambda size: _filled(b"9", size, b'{"access_token":"t","expires_in":"', b'"}'),
    "an error": lambda size: _filled(b"a-", size, b'{"error":"', b'"}'),
    "words": lambda size: _filled(b"word ", size, b'{"code":"9","description":"', b'"}'),
    "a token": lambda size: _filled(b"A", size, b'{"token":"a.', b'.b"}'),
    "a sealed text": lambda size: _filled(b"A", size, b"nauth1.k1."),
    "a host": lambda size: _filled(b"a", size, b"https://"),
    "labels": lambda size: _filled("ü.".encode(), size, b"https://"),
    "a port": lambda size: _filled(b"9", size, b"https://example.com:"),
    "a path": lambda size: _filled(b"/..", size, b"https://example.com"),
    "a header": lambda size: _filled(b"9", size, SEPARATOR),
    "a date": lambda size: _filled(b" ", size, SEPARATOR + b"Sun, 22 Nov 2026 00:00:00", b"GMT"),
    "separators": lambda size: _filled(SEPARATOR + b"a", size),
}


@pytest.mark.parametrize("shape", HUGE)
@pytest.mark.slow
def test_a_mebibyte(shape: str) -> None:
    """No reader needs a second for a mebibyte, and none repeats it in an error."""
    data = HUGE[shape](MIB)
    for name in READERS:
        began = time.process_time()
        shown = read(name, data)
        assert time.process_time() - began < 1, name
        assert len(shown) <= LONGEST_ERROR, name


@pytest.mark.parametrize("shape", HUGE)
def test_memory_grows_with_the_input_only(shape: str) -> None:
    """At its peak no reader holds more than a small multiple of what came in."""
    data = HUGE[shape](SMALL)
    tracemalloc.start()
    try:
        for name in READERS:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            read(name, data)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before <= FACTOR * SMALL, name
    finally:
        tracemalloc.stop()
