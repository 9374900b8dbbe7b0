"""What the body of an error response says: its JSON if it is any, and the words meant for people.

A wrong byte must not hide the vendor's code. Bodies of errors are therefore decoded with replacement: a description in
Latin-1 costs its umlauts and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal, TypeAlias, cast

from nauth.errors import MalformedResponseError
from nauth.redact import clean
from nauth.secret import Secret
from nauth.wire.json_text import parse_json

__all__ = ["ErrorDocument", "FieldMaps", "Hidden", "find_words", "mend", "plain_words"]

FieldMaps: TypeAlias = Literal["skipped", "texts", "named"]
"""What becomes of an inner object without a known member: nothing, or its texts, or each text behind its name."""

Hidden: TypeAlias = Sequence[Secret | None]
"""What was sent and must not come back in the vendor's words."""

_DEEPEST = 5
"""Levels of lists and objects that are searched for words."""
_LONGEST_TEXT = 1000
"""Bytes of plain text that are read."""


class ErrorDocument:
    """The body of an error response, read as JSON. Its repr shows nothing of it.

    Args:
        body: as received.

    Attributes:
        is_json: whether the body is a JSON document.
        content: that document; None if it is none.
        members: the members of the document; empty if it is no object.
    """

    __slots__ = ("content", "is_json", "members")

    def __init__(self, body: bytes) -> None:
        content: object = None
        self.is_json: bool = True
        try:
            content = parse_json(mend(body))
        except MalformedResponseError:
            self.is_json = False
        self.content: object = content
        self.members: Mapping[str, object] = (
            cast("dict[str, object]", content) if isinstance(content, dict) else {}
        )


def mend(body: bytes) -> bytes:
    """Return `body` as valid UTF-8: each wrong byte becomes the replacement character."""
    return body.decode("utf-8-sig", "replace").encode()


def find_words(
    node: object,
    names: Sequence[str],
    *,
    inner: Sequence[str] = (),
    maps: FieldMaps = "skipped",
    most: int = 1,
    hide: Hidden = (),
) -> str | None:
    """Return the words for people in a parsed error body, cleaned; None if there are none.

    Understood are text, lists of texts or of objects, and objects. Of an inner object the first member in `inner` that
    holds words counts. An inner object without any such member may be a map of field to what is wrong with it.

    Args:
        node: the document, or its members alone where other documents say nothing.
        names: members of the top-level object that may hold words, the most telling first; case does not matter.
        inner: the same for the objects inside.
        maps: how inner objects without any of these are read.
        most: how many texts are quoted, joined by a semicolon.
        hide: a text that shows one of these secrets is passed over.
    """
    search = _Search(names, inner, maps=maps, hide=hide)
    found = list(dict.fromkeys(islice(search.texts(node, 0), most)))
    return clean("; ".join(found)) if len(found) > 1 else next(iter(found), None)


def plain_words(body: bytes, *, hide: Hidden = ()) -> str | None:
    """Return a body that is plain text, cleaned; None for markup, for nothing, and if it shows one of `hide`."""
    text = body[:_LONGEST_TEXT].decode("utf-8", "replace").strip()
    return None if text.startswith("<") else _fit(text, hide)


class _Search:
    __slots__ = ("_hide", "_inner", "_maps", "_names")

    def __init__(self, names: Sequence[str], inner: Sequence[str], *, maps: FieldMaps, hide: Hidden) -> None:
        self._names = names
        self._inner = inner
        self._maps = maps
        self._hide = hide

    def texts(self, node: object, depth: int) -> Iterator[str]:
        if isinstance(node, str):
            text = _fit(node, self._hide)
            if text is not None:
                yield text
        elif isinstance(node, list) and depth < _DEEPEST:
            for entry in cast("list[object]", node):
                # a list right inside a list is no form that any vendor has
                if not isinstance(entry, list):
                    yield from self.texts(entry, depth + 1)
        elif isinstance(node, dict) and depth < _DEEPEST:
            yield from self._of_object(cast("dict[str, object]", node), depth)

    def _of_object(self, node: Mapping[str, object], depth: int) -> Iterator[str]:
        members = {name.lower(): value for name, value in node.items()}
        named = (
            text
            for name in (self._inner if depth else self._names)
            for text in self.texts(members.get(name.lower()), depth + 1)
        )
        if depth == 0:
            yield from named
            return
        first = next(named, None)
        if first is not None:
            yield first
        elif self._maps != "skipped":
            for field, value in node.items():
                for text in self.texts(value, depth + 1):
                    told = text if self._maps == "texts" else _fit(f"{field}: {text}", self._hide)
                    if told is not None:
                        yield told


def _fit(text: str, hide: Hidden) -> str | None:
    return None if any(_shows(text, secret) for secret in hide if secret) else clean(text)


def _shows(text: str, secret: Secret) -> bool:
    # a server that writes Latin-1 repeats a secret with its other characters replaced
    return secret.reveal() in text or (
        secret.reveal().encode("latin-1", "replace").decode("utf-8", "replace") in text
    )
