"""The words in an error body: found in the shapes that a vendor allows, cleaned, and never a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nauth.responses.error_body import ErrorDocument, FieldMaps, find_words, mend, plain_words
from nauth.secret import Secret

_NAMES = ("detail", "errors")
_INNER = ("message", "title")


@pytest.mark.parametrize(
    "body, is_json, content",
    [
        (b'{"a": 1}', True, {"a": 1}),
        (b"\xef\xbb\xbf[1]", True, [1]),
        (b"null", True, None),
        ('{"a": "f\xfcr"}'.encode("latin-1"), True, {"a": "f\ufffdr"}),
        (b"<html>", False, None),
        (b"", False, None),
    ],
)
def test_json_is_told_from_anything_else(body: bytes, is_json: bool, content: object) -> None:
    """JSON with a wrong byte is JSON, and only an object has members."""
    document = ErrorDocument(body)
    assert (document.is_json, document.content) == (is_json, content)
    assert document.members == (content if isinstance(content, dict) else {})


def test_a_document_shows_nothing_of_itself() -> None:
    """What an error tracker prints of it has no value in it."""
    assert "CANARY" not in repr(ErrorDocument(b'{"CANARY": "CANARY"}'))


def test_mending_keeps_what_is_right() -> None:
    """Valid UTF-8 stays as it is, without its byte order mark."""
    assert mend("\ufefffür".encode()) == "für".encode()


@pytest.mark.parametrize(
    "node, words",
    [
        ("text", "text"),
        (["", 7, "second"], "second"),
        ({"DETAIL": "any case"}, "any case"),
        ({"errors": "later", "detail": "first"}, "first"),
        ({"detail": " ", "errors": ["next"]}, "next"),
        ({"errors": [{"title": "t", "message": "m"}]}, "m"),
        ({"errors": [{"message": None, "title": "t"}]}, "t"),
        ({"errors": {"email": ["is wrong"]}}, None),
        ({"other": "x"}, None),
        ([["nested"], "flat"], "flat"),
        ({"errors": {"message": {"message": {"message": {"message": {"message": "too deep"}}}}}}, None),
        ({"errors": {"message": {"message": {"message": "deep"}}}}, "deep"),
        (None, None),
    ],
)
def test_words_are_found_where_they_may_stand(node: object, words: str | None) -> None:
    """The members named come in their order; what is no text, blank, too deep or unnamed says nothing."""
    assert find_words(node, _NAMES, inner=_INNER) == words


@pytest.mark.parametrize(
    "maps, words",
    [
        ("skipped", "last"),
        ("texts", "is wrong; is long; last"),
        ("named", "email: is wrong; name: is long; last"),
    ],
)
def test_a_map_of_fields_is_read_as_the_vendor_says(maps: FieldMaps, words: str) -> None:
    """Its texts are left out, quoted, or quoted behind the names of their fields."""
    node = {"errors": [{"email": ["is wrong"], "name": "is long"}, "last", "last"]}
    assert find_words(node, _NAMES, inner=_INNER, maps=maps, most=4) == words


@pytest.mark.parametrize("maps", ["texts", "named"])
@pytest.mark.parametrize(
    "told", ["hunter2!", ["hunter2!"], {"message": "hunter2!"}, {"email": "my hunter2"}, {"hunter2": 7}]
)
def test_a_text_that_shows_a_secret_is_passed_over(told: Any, maps: FieldMaps) -> None:
    """The next text is told in its place."""
    hide = (None, Secret(""), Secret("hunter2"))
    assert find_words({"errors": [told, "ok"]}, _NAMES, inner=_INNER, maps=maps, hide=hide) == "ok"


def test_a_field_called_like_a_secret_is_not_named() -> None:
    """A text without the secret is passed over where the name before it shows one."""
    node = {"errors": {"hunter2": "is wrong", "email": "too"}}
    assert find_words(node, _NAMES, maps="named", hide=[Secret("hunter2")]) == "email: too"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_secret_is_known_in_the_other_encoding_too(encoding: str) -> None:
    """A password with an umlaut that comes back in Latin-1 is not quoted with the umlaut missing."""
    hide = [Secret("pässwörtchen")]
    body = '{"detail": "wrong: pässwörtchen"}'.encode(encoding)
    assert find_words(ErrorDocument(body).content, _NAMES, hide=hide) is None
    assert plain_words("wrong: pässwörtchen".encode(encoding), hide=hide) is None


@pytest.mark.parametrize(
    "body, words",
    [
        (b" Not here\n", "Not here"),
        (b"\xff", "\ufffd"),
        (b" <!DOCTYPE html>", None),
        (b"", None),
        (b"x " * 5000, " ".join("x" * 100)),
    ],
)
def test_plain_text_is_its_own_words(body: bytes, words: str | None) -> None:
    """Text is quoted, cleaned and short; markup and emptiness are not."""
    found = plain_words(body)
    assert found == words if len(body) < 100 else (found or "").startswith("x x")


def test_many_words_stay_short() -> None:
    """However many texts come, no more are looked at than are quoted."""
    body = json.dumps({"errors": ["word " * 30] * 3 + ["other"] * 10_000}).encode()
    found = find_words(ErrorDocument(body).content, _NAMES, most=4)
    assert found is not None
    assert found.endswith("; other")
