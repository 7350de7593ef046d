"""Who may do what, and who did what."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table, Text

from .columns import Id, Instant, Json, metadata

people = Table(
    "people",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("password", String(300)),
    Column("accounts", Json),
    Column("created_at", Instant, nullable=False),
)
"""`password` is an argon2id hash; without one nobody logs in. `accounts`: those that they may send by; NULL: all."""

tokens = Table(
    "tokens",
    metadata,
    Column("prefix", String(16), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("person", String(100), nullable=False, index=True),
    Column("label", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
)
"""`digest` is the SHA-256 of the whole token. It may do what its role and its person's role both allow."""

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(150), nullable=False),
    Column("action", String(100), nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Json),
    Column("address", String(64)),
    sqlite_autoincrement=True,
)
"""Who did what to which thing, and from which address. Rows are never changed."""
Index("ix_audit_actor", audit.c.actor, audit.c.id)
Index("ix_audit_at", audit.c.at)
