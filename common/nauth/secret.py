"""`Secret`: a string that only `.reveal()` shows."""

from __future__ import annotations

import hmac
import re
from typing import NoReturn

__all__ = ["Secret"]

_MASK = "Secret('**********')"
_SENDABLE = re.compile(r"[\x21-\x7e]+")


class Secret:
    """Hold a string so that no repr, format, log, pickle or ``attrs.asdict`` can show it.

    Deliberately neither an attrs class (``attrs.asdict`` would unfold it) nor a ``str`` (json and ``%s`` would
    print it). Open it only in the expression that sends it: a local variable bound to the opened value is what an
    error tracker prints.

    Args:
        value: the text to hide.

    Raises:
        TypeError: `value` is not a string. The message names its type only.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        # type(), not isinstance(): a str subclass may define its own __repr__ or __format__
        if type(value) is not str:
            raise TypeError(f"a Secret holds a str, not {type(value).__name__}")
        self.__value = value

    @classmethod
    def of(cls, value: str | Secret) -> Secret:
        """Return `value` as a `Secret`, without the white space around it that is often pasted along.

        Raises:
            TypeError: `value` is neither a string nor a Secret.
        """
        return cls(value.reveal().strip() if isinstance(value, Secret) else _text(value).strip())

    def reveal(self) -> str:
        """Return the hidden text."""
        return self.__value

    @property
    def sendable(self) -> bool:
        """Whether it can stand in an HTTP header as it is, which takes printable ASCII without white space."""
        return _SENDABLE.fullmatch(self.__value) is not None

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self.__value), _bytes(other.__value))

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: hand over the place it comes from, not the secret")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"a Secret holds a str, not {type(value).__name__}")
    return value


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
