"""What `nauth status` shows: the records of the shared store, read without lease, renewal, write or call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs

from nauth.cli.vendor import Vendor
from nauth.client import VendorClient
from nauth.errors import ConfigurationError
from nauth.stores.address import store_from_env
from nauth.stores.base import Record, StoreKey
from nauth.stores.record_info import ListsRecords, RecordInfo

__all__ = ["StatusLine", "status_lines"]


@attrs.frozen(kw_only=True)
class StatusLine:
    """One record, as it is shown. Nothing of the token."""

    vendor: str
    address: str
    identity: str
    age_s: int
    expires_in_s: int | None
    refresh_token: bool
    renewing: bool | None

    def as_json(self) -> Mapping[str, object]:
        """Return the line as a document."""
        return attrs.asdict(self)

    def as_text(self) -> Mapping[str, str]:
        """Return the line's cells."""
        return {
            "identity": self.identity,
            "age": str(timedelta(seconds=self.age_s)),
            "expires in": "not known" if self.expires_in_s is None else _span(self.expires_in_s),
            "refresh token": "yes" if self.refresh_token else "none",
            "renewing": "not known" if self.renewing is None else "yes" if self.renewing else "no",
        }


async def status_lines(vendors: Mapping[str, Vendor]) -> list[StatusLine]:
    """Return what the store of the environment holds.

    All its records if it can list them; else those of the vendors whose credentials are in the environment.

    Raises:
        ConfigurationError: no store is set.
        StoreError: it cannot be read.
    """
    store = store_from_env()
    if store is None:
        raise ConfigurationError(
            "NAUTH_STORE is not set, so each process keeps its token to itself, and there is nothing to look at"
        )
    if isinstance(store, ListsRecords):
        return [_of_info(info) async for info in store.records()]
    lines: list[StatusLine] = []
    for entry in vendors.values():
        key = await _key(entry)
        record = None if key is None else await store.load(key)
        if key is not None and record is not None:
            lines.append(_of_record(key, record))
    return lines


async def _key(entry: Vendor) -> StoreKey | None:
    try:
        client = entry.client()
    except ConfigurationError:
        return None  # this vendor's credentials are not in the environment
    async with client:
        return client.key if isinstance(client, VendorClient) else None


def _of_record(key: StoreKey, record: Record) -> StatusLine:
    token = record.token
    return StatusLine(
        vendor=key.vendor,
        address=key.base_url,
        identity=key.identity[:8],
        age_s=round(record.age.total_seconds()),
        expires_in_s=None if token.lifetime is None else round((token.lifetime - record.age).total_seconds()),
        refresh_token=token.refresh_token is not None,
        renewing=None,
    )


def _of_info(info: RecordInfo) -> StatusLine:
    return StatusLine(
        vendor=info.key.vendor,
        address=info.key.base_url,
        identity=info.key.identity[:8],
        age_s=round(info.age.total_seconds()),
        expires_in_s=None if info.expires_in is None else round(info.expires_in.total_seconds()),
        refresh_token=info.refresh_token,
        renewing=info.leased,
    )


def _span(seconds: int) -> str:
    return str(timedelta(seconds=seconds)) if seconds > 0 else f"expired {timedelta(seconds=-seconds)} ago"
