"""`Switchboard`: check a sandbox's switches, and name the possible values if one is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, get_args, get_origin, get_type_hints

from nauth.errors import ConfigurationError

__all__ = ["Switchboard", "switch_values"]

_SHORT = timedelta(seconds=2)


def switch_values(
    options: type, more: Mapping[str, tuple[str, ...]] | None = None
) -> Mapping[str, tuple[str, ...]]:
    """Return switch -> all its values, the default first, from the annotations of a typed dictionary.

    Args:
        options: its annotations are literals, or unions that have one.
        more: the values of switches whose annotation has no literal.
    """
    found = {
        name: (more or {}).get(name) or _literals(kind) for name, kind in get_type_hints(options).items()
    }
    return MappingProxyType(found)


def _literals(kind: object) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next(values for part in get_args(kind) if (values := _literals(part)))


class Switchboard:
    """The switches of one sandbox.

    Args:
        sandbox: its class's name, for error texts.
        switches: switch -> all its values, the default first.
    """

    __slots__ = ("_sandbox", "_switches")

    def __init__(self, sandbox: str, switches: Mapping[str, tuple[str, ...]]) -> None:
        self._sandbox = sandbox
        self._switches = switches

    def checked(
        self, options: Mapping[str, object], special: Mapping[str, Callable[[object], object]]
    ) -> dict[str, object]:
        """Return `options` with each value checked; those in `special` are read by their own function.

        Raises:
            ConfigurationError: an unknown switch or value; the text lists the possible ones.
        """
        checked: dict[str, object] = {}
        for name, value in options.items():
            if name not in self._switches:
                raise ConfigurationError(
                    f"{self._sandbox} has no switch {name!r}. It has: {', '.join(self._switches)}"
                )
            checked[name] = special[name](value) if name in special else self.listed(name, value)
        return checked

    def listed(self, name: str, value: object) -> object:
        """Return `value` if it is one of the switch's own.

        Raises:
            ConfigurationError: it is not.
        """
        if value not in self._switches[name]:
            raise self.wrong(name, value)
        return value

    def span(self, name: str, value: object) -> timedelta:
        """Return a positive `timedelta` or number of seconds as a duration.

        Raises:
            ConfigurationError: it is neither.
        """
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        # type(), as True is an int; the bound refuses NaN and infinity, which timedelta cannot hold
        if type(seconds) not in {int, float} or not 0 < float(seconds) < math.inf:  # type: ignore[arg-type]  # a number by the first half
            raise self.wrong(name, value, ", or a positive timedelta or number of seconds")
        return timedelta(seconds=float(seconds))  # type: ignore[arg-type]  # a number, checked above

    def life(self, name: str, value: object) -> timedelta | None:
        """Return a lifetime: one of the switch's own values, or as for `span`.

        Of the own values "short" is two seconds, digits are seconds, and any other word is None.

        Raises:
            ConfigurationError: it is none of these.
        """
        if not isinstance(value, str) or value not in self._switches[name]:
            return self.span(name, value)
        return _SHORT if value == "short" else timedelta(seconds=int(value)) if value.isdecimal() else None

    def limit(self, name: str, value: object) -> timedelta | None:
        """Return a duration given as for `span` or as ``"seconds:N"``; None for ``"unlimited"``.

        Raises:
            ConfigurationError: it is none of these.
        """
        if value == "unlimited":
            return None
        if isinstance(value, str) and value.startswith("seconds:"):
            number = value.removeprefix("seconds:")
            return self.span(name, int(number) if number.isdecimal() else value)
        return self.span(name, value)

    def wrong(self, name: str, value: object, more: str = "") -> ConfigurationError:
        """Return the error for a value that the switch does not take; `more` names further values that it takes."""
        return ConfigurationError(
            f"{self._sandbox}({name}=...) is not one of this switch's values but another {type(value).__name__}. "
            f"It takes: {', '.join(self._switches[name])}{more}"
        )
