"""Everything that a server holds, and what of it should not be there."""

from pauseflow.errors import StoreError
from pauseflow.store.keys import Keys
from pauseflow.store.server import Server, Wire

READERS = {
    b"string": lambda key: [("GET", key)],
    b"list": lambda key: [("LRANGE", key, 0, -1)],
    b"set": lambda key: [("SMEMBERS", key)],
    b"zset": lambda key: [("ZRANGE", key, 0, -1, "WITHSCORES")],
    b"hash": lambda key: [("HGETALL", key)],
    b"stream": lambda key: [
        ("XRANGE", key, "-", "+"),
        ("XPENDING", key, "workers"),
        ("XPENDING", key, "workers", "-", "+", 1000),
    ],
}


def contents(wire: Wire) -> dict[bytes, object]:
    """Each key and all that is in it, with what of its stream is in whose hands."""
    found: dict[bytes, object] = {}
    for key in sorted(wire.call(("KEYS", "*"))):
        kind = wire.call(("TYPE", key))
        found[key] = [_plain(reply) for reply in wire.exchange(READERS[bytes(kind)](key))]
    return found


def _plain(reply: object) -> object:
    """Without what changes by itself: errors are told by their text, hashes have no order."""
    if isinstance(reply, StoreError):
        return str(reply)
    if isinstance(reply, list):
        if len(reply) == 4 and isinstance(reply[2], int) and isinstance(reply[1], bytes):
            reply = [reply[0], reply[1], reply[3]]  # XPENDING: the idle time goes on
        return [_plain(part) for part in reply]
    return reply


def leaks(server: Server) -> list[str]:
    """Keys that stay for ever although nobody needs them: neither permanent, nor about to expire,
    nor of a run that is still going.
    """
    wire = server.wire()
    leaked = []
    for key in sorted(each.decode() for each in wire.call(("KEYS", "*"))):
        if not key.startswith("pauseflow:{"):
            leaked.append(f"{key} (not one of ours)")
            continue
        namespace, shard = key[len("pauseflow:{") : key.index("}")].rsplit(":", 1)
        keys = Keys(namespace, int(shard))
        if keys.permanent(key) or wire.call(("PTTL", key)) >= 0:
            continue
        if not key.startswith(keys.prefix + "run:"):
            leaked.append(f"{key} (keys.py does not know it)")
            continue
        run_id = key[len(keys.prefix + "run:") :].split(":")[0]
        state = wire.call(("HGET", keys.run(run_id).base, "state"))
        if state in (None, b"done", b"cancelled"):
            leaked.append(f"{key} (its run is {'gone' if state is None else state.decode()})")
    wire.close()
    return leaked


def assert_no_leaks(server: Server) -> None:
    leaked = leaks(server)
    assert not leaked, "left behind without an expiry: " + ", ".join(leaked)
