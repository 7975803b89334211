"""Rights: the commands that pauseflow sends, and which of them a user is denied."""

from __future__ import annotations

from pauseflow.errors import ServerRefused, StoreError
from pauseflow.store.keys import Keys
from pauseflow.store.scripts import Command
from pauseflow.store.server import Reply, Wire

PROBES: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in """
    PING
    TIME
    CLIENT ID
    CLIENT UNBLOCK 0
    SCRIPT LOAD return(1)
    EVALSHA 930269f31393d0be681588b6ab08dccee7d6bb67 0
    DEL @missing
    EXISTS @
    INCRBY @ 1
    GET @
    UNLINK @missing
    PEXPIRE @ 60000
    PTTL @
    HDEL @ f
    HGET @ f
    HGETALL @
    HINCRBY @ f 1
    HMGET @ f
    HSCAN @ 0
    HSET @ f v
    HSETNX @ f v
    HVALS @
    BLPOP @ 1
    LINDEX @ 0
    LPOP @
    LPOS @ v
    LPUSH @ v
    RENAME @missing @missing
    RPUSH @ v
    XACK @ g 1-1
    XADD @ 1-1 f v
    XDEL @ 1-1
    XGROUP CREATE @ g 0
    XGROUP DELCONSUMER @ g c
    XINFO CONSUMERS @ g
    XLEN @
    XPENDING @ g
    XRANGE @ - +
    XREAD STREAMS @ 0
    XREADGROUP GROUP g c STREAMS @ >
    XREVRANGE @ + -
    XTRIM @ MAXLEN 1
    ZADD @ 1 v
    ZCARD @
    ZCOUNT @ 0 1
    ZINCRBY @ 1 v
    ZRANGE @ 0 1
    ZRANGEBYLEX @ - +
    ZRANGEBYSCORE @ 0 1
    ZREM @ v
    ZREVRANGE @ 0 1
    ZREVRANGEBYSCORE @ 1 0
    ZSCORE @ v
    """.strip().splitlines()
)
"""One of each. `@` is a key that holds a text, which none of them but a few harmless ones takes."""

_CONTAINERS = frozenset({"CLIENT", "SCRIPT", "XGROUP", "XINFO"})


def right_of(probe: tuple[str, ...]) -> str:
    """What an ACL calls the right to send a command."""
    words = probe[:2] if probe[0] in _CONTAINERS else probe[:1]
    return "|".join(words).lower()


def denied_rights(wire: Wire, keys: Keys) -> list[str]:
    """The rights that the connection's user lacks.

    The server is asked (ACL DRYRUN). One that does not tell is sent each command, for a key of
    our own that is there for a moment and holds a text: so none of them does anything.

    Args:
        wire: a connection of the caller's thread.
        keys: the namespace's keys.

    Raises:
        ServerUnreachable: the connection failed.
    """
    key = keys.prefix + "doctor"
    probes = [tuple(word.replace("@", key) for word in probe) for probe in PROBES]
    user = _one(wire, ("ACL", "WHOAMI"))
    if not isinstance(user, StoreError):
        if _may_all(_one(wire, ("ACL", "GETUSER", user))):
            return []
        every = [("SET", key, "x"), *probes]
        told = [_one(wire, ("ACL", "DRYRUN", user, *probe)) for probe in every]
        if not any(isinstance(reply, StoreError) for reply in told):
            return [
                right_of(probe) for probe, reply in zip(every, told, strict=True) if reply != b"OK"
            ]
    made = _one(wire, ("SET", key, "x", "PX", 60_000))
    if isinstance(made, StoreError):
        # without that key, others would do something
        return ["set"] if _is_denied(made) else []
    try:
        replies = [_one(wire, probe) for probe in probes]
    finally:
        _one(wire, ("UNLINK", key))
    return [
        right_of(probe) for probe, reply in zip(PROBES, replies, strict=True) if _is_denied(reply)
    ]


def _one(wire: Wire, command: Command) -> Reply:
    """The reply to a command by itself: not every server goes on after one it does not know."""
    return wire.exchange([command])[0]


def _may_all(user: Reply) -> bool:
    """Whether a user, as ACL GETUSER tells of it, may send every command for every key."""
    if not isinstance(user, list):
        return False
    about = dict(zip(user[::2], user[1::2], strict=False))
    keys = about.get(b"keys", b"")
    every = b"~*" in keys or b"*" in keys if isinstance(keys, list) else keys == b"~*"
    return about.get(b"commands") == b"+@all" and every


def _is_denied(reply: Reply) -> bool:
    return isinstance(reply, ServerRefused) and " denies a command" in str(reply)
