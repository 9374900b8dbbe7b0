"""NAO Cloud's wire rules on top of the core's: two roots for one collection, ids as text or number."""

from __future__ import annotations

import re
from typing import cast

from nauth.wire.converter import make_converter

__all__ = ["CONVERTER", "site_page", "snake"]

CONVERTER = make_converter()

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])", re.ASCII)


def snake(name: str) -> str:
    """Write a member's name in snake case: ``jwtToken`` as ``jwt_token``."""
    return _HUMP.sub("_", name.strip()).lower()


def site_page(document: object) -> object:
    """Turn both forms of a collection into the form that `SitePage` has.

    Populated pages were seen as JSON:API (``data``, with ``attributes``), an empty one under the resource's own name.
    A document with neither root becomes one that the converter refuses.
    """
    if not isinstance(document, dict):
        return document
    body = cast("dict[str, object]", document)
    root = next((name for name in ("data", "sites") if name in body), None)
    if root is None:
        return {"sites": None}
    found = body[root]
    sites = [_site(entry) for entry in cast("list[object]", found)] if isinstance(found, list) else found
    return {"sites": sites, "pagination": _pagination(body.get("meta"))}


def _pagination(meta: object) -> object:
    found = cast("dict[str, object]", meta).get("pagination") if isinstance(meta, dict) else None
    if not isinstance(found, dict):
        return {}
    # a count of an unknown form is no reason to refuse the page
    return {
        name: value
        for name, value in cast("dict[str, object]", found).items()
        if name in {"current", "records"} and type(value) is int
    }


def _site(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    site = cast("dict[str, object]", entry)
    known, attributes = site.get("id"), site.get("attributes", site)
    return {
        **({"id": str(known) if type(known) is int else known} if "id" in site else {}),
        "type": site.get("type"),
        "attributes": attributes,
    }
