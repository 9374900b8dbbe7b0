"""What a vendor's client needs to sign in with a source: how the vendor reads fields, the store's key, the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast
from weakref import WeakValueDictionary

import attrs

from nauth.clock import Clock
from nauth.credential_digest import identity_digest
from nauth.env_settings import EnvironmentReader
from nauth.sources.base import Fields, FieldsReader, Source
from nauth.sources.choose import as_source, from_environment
from nauth.sources.environment import Environment
from nauth.sources.function import Function
from nauth.sources.shared_read import SharedRead

__all__ = ["CredentialFields", "Sourced"]

_C = TypeVar("_C")


@attrs.frozen(kw_only=True)
class CredentialFields(Generic[_C]):
    """How one vendor's credential stands in variables and in a source's fields.

    Attributes:
        prefix: of the vendor's variables, such as ``NOMBA_``.
        names: the variables that may be followed while a process runs.
        fixed: further variables that hold a credential and are read once.
        read: notes what is missing, and returns what makes the credential; None if there was a fault.
        kinds: the classes of the credentials.
        who: what of a credential tells accounts apart and does not change with a rotation.
    """

    prefix: str
    names: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    read: Callable[[EnvironmentReader], Callable[[], _C] | None]
    kinds: tuple[type, ...]
    who: Callable[[_C], tuple[str, ...]]

    def sourced(
        self, given: object, reader: EnvironmentReader, environ: Mapping[str, str] | None
    ) -> Sourced[_C] | None:
        """Return the source that the caller gave, or that the environment names; None if there is none.

        Args:
            given: what the caller gave as the credential; None asks the environment.
            reader: of the environment, for faults.
            environ: the variables; the process environment if None.
        """
        if given is not None:
            source = as_source(given)
        else:
            source = from_environment(
                self.prefix, names=self.names, fixed=self.fixed, reader=reader, environ=environ
            )
        if isinstance(source, Environment):
            self.read(reader)  # for its faults, which are reported with those of the other settings
        return None if source is None else Sourced(source, self)

    def credential(self, fields: Fields, *, source: str) -> _C:
        """Return the credential in `fields`.

        Raises:
            SourceRefusedError: lists everything that is missing or contradictory.
        """
        reader = FieldsReader(fields, prefix=self.prefix, source=source)
        make = self.read(reader)
        reader.finish("the credential")
        return cast("Callable[[], _C]", make)()


@attrs.frozen
class Sourced(Generic[_C]):
    """A source of one vendor's credential."""

    source: Source | Function[_C]
    fields: CredentialFields[_C]

    def identity(self) -> str:
        """Return the part of the store's key that names the source, and not the secret.

        One fleet then keeps one session while a rotation is under way: processes that have read the old secret and the
        new one share a token. A path says less than a manager's name, so a local source is read for the account, too.

        Raises:
            SourceRefusedError, SourceUnavailableError: a local source gave no credential.
        """
        read_now: Callable[[], Fields] | None = getattr(self.source, "read_now", None)
        who = () if read_now is None else self.fields.who(self._credential(read_now()))
        return identity_digest("source", self.source.name, *who)

    def question(self, clock: Clock) -> SharedRead[_C]:
        """Return the question to this source, shared by all clients of the process that ask it."""
        key = (id(self.source), self.fields.prefix, id(clock))
        # a question holds its source and clock, so their ids are not reused while it lives
        found = _questions.get(key)
        if found is None:
            found = SharedRead(self.source, self._credential, clock, kinds=self.fields.kinds)
            _questions[key] = found
        return cast("SharedRead[_C]", found)

    def _credential(self, fields: Fields) -> _C:
        return self.fields.credential(fields, source=self.source.name)


_questions: WeakValueDictionary[tuple[int, str, int], SharedRead[Any]] = WeakValueDictionary()
