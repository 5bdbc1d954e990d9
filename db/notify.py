"""Word between processes on PostgreSQL, by LISTEN and NOTIFY: which call changed. What it is now is in the store.

On SQLite there is none: whoever wants to know polls.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text

CHANNEL = "kakehashi_call"
ORDER = "order"  # a call that no node has yet
CUT = "cut"
CHANGE = "change"

_NOTIFY = text("SELECT pg_notify(:channel, line) FROM unnest(CAST(:lines AS text[])) AS line")


def notify(connection: Connection, sender: str, notices: Sequence[tuple[str, str]]) -> None:
    """Tell (word, call id) to every other process, once the transaction is committed; `sender` does not hear it."""
    if notices and connection.dialect.name == "postgresql":
        # The same line twice in a transaction is told once (PostgreSQL, NOTIFY).
        connection.execute(_NOTIFY, {"channel": CHANNEL, "lines": [f"{word} {id_} {sender}" for word, id_ in notices]})
