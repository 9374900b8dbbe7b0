"""Settings from environment variables, with every fault reported at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from nauth.errors import ConfigurationError
from nauth.secret import Secret

__all__ = ["EnvironmentReader"]


class EnvironmentReader:
    """Read variables, collect every fault, and raise one error for all of them.

    White space around a value is dropped: a pasted secret often has a newline after it. A variable that holds only
    white space counts as unset.

    Args:
        environ: the variables; the process environment if None.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._faults: list[str] = []

    def optional(self, *names: str) -> str | None:
        """Return the first of `names` that is set, else None."""
        for name in names:
            value = self._environ.get(name, "").strip()
            if value:
                return value
        return None

    def required(self, *names: str) -> str:
        """Return the first of `names` that is set; otherwise note the fault and return an empty string."""
        value = self.optional(*names)
        if value is None:
            self._faults.append(f"{' or '.join(names)} is not set")
        return value or ""

    def required_secret(self, *names: str) -> Secret:
        """Return the first of `names` that is set as a `Secret`; otherwise note the fault."""
        return Secret(self.required(*names))

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """Return `name`'s value, in lower case, if it is one of `allowed`; note any other value as a fault."""
        value = self.optional(name)
        if value is not None and value.lower() not in allowed:
            self._faults.append(f"{name} must be {' or '.join(allowed)}")
            return None
        return None if value is None else value.lower()

    def fault(self, text: str) -> None:
        """Note a fault that the caller has found."""
        self._faults.append(text)

    def finish(self, what: str) -> None:
        """Raise one `ConfigurationError` that lists every fault found, if there was any.

        Args:
            what: what cannot be made without them, such as ``"NombaClient()"``.
        """
        if self._faults:
            raise ConfigurationError(f"{what} cannot be set up: {'; '.join(self._faults)}")
