"""`Subscribers`: who listens to a `RedisStore`, and what they have heard."""

from __future__ import annotations

import logging

import attrs

from nauth.clock import SystemClock
from nauth.forks import guard
from nauth.stores.base import Listener, Record, StoreKey, Unsubscribe
from nauth.stores.listeners import Listeners
from nauth.stores.redis.scripts import Loaded

__all__ = ["Subscribers"]

_log = logging.getLogger("nauth")

_monotonic = SystemClock.monotonic


@attrs.define
class _Topic:
    key: StoreKey
    since_s: float
    heard: int | None = None  # version of the last record told or known


class Subscribers:
    """The listeners of a store, by the digest that messages name. Safe across threads.

    Attributes:
        commits: how often this store has committed; whoever reads "no record" can tell if that is old news.
    """

    def __init__(self) -> None:
        self.commits = 0
        self._guard = guard()
        self._listeners = Listeners()
        self._topics: dict[str, _Topic] = {}

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, key: StoreKey, digest: str, listener: Listener) -> Unsubscribe:
        """Tell `listener` of the changes of `key` from now on."""
        with self._guard:
            if key not in self._listeners:
                self._topics[digest] = _Topic(key, _monotonic())
            return self._listeners.add(key, listener)

    def want(self, digest: str) -> bool:
        """Tell whether anybody listens to `digest`."""
        topic = self._topics.get(digest)
        return topic is not None and topic.key in self._listeners

    def digests(self) -> list[str]:
        """Return what is listened to."""
        with self._guard:
            for digest in [digest for digest in self._topics if not self.want(digest)]:
                del self._topics[digest]
            return list(self._topics)

    def found(self, digest: str, loaded: Loaded) -> None:
        """Tell of a record that was found when messages may have been missed, if it is news."""
        topic = self._topics.get(digest)
        if topic is None:
            return
        if topic.heard is None and loaded.since.total_seconds() > _monotonic() - topic.since_s:
            topic.heard = loaded.record.version  # older than the subscription
        self.tell(digest, loaded.record)

    def tell(self, digest: str, record: Record | None) -> None:
        """Tell of a new record, once, or of a discard."""
        topic = self._topics.get(digest)
        if topic is None or (record is not None and record.version == topic.heard):
            return
        topic.heard = None if record is None else record.version
        try:
            self._listeners.tell(topic.key, record)
        except Exception as error:  # noqa: BLE001 - a listener's bug must not end the subscription of all others
            _log.warning("a listener to the token store failed: %s", type(error).__name__)
