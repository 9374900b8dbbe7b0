"""A vendor that sends its visitors on."""

from __future__ import annotations

from aiohttp import web

from tests.support.http.vendor import Vendor

__all__ = ["SECRETS", "Moving", "is_clean"]

SECRETS = {"accountId": "account-4711", "X-Api-Key": "hunter2-hunter2"}
"""What a vendor may want beside the token."""


class Moving(Vendor):
    """Send those with a good token from one path to the next, as `table` says; tell the others 401.

    Args:
        status: of the redirect.
        good: the access tokens it likes.
        without_token: send visitors without any ``Authorization`` on, too.
    """

    def __init__(self, status: int, *good: str, without_token: bool = False) -> None:
        super().__init__(*good, answer=self._move)
        self.table: dict[str, str] = {}
        self._status = status
        if without_token:
            self.good.add(None)  # type: ignore[arg-type]  # what a missing header reads as

    async def _move(self, request: web.Request) -> web.Response:
        await request.read()
        if request.path not in self.table:
            return web.Response(text="here")
        return web.Response(status=self._status, headers={"Location": self.table[request.path]})


def is_clean(vendor: Vendor) -> bool:
    """Tell whether `vendor` was called, and no request carried a credential of any kind."""
    assert vendor.seen
    return not any(name in seen.headers for seen in vendor.seen for name in ("Authorization", *SECRETS))
