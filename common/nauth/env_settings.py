"""Settings from environment variables and from the files they name, with every fault reported at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.secret_files import FileProblemError, read_text

__all__ = ["EnvironmentReader"]

_FILE = "_FILE"


class EnvironmentReader:
    """Read variables, collect every fault, and raise one error for all of them.

    Beside each variable ``NAME`` there may be ``NAME_FILE``, the path of a file that holds the value, as Docker and
    Kubernetes mount secrets. Setting both is a fault.

    White space around a value is dropped: a pasted secret often has a newline after it. A variable that holds only
    white space counts as unset.

    Args:
        environ: the variables; the process environment if None.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._faults: list[str] = []

    def optional(self, *names: str) -> str | None:
        """Return the first of `names` that is set, directly or by file, else None."""
        for name in names:
            value = self._value(name)
            if value:
                return value.reveal()
        return None

    def required(self, *names: str) -> str:
        """Return the first of `names`, one setting's several, that is set; otherwise note the fault and return "".

        Two that are set and differ are a fault too: one of them is left over, and which one cannot be told.
        """
        found = {name: secret for name in names if (secret := self._value(name))}
        if len(set(found.values())) > 1:
            self.fault(f"{' and '.join(found)} are set and differ: unset the one that is left over")
        value = self.optional(*names)
        if value is None:
            self.fault(self.missing(*names))
        return value or ""

    def required_secret(self, *names: str) -> Secret:
        """Return what `required` does, as a `Secret`."""
        return Secret(self.required(*names))

    def is_set(self, name: str) -> bool:
        """Tell whether `name` is set, directly or by file, without reading the file."""
        return any(self._environ.get(each, "").strip() for each in (name, name + _FILE))

    def by_file(self, name: str) -> bool:
        """Tell whether `name` is set by file."""
        return bool(self._environ.get(name + _FILE, "").strip())

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """Return `name`'s value, in lower case, if it is one of `allowed`; note any other value as a fault."""
        value = self.optional(name)
        if value is not None and value.lower() not in allowed:
            self.fault(f"{name} must be {' or '.join(allowed)}")
            return None
        return None if value is None else value.lower()

    def missing(self, *names: str) -> str:
        """Return the words for none of `names` being set."""
        return f"{' or '.join(names)} is not set"

    def fault(self, text: str) -> None:
        """Note a fault that the caller has found."""
        if text not in self._faults:
            self._faults.append(text)

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables."""
        return self._environ

    @property
    def faults(self) -> tuple[str, ...]:
        """What was wrong so far."""
        return tuple(self._faults)

    def finish(self, what: str) -> None:
        """Raise one `ConfigurationError` that lists every fault found, if there was any.

        Args:
            what: what cannot be made without them, such as ``"NombaClient()"``.
        """
        if self._faults:
            raise ConfigurationError(f"{what} cannot be set up: {'; '.join(self._faults)}")

    def _value(self, name: str) -> Secret:
        value = Secret(self._environ.get(name, "").strip())
        path = Secret(self._environ.get(name + _FILE, "").strip())
        if not path:
            return value
        if value:
            self.fault(f"{name} and {name}{_FILE} are both set: set one of them")
            return value
        try:
            return read_text(path.reveal())
        except FileProblemError as error:
            # the path is not shown: the secret itself may have been set by mistake
            self.fault(f"{name}{_FILE} names a file that {error}")
            return value
