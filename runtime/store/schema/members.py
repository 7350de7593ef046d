"""Programs that share the store: who lives, who delivers which account, and how far each has written."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, text

from .columns import Instant, metadata

members = Table(
    "members",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", String(200)),
    Column("delivers", Boolean, nullable=False, server_default=text("false")),
    Column("started_at", Instant, nullable=False),
    Column("beat_at", Instant, nullable=False),
    Column("buried_at", Instant),
)
"""A row for each start of a program (runtime/members.py). All times are the database's, never a program's.

`process` names the very process on its machine, so that a neighbour can see that it is gone.
`buried_at` is set by whoever found it dead, or by itself when it left: from then on it is nobody, for good.
"""

leases = Table(
    "leases",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("holder", String(32), nullable=False),
)
"""Which member delivers an account: only its holder moves a mail to `sending` (runtime/outbox/leases.py)."""

writers = Table(
    "writers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("used_at", Instant, nullable=False),
)
"""The number of each writer's last transaction: tells whether a commit happened whose answer was lost (PostgreSQL)."""
