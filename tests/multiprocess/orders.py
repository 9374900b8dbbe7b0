"""What a worker of the fleet is told to do, and how its store is opened."""

from __future__ import annotations

import json
from datetime import timedelta

import attrs

from nauth.manager.store_access import LEASE_GRACE
from nauth.stores.redis.store import RedisStore
from nauth.stores.sqlite.store import SQLiteStore
from nauth.token import RenewalPolicy

__all__ = ["AnyStore", "Order", "open_store"]

AnyStore = SQLiteStore | RedisStore

_SQLITE = "sqlite:"


@attrs.frozen(kw_only=True)
class Order:
    """One worker's orders; travels as JSON on its command line.

    Attributes:
        base_url: the vendor's.
        store: ``sqlite:PATH`` or ``redis://HOST:PORT``.
        lifetime_s: of each access token. Whole seconds: the vendor states no finer ones.
        coroutines: how many make requests.
        pause_s: the mean pause of each between two requests; drawn between half of it and one and a half.
        deadline_s: of a renewal's calls to the vendor; the lease holds ten seconds longer.
        name: the worker's, seen by the vendor in `User-Agent`.
        skew_s: how far the wall clock of the worker's client is off.
    """

    base_url: str
    store: str
    lifetime_s: int
    coroutines: int
    pause_s: float
    deadline_s: float
    name: str = "nobody"
    skew_s: float = 0.0

    @property
    def policy(self) -> RenewalPolicy:
        """Renew in the fourth tenth from the end, so that a slow machine has three tenths to do it in."""
        tenth = timedelta(seconds=self.lifetime_s / 10)
        return RenewalPolicy(
            margin=3 * tenth,
            jitter=tenth,
            backoff=timedelta(seconds=0.1),
            backoff_cap=timedelta(seconds=1),
            cooldown=timedelta(seconds=0.2),
            deadline=timedelta(seconds=self.deadline_s),
        )

    def dumps(self) -> str:
        """Return this as JSON."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def loads(cls, text: str) -> Order:
        """Read what `dumps` wrote."""
        return cls(**json.loads(text))

    @property
    def lease_s(self) -> float:
        """How long the lease of a renewal holds where nothing but time ends it."""
        return self.deadline_s + LEASE_GRACE.total_seconds()


def open_store(spec: str) -> AnyStore:
    """Open the store that `Order.store` names."""
    if spec.startswith(_SQLITE):
        return SQLiteStore(spec.removeprefix(_SQLITE))
    return RedisStore(spec, prefix="fleet")
