"""Records that show every rule of `nauth.wire`, and a converter for them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar

import attrs
import cattrs
import pytest

from nauth.errors import MalformedResponseError
from nauth.secret import Secret
from nauth.time_formats import LooseInstant
from nauth.wire.converter import Unit, camel, decode, make_converter, rename_with

__all__ = [
    "CANARY",
    "GOOD",
    "LOGIN",
    "Base",
    "Envelope",
    "Login",
    "Narrow",
    "Status",
    "camel_converter",
    "problems",
]

T = TypeVar("T")
CANARY = "sk_live_canary"


class Status(enum.Enum):
    ON = "on"


@attrs.frozen(kw_only=True)
class Base:
    device_url: str = "none"


@attrs.frozen(kw_only=True)
class Login(Base):
    access_token: Secret
    expires_at: datetime
    time_out: Annotated[timedelta, Unit.MS] | None = None
    created_at: LooseInstant = None
    status: Status | None = None
    user_ids: list[int] = attrs.field(factory=list[int])
    roles: Sequence[str] = ()
    flags: set[str] = attrs.field(factory=set[str])
    marks: frozenset[str] = frozenset()
    counts: Mapping[str, int] = attrs.field(factory=dict[str, int])
    plan: Literal["free", "paid"] | None = None
    raw: object = None
    odd_one: Annotated[str | None, cattrs.override(rename="ODD")] = None
    pin: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    children: tuple[Login, ...] = ()


@attrs.frozen(kw_only=True)
class Envelope(Generic[T]):
    code: str
    data: T
    more_data: list[T] = attrs.field(factory=list[T])
    extra: T | None = None


@attrs.frozen(kw_only=True)
class Narrow:
    """Has unions of kinds, to see how they are named."""

    either: Status | None = None


GOOD = {"accessToken": CANARY, "expiresAt": "2024-01-01T00:00:00Z"}


LOGIN = Login(access_token=Secret(CANARY), expires_at=datetime(2024, 1, 1, tzinfo=UTC))


def camel_converter() -> cattrs.Converter:
    converter = make_converter()
    rename_with(
        converter,
        camel,
        exceptions={Base: {"device_url": "deviceURL"}},
        aliases={Login: {"access_token": ("access_token", "token")}, Base: {"device_url": ("url",)}},
    )
    return converter


def problems(converter: cattrs.Converter, value: object, cls: Any = Login) -> tuple[str, ...]:
    with pytest.raises(MalformedResponseError) as caught:
        decode(converter, value, cls)
    return caught.value.problems
