"""What starts runs, and each time that it did or did not."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, text

from .columns import Id, Instant, Json, metadata

triggers = Table(
    "triggers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("flow_id", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("settings", Json, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("group", String(200), nullable=False),
    Column("is_published", Boolean, nullable=False),
    Column("token", String(64), unique=True),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("decided_until", Instant),
    Column("trouble", Text),
    sqlite_autoincrement=True,
)
"""`token` is the SHA-256 of a webhook's secret path. `decided_until`: up to there it is decided which times of a
calendar fire. `trouble` says why a trigger can't do its work at present: its folder can't be reached, say."""

firings = Table(
    "firings",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("trigger", Id, nullable=False),
    Column("name", String(200), nullable=False),
    Column("flow_id", String(200), nullable=False),
    Column("key", String(200), nullable=False),
    Column("due_at", Instant),
    Column("inputs", Json, nullable=False),
    Column("run", String(64), unique=True),
    Column("state", String(20), nullable=False),
    Column("message", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_try_at", Instant),
    Column("body", String(64)),
    Column("file", Json),
    Column("is_file_here", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("trigger", "key"),
)
"""Each firing with its outcome (runtime/triggers/states.py). It stays when its trigger is removed: hence `name`.

`key` is what may happen once: a moment of a calendar, a file, an idempotency key. `run` is derived from it. `body` is
the SHA-256 of what a webhook was sent. `is_file_here`: the file still lies where it arrived, and is to be moved when
the run has ended.
"""
Index("ix_firings_trigger_id", firings.c.trigger, firings.c.id)
for column, only in ((firings.c.next_try_at, "state = 'pending'"), (firings.c.trigger, "is_file_here")):
    name = "pending" if column is firings.c.next_try_at else "file_here"
    Index(f"ix_firings_{name}", column, sqlite_where=text(only), postgresql_where=text(only))
