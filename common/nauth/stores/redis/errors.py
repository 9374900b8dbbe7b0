"""What a failed exchange with Redis means, and what to do about it. Never quotes the server: it may quote values."""

from __future__ import annotations

import re

from nauth.errors import StoreError

__all__ = ["connection_lost", "explained", "silent"]

_CODES = {
    "AuthenticationError": "NOAUTH",
    "AuthenticationWrongNumberOfArgsError": "NOAUTH",
    "AuthorizationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "ClusterError": "CLUSTERDOWN",
    "AskError": "MOVED",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "RedisClusterException": "CLUSTERDOWN",
}
"""The server's code for redis-py's class, by name: the package is imported when a store is made, not with this module."""

_MEANINGS = {
    "BUSY": "the Redis server is busy with another program's script",
    "CLUSTERDOWN": "the Redis cluster cannot serve this key at the moment: nodes are down or moving. See its state "
    "with CLUSTER INFO",
    "CROSSSLOT": "the Redis cluster refused keys that belong together: something between the store and the cluster "
    "renames keys without keeping their hash tag in braces",
    "LOADING": "the Redis server is still loading its data. It will answer in a while",
    "MASTERDOWN": "the Redis replica has lost its primary. Wait for the failover, or point the store at the primary",
    "MISCONF": "the Redis server takes no writes because it cannot save its data to disk. Its own log says why",
    "MAXCLIENTS": "the Redis server has as many clients as it may have (its setting maxclients). Raise it, or let fewer "
    "processes connect: a store opens up to 17 connections for each event loop. The store recovers by itself",
    "MOVED": "the Redis server is a node of a cluster, and another node has this key. Give RedisStore a function that "
    "makes a cluster client, such as lambda: RedisCluster.from_url(...) of redis.asyncio",
    "NOAUTH": "Redis refused the user name or password, or wants some. Correct them in the store's URL or client",
    "NOPERM": "Redis does not let this user do what the store needs. Grant it eval, evalsha, get, set, del, hmget, "
    "hget, hset, pexpire, pttl, time, publish, subscribe and ping, on the keys and the channel that begin with the "
    "store's prefix; also client|setname if the URL has a client_name, select if it names a database, and command, "
    "cluster|slots and cluster|shards for a cluster",
    "NOREPLICAS": "the Redis server takes no writes because too few replicas follow it",
    "OOM": "the Redis server is out of memory and takes no new data. Give it more memory or an eviction policy; an "
    "evicted token only costs a renewal",
    "READONLY": "the Redis server is a read-only replica. Point the store at the primary, or use a Sentinel or "
    "cluster client, which finds it",
    "WRONGPASS": "Redis refused the user name or password. Correct them in the store's URL or client",
    "WRONGTYPE": "another program keeps data of another kind under this store's keys. Give the store a prefix= of "
    "its own",
}

_CODE = re.compile(r"[A-Z]{2,20}\b")
_NOT_IN_SCRIPTS = "The user executing the script"
"""How Redis 7.0 begins to say NOPERM when it is a command inside a script that the user may not run."""

_TOO_MANY = "max number of clients"
"""How the server, and so redis-py's `ConnectionError`, begins to say that there are too many."""

_UNREACHABLE = {"ConnectionError", "OSError"}
_HOPELESS = {
    "AuthenticationError",
    "AuthorizationError",
    "BusyLoadingError",
    "MaxConnectionsError",
    "TimeoutError",
}


def connection_lost(error: Exception) -> bool:
    """Tell whether the connection broke, so that a new one may do better at once."""
    names = _names(error)
    return bool(names.keys() & _UNREACHABLE) and not names.keys() & _HOPELESS


def silent(error: Exception) -> bool:
    """Tell whether the server has not answered in time."""
    return "TimeoutError" in _names(error)


def explained(error: Exception, *, timeout_s: float) -> StoreError:
    """Return what `error`, of redis-py or of the network, means for the caller."""
    names = _names(error)
    # the nearest class first: one of a dead primary derives from one of a broken cluster
    known = [_CODES[name] for name in names if name in _CODES]
    if known:
        return StoreError(_MEANINGS[known[0]])
    if "MaxConnectionsError" in names:
        return StoreError("all connections of the Redis client are in use. Raise its max_connections")
    if "TimeoutError" in names:
        return StoreError(
            f"the Redis server has not answered within {timeout_s:.3g} s; what it was asked to do may yet happen. If "
            "it goes on, look at its load and at the network; raise RedisStore(timeout=...) only if it is known to "
            "be slow"
        )
    if _TOO_MANY in str(error):
        return StoreError(_MEANINGS["MAXCLIENTS"])
    if names.keys() & _UNREACHABLE:
        return StoreError(
            f"the Redis server cannot be reached, or broke the connection ({type(error).__name__}). The store "
            "recovers by itself once the server is back; if it goes on, check the address, and whether the server "
            "expects TLS (rediss://)"
        )
    code = _code(str(error))
    if code in _MEANINGS:
        return StoreError(_MEANINGS[code])
    return StoreError(
        f"the Redis client or server failed with {type(error).__name__}{f' ({code})' if code else ''}. The server's "
        "log, or SLOWLOG and ACL LOG, may say more"
    )


def _code(text: str) -> str:
    if _NOT_IN_SCRIPTS in text:
        return "NOPERM"
    match = _CODE.match(text)
    return match.group() if match else ""


def _names(error: Exception) -> dict[str, None]:
    return dict.fromkeys(base.__name__ for base in type(error).__mro__)
