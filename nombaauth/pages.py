"""How Nomba cuts lists into pages.

Source: https://developer.nomba.com/nomba-api-reference/openapi.json
"""

from __future__ import annotations

from nauth.pages import PageForm, by_cursor, by_flag

__all__ = ["CURSOR", "NEXT_PAGE", "PAGE_FLAG"]

CURSOR = PageForm(start="cursor", size="limit", rows=("results",), following=by_cursor("cursor"))
"""The usual form, that of terminals, transactions and virtual accounts. Three of the lists are asked for by POST, with the cursor
in the query all the same. "It will be empty if there is no more page"."""

NEXT_PAGE = PageForm(
    start="page", rows=("tokenizedCardDataList",), following=by_cursor("nextPage", zero_ends=True)
)
"""Tokenized cards: `nextPage` is zero on the last page."""

PAGE_FLAG = PageForm(start="page", size="pageSize", rows=("items",), first=0, following=by_flag("hasMore"))
"""Direct debit mandates. The specification does not number the first page; give ``start=1`` if it is 1."""
