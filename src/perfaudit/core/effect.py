"""The closed list of what running a call can cost."""

EFFECTS = frozenset(
    {
        "db.query",
        "db.write",
        "db.connect",
        "db.transaction",
        "pool.create",
        "pool.acquire",
        "cache.read",
        "cache.write",
        "http.request",
        "http.client",
        "file.read",
        "file.write",
        "file.stat",
        "process.spawn",
        "sleep",
        "cpu",
        "lock",
        "queue.send",
        "queue.wait",
        "thread.wait",
        "offload",
        "spawn",
        "log",
    }
)

DATABASE_ROUND_TRIPS = frozenset({"db.query", "db.write"})
"""Effects that wait for one answer of a database server."""

BLOCKING = "blocking"
"""Stands in rules for every effect that blocks the thread."""

CONTEXTS = ("async_function", "endpoint", "loop", "transaction")
"""Where rules say that an effect does not belong."""
