"""Mails on their way out."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, text

from .columns import Id, Instant, Json, blob_columns, metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("run", String(64), nullable=False),
    Column("step", String(200), nullable=False),
    Column("key", Text, nullable=False),
    Column("source", Json),
    Column("chunk", Integer, nullable=False, server_default="0"),
    Column("account", String(200), nullable=False),
    Column("envelope_sender", Text, nullable=False),
    Column("recipients", Json, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("needs_smtputf8", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("queued_at", Instant),
    Column("next_attempt_at", Instant),
    Column("reply", Text),
    Column("code", Integer),
    Column("enhanced", String(20)),
    Column("answers", Json),
    *blob_columns(nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("taken", Boolean, nullable=False, server_default=text("false")),
    Column("holder", String(32)),
    UniqueConstraint("run", "step", "key"),
    sqlite_autoincrement=True,
)
"""Every outgoing mail. Its states and their legal transitions: runtime/outbox/states.py.

`answers` holds the server's last words for each recipient, where a mail has several and they differ.
`chunk` is the chunk of the source's items from which it descends: there the flow goes on.
`queued_at` is when it was last released: the account's patience counts from there.
`taken` is set when the flow went on with its outcome.
`holder` is the member that moved it to `sending` last.
"""
Index("ix_outbox_run_taken_state", outbox.c.run, outbox.c.taken, outbox.c.state)
Index("ix_outbox_run_chunk", outbox.c.run, outbox.c.chunk)
for state, column in (("queued", outbox.c.id), ("deferred", outbox.c.next_attempt_at), ("sending", outbox.c.id)):
    only = outbox.c.state == text(f"'{state}'")
    Index(f"ix_outbox_{state}", outbox.c.account, column, sqlite_where=only, postgresql_where=only)

budgets = Table(
    "budgets",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("spent", Json, nullable=False),
)
"""One row for each account with limits: how many mails left when (runtime/outbox/limits.py)."""
