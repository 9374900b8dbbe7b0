"""How Noyo cuts lists into pages.

Source: Noyo's fulfillment and tracking OpenAPI descriptions. Their `page_num` contradicts itself and is not used.
"""

from __future__ import annotations

from nauth.pages import PageForm, by_offset

__all__ = ["OFFSET"]

OFFSET = PageForm(
    start="offset",
    size="page_size",
    rows=("response",),
    first=0,
    following=by_offset("meta", "total_records", size=("meta", "page_size")),
    largest=100,
)
"""All lists: by offset, with 5 to 100 records on a page. `total_records` is not always there."""
