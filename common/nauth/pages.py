"""`Pages`: every record of a list that the vendor hands out in pages, one request a page.

A list ends where the vendor says that it ends. Anything else is an error with the place where to go on: a list that ends
too early in silence is a list of payments with some of them missing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

import attrs
from yarl import URL

from nauth.errors import ConfigurationError, MalformedResponseError, PagesError, VendorUnavailableError
from nauth.responses.reply import Reply
from nauth.typed_calls import CallOptions, TypedCalls
from nauth.wire.converter import decode, type_name

__all__ = ["Page", "PageForm", "Pages", "by_cursor", "by_flag", "by_number", "by_offset"]

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class Page:
    """What is known when a page has been read; a `PageForm` tells from it where the next one begins.

    Attributes:
        document: the vendor's data, parsed.
        rows: how many records it holds.
        read: how many records were read so far, those of this page included, from the `start` that was given.
        cursor: where it began.
        size: how many records were asked for, if that was said.
    """

    document: Mapping[str, object]
    rows: int
    read: int
    cursor: object
    size: int | None


Following = Callable[[Page], object]
"""Tells where the next page begins; None at the end of the list."""


@attrs.frozen(kw_only=True)
class PageForm:
    """How a vendor cuts a list into pages.

    Attributes:
        start: name of the parameter that says where a page begins.
        size: name of the parameter that says how many records it holds.
        rows: the path to the records, such as ``("results",)``.
        own_name: the records may also stand under the last part of the endpoint's path, such as ``sites``.
        first: what the first page is asked for with; None leaves the parameter out.
        in_body: parameters go into the JSON body, and not into the query.
        following: tells where the next page begins.
        largest: the largest page that the vendor gives, if it says so.
    """

    start: str
    size: str | None = None
    rows: tuple[str, ...]
    own_name: bool = False
    first: object = None
    in_body: bool = False
    following: Following
    largest: int | None = None


def by_cursor(*path: str, more: str | None = None, zero_ends: bool = False) -> Following:
    """The vendor names the next page under `path`; null, empty or absent means that there is none.

    Where the vendor has a member `more`, false there ends the list, too; where it numbers pages, zero may.
    """

    def following(page: Page) -> object:
        found = _member(page.document, path)
        ends: tuple[object, ...] = (None, "", 0) if zero_ends else (None, "")
        over = found in ends or (more is not None and page.document.get(more) is False)
        return None if over else found

    return following


def by_flag(more: str) -> Following:
    """Pages are numbered, and there is another one where the member `more` is true."""
    return lambda page: _next_number(page) if page.document.get(more) is True else None


def by_number(*total: str) -> Following:
    """Pages are numbered. The list ends at an empty page, or when as many records are read as `total` says."""

    def following(page: Page) -> object:
        records = _member(page.document, total)
        over = not page.rows or (type(records) is int and page.read >= records)
        return None if over else _next_number(page)

    return following


def _next_number(page: Page) -> int:
    return cast("int", page.cursor) + 1


def by_offset(*total: str, size: tuple[str, ...] = ()) -> Following:
    """A page begins behind as many records as were received so far.

    The list ends when `total` records are read; where the vendor does not say how many there are, at an empty page or at
    one with fewer records than were asked for, or than the vendor says (`size`) that it gives.
    """

    def following(page: Page) -> object:
        read = cast("int", page.cursor) + page.rows
        records = _member(page.document, total)
        if not page.rows:
            return None
        if type(records) is int:
            return read if read < records else None
        given = _member(page.document, size)
        full = min((n for n in (page.size, given) if type(n) is int and n > 0), default=None)
        return None if full is not None and page.rows < full else read

    return following


class Pages(Generic[_T]):
    """The records of a list, each page fetched when its first record is asked for: ``async for bank in pages``.

    Each iteration begins at `start`. Nothing is held open between two records, so leaving the loop early needs no
    cleaning up. A list that changes meanwhile may repeat or skip a record where its vendor pages by number or offset.

    Attributes:
        cursor: where to go on: the beginning of the first page of which not every record was handed out yet. Give it to
            `start` after an error, or to go on another day. None before the first page and behind the last one.
    """

    def __init__(
        self,
        calls: TypedCalls,
        *,
        method: str,
        path: str,
        into: type[_T],
        form: PageForm,
        options: CallOptions,
        size: int | None,
        start: object,
        most: int,
        patience: timedelta | None,
    ) -> None:
        _check_types(size=size, most=most, form=form, patience=patience)
        if size is not None and (size < 1 or (form.largest is not None and size > form.largest)):
            at_most = f" and at most {form.largest}" if form.largest is not None else ""
            raise ConfigurationError(f"size must be at least 1{at_most}, got {size}")
        if size is not None and form.size is None:
            raise ConfigurationError("size cannot be chosen: this list's vendor takes no size of a page")
        if most < 1:
            raise ConfigurationError(f"most must be at least 1, got {most}")
        self._start = form.first if start is None else start
        for name, said in ((form.start, self._start), (form.size, size)):
            if name is not None and _said_twice(name, said, path, options, in_body=form.in_body):
                raise ConfigurationError(
                    f"{name} is the list's own parameter, and was given by hand, too. Say where to begin with start=, and how "
                    "many records a page has with size="
                )
        if form.in_body and not isinstance(options.get("json", {}), Mapping):
            raise ConfigurationError("json must be a dict: this list's pages are asked for in the body")
        calls.check_readable(list[into])  # type: ignore[valid-type]
        self._calls = calls
        self._method = method
        self._path = path
        self._into = into
        self._form = form
        self._options = options
        self._size = size
        self._most = most
        self._patience = patience
        self.cursor: object = None

    async def __aiter__(self) -> AsyncIterator[_T]:
        """Yield the records one by one.

        Raises:
            PagesError: the vendor sends the same page again, or there are more than `most` records.
            NauthError: as for the client's `call`.
        """
        async for rows in self.by_page():
            for row in rows:
                yield row

    async def by_page(self) -> AsyncIterator[list[_T]]:
        """Yield the records page by page; a page may be empty.

        Raises:
            PagesError: the vendor sends the same page again, or there are more than `most` records.
            NauthError: as for the client's `call`.
        """
        self.cursor = self._start
        seen: set[str] = set()
        read, before = 0, None
        while True:
            # a list of ten thousand pages is remembered by its cursors alone
            if repr(self.cursor) in seen:
                raise self._stuck(read)
            seen.add(repr(self.cursor))
            document = await self._fetch()
            entries, where = self._entries(document)
            if entries and entries == before:  # a server that ignores the parameter would never end
                raise self._stuck(read)
            read += len(entries)
            following = self._form.following(
                Page(document=document, rows=len(entries), read=read, cursor=self.cursor, size=self._size)
            )
            if not self._form.in_body and not _can_be_asked(following):
                raise self._misfit(
                    self._calls.data_root, type_name(following), "text or a number for the next page"
                )
            rows = self._decoded(entries, where)
            before = entries
            yield rows
            if following is None:
                self.cursor = None
                return
            self.cursor = following
            if read >= self._most:
                raise PagesError(
                    f"there are more records than most={self._most}; those read so far were handed out. Go on with "
                    "start=error.cursor, or give a larger most",
                    cursor=following,
                )

    async def _fetch(self) -> Mapping[str, object]:
        data: object = (await self._reply()).data
        if not isinstance(data, Mapping):
            raise self._misfit(self._calls.data_root, type_name(data), "object")
        return cast("Mapping[str, object]", data)

    async def _reply(self) -> Reply[object]:
        left = self._patience
        while True:
            try:
                return await self._calls.call(self._method, self._path, object, self._asked())
            except VendorUnavailableError as error:
                if left is None or error.retry_after is None or error.retry_after > left:
                    raise
                wait = error.retry_after
            left -= wait
            await self._calls.clock.sleep(wait.total_seconds())

    def _asked(self) -> CallOptions:
        parameters: dict[str, Any] = {}
        if self.cursor is not None:
            parameters[self._form.start] = self.cursor
        if self._size is not None and self._form.size is not None:
            parameters[self._form.size] = self._size
        options = self._options.copy()
        options.setdefault("repeatable", True)  # reading a list twice does no harm, whatever its method
        if self._form.in_body:
            options["json"] = {**cast("Mapping[str, object]", options.get("json") or {}), **parameters}
        else:
            given = options.get("params") or {}
            if not isinstance(given, Mapping):
                raise ConfigurationError(
                    "params must be a mapping: a list's pages add parameters of their own"
                )
            options["params"] = {**given, **parameters}
        return options

    def _entries(self, document: Mapping[str, object]) -> tuple[list[object], str]:
        paths = [self._form.rows]
        if self._form.own_name:
            paths.append((self._path.partition("?")[0].rstrip("/").rpartition("/")[2],))
        for path in paths:
            found = _member(document, path)
            if isinstance(found, list):
                return cast("list[object]", found), self._place(path)
        raise self._misfit(self._place(paths[0]), type_name(_member(document, paths[0])))

    def _place(self, path: tuple[str, ...]) -> str:
        return ".".join((self._calls.data_root, *path))

    def _decoded(self, entries: list[object], where: str) -> list[_T]:
        return decode(
            self._calls.converter,
            entries,
            cast("type[list[_T]]", list[self._into]),  # type: ignore[name-defined]
            error=self._calls.error_class(MalformedResponseError),
            what=f"the page of {self._path}",
            root=where,
        )

    def _misfit(self, where: str, got: str, expected: str = "list") -> MalformedResponseError:
        return self._calls.error_class(MalformedResponseError)(
            f"the page of {self._path} has another form than form= says: {where}: expected {expected}, got {got}. Choose the "
            "form that the endpoint has, or read the list by call()",
            problems=(f"{where}: expected {expected}, got {got}",),
        )

    def _stuck(self, read: int) -> PagesError:
        return PagesError(
            f"the vendor sent the same page again after {read} records, so the list is not complete. Go on later with "
            "start=error.cursor, and report the endpoint to the vendor",
            cursor=self.cursor,
        )


def _check_types(*, size: object, most: object, form: object, patience: object) -> None:
    for name, value in (("size", size), ("most", most)):
        if type(value) is not int and not (name == "size" and value is None):
            raise ConfigurationError(f"{name} must be a whole number, not {type(value).__name__}")
    if not isinstance(form, PageForm):
        raise ConfigurationError(f"form must be a nauth.PageForm, not {type(form).__name__}")
    if patience is not None and not isinstance(patience, timedelta):
        raise ConfigurationError(f"patience must be a timedelta, not {type(patience).__name__}")


def _said_twice(name: str, said: object, path: str, options: CallOptions, *, in_body: bool) -> bool:
    """Tell whether the caller names the list's parameter `name`, which would be overwritten, or sent a second time."""
    if said is None:
        return False
    given = options.get("json" if in_body else "params")
    return (isinstance(given, Mapping) and name in given) or (not in_body and name in URL(path).query)


def _can_be_asked(following: object) -> bool:
    return following is None or (isinstance(following, str | int | float) and type(following) is not bool)


def _member(document: object, path: tuple[str, ...]) -> object:
    if not path:
        return None
    for name in path:
        document = cast("Mapping[str, object]", document).get(name) if isinstance(document, Mapping) else None
    return document
