"""`Source`, `Fields`, and the two errors of a source: refused, or unavailable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol, Self, cast, runtime_checkable

import attrs

from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError, NauthError, VendorUnavailableError
from nauth.secret import Secret

__all__ = [
    "Fields",
    "FieldsReader",
    "Source",
    "SourceRefusedError",
    "SourceUnavailableError",
    "fields_of_object",
    "not_read",
    "parse_object",
    "refused_by",
]


class _SourceError(NauthError):
    """What both errors of a source hold beside the usual.

    Attributes:
        source: the name of the source.
        problems: one line for each problem. Names of fields are shown, values never.
    """

    def __init__(
        self,
        message: str = "",
        *,
        source: str = "",
        problems: tuple[str, ...] = (),
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: timedelta | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(
            message, status=status, code=code, request_id=request_id, retry_after=retry_after, detail=detail
        )
        self.source = source
        self.problems = problems


class SourceRefusedError(_SourceError, ConfigurationError):
    """The credential is not there, may not be read, or cannot be understood: change the setting or the source."""


class SourceUnavailableError(_SourceError, VendorUnavailableError):
    """The source is slow, down or throttled: the same question may be answered later."""


def _read_only(values: Mapping[str, Secret]) -> Mapping[str, Secret]:
    return MappingProxyType(dict(values))


def _read_only_kinds(kinds: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(kinds))


def _names_only(values: Mapping[str, Secret]) -> str:
    return f"<{', '.join(sorted(values))}>"


@attrs.frozen
class Fields:
    """The fields of one credential, as a source holds them. Its repr shows names only.

    Attributes:
        values: by name, in either spelling: ``client_id`` or ``NOMBA_CLIENT_ID``, but never both.
        version: what the source calls this version, for people; None if it has no versions.
        unread: name -> type of each member that is no text.
    """

    values: Mapping[str, Secret] = attrs.field(converter=_read_only, repr=_names_only, hash=False)
    version: str | None = None
    unread: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=_read_only_kinds, hash=False)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


@runtime_checkable
class Source(Protocol):
    """A place that holds a credential. It is asked when a sign-in needs the credential, and when the vendor refuses it.

    A source keeps nothing open between two questions, so it serves any number of clients and event loops.
    """

    @property
    def name(self) -> str:
        """What the source is called in errors, logs and store keys, such as ``aws:prod/nomba``. Holds no secret."""
        ...

    async def read(self) -> Fields:
        """Read the fields anew: a source remembers no earlier answer.

        Raises:
            SourceRefusedError: not there, not allowed or not understood.
            SourceUnavailableError: slow, down or throttled.
        """
        ...


def refused_by(name: str, why: str, code: str) -> SourceRefusedError:
    """Return the error for a service that refuses to hand out the secret `name`, with the service's own code."""
    return SourceRefusedError(
        f"{name} cannot be read: {why} ({code})", source=name, problems=(code,), code=code
    )


def not_read(name: str, problem: str, *, within_s: float) -> SourceUnavailableError:
    """Return the error for a service that has not handed out the secret `name` in time."""
    return SourceUnavailableError(
        f"{name} was not read within {within_s:g} s: {problem}. It is asked again at the next sign-in",
        source=name,
        problems=(problem,),
    )


def fields_of_object(document: object, *, source: str, version: str | None = None) -> Fields:
    """Return the members of a JSON object as fields.

    Raises:
        SourceRefusedError: `document` is no object.
    """
    if not isinstance(document, dict):
        raise SourceRefusedError(
            f"{source} holds a JSON {_kind(document)}, not an object. Store the credential as an object such as "
            '{"client_id": "...", "client_secret": "..."}',
            source=source,
            problems=("expected a JSON object",),
        )
    members = cast("dict[str, object]", document)
    return Fields(
        {name: Secret(value) for name, value in members.items() if type(value) is str},
        version,
        {name: _kind(value) for name, value in members.items() if type(value) is not str},
    )


def parse_object(text: Secret, *, source: str, version: str | None) -> Fields:
    """Return the members of the JSON object in `text`.

    Raises:
        SourceRefusedError: it is none.
    """
    try:
        return fields_of_object(json.loads(text.reveal()), source=source, version=version)
    except (ValueError, RecursionError):
        pass
    raise SourceRefusedError(
        f'{source} holds no JSON. Store an object such as {{"client_id": "...", "client_secret": "..."}}',
        source=source,
        problems=("no JSON",),
    )


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case _:
            return "object"


class FieldsReader(EnvironmentReader):
    """Read a source's fields as if they were environment variables, and complain about all of them at once.

    Args:
        fields: what the source holds.
        prefix: of the vendor's variables, such as ``NOMBA_``; it may be left out in the source.
        source: the name of the source, for errors.
    """

    def __init__(self, fields: Fields, *, prefix: str, source: str) -> None:
        found: dict[str, Secret] = {}
        twice: list[str] = []
        for name, value in fields.values.items():
            canonical = _canonical(name, prefix)
            if canonical in found:
                twice.append(canonical)
            found[canonical] = value
        super().__init__(_Revealed(found))
        self._source = source
        self._has = ", ".join(sorted({*fields.values, *fields.unread})) or "nothing"
        self._unread = {_canonical(name, prefix): kind for name, kind in fields.unread.items()}
        for canonical in twice:
            self.fault(f"{canonical}: stands in {source} in two spellings; keep one")

    def missing(self, *names: str) -> str:
        """Return the words for none of `names` being in the source."""
        for name in names:
            if name in self._unread:
                return f"{name}: is no text but {self._unread[name]} in {self._source}"
        return f"{' or '.join(names)}: not in {self._source} (has: {self._has})"

    def finish(self, what: str) -> None:
        """Raise one `SourceRefusedError` that lists every fault found, if there was any."""
        if self.faults:
            raise SourceRefusedError(
                f"{what} cannot be read from {self._source}: {'; '.join(self.faults)}",
                source=self._source,
                problems=self.faults,
            )


class _Revealed(Mapping[str, str]):
    """Opens a secret at the moment it is read; its repr shows none."""

    def __init__(self, values: Mapping[str, Secret]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name].reveal()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _canonical(name: str, prefix: str) -> str:
    upper = name.strip().upper().replace("-", "_").replace(".", "_")
    return upper if upper.startswith(prefix) else prefix + upper
