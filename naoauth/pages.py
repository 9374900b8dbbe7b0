"""How NAO Cloud cuts lists into pages.

Source: https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication and its neighbours. Neither the size of a page
nor the end of a list is documented: a list ends at an empty page, or when as many records are read as it says it has.
"""

from __future__ import annotations

from nauth.pages import PageForm, by_number

__all__ = ["NUMBER"]

NUMBER = PageForm(
    start="page[number]",
    rows=("data",),
    own_name=True,
    first=1,
    following=by_number("meta", "pagination", "records"),
)
"""All lists: pages numbered from 1; the records under ``data``, or under the resource's own name."""
