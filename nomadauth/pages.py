"""How Nomad Media cuts lists into pages.

Source: https://docs.nomad.media/reference and its OpenAPI descriptions. Whether `pageOffset` counts pages or records differs
between endpoints, so what the response names as `nextPageOffset` is sent back, never a sum.
"""

from __future__ import annotations

from nauth.pages import PageForm, by_cursor, by_number, by_offset

__all__ = ["INDEX", "OFFSET_IN_BODY", "OFFSET_IN_QUERY", "total_form"]

_NEXT = by_cursor("nextPageOffset", more="hasItems")

OFFSET_IN_BODY = PageForm(
    start="pageOffset", size="pageSize", rows=("items",), first=0, in_body=True, following=_NEXT
)
"""The searches of portal, admin and media, which are POSTs."""

OFFSET_IN_QUERY = PageForm(start="PageOffset", size="PageSize", rows=("items",), first=0, following=_NEXT)
"""An asset's history."""

INDEX = PageForm(
    start="pageIndex", size="pageSize", rows=("items",), first=0, following=by_number("totalItemCount")
)
"""Lists numbered from 0."""


def total_form(rows: str) -> PageForm:
    """Return the form of the user-behavior lists: by limit and offset, the records under a name of each list's own.

    Args:
        rows: that name.
    """
    return PageForm(start="offset", size="limit", rows=(rows,), first=0, following=by_offset("total"))
