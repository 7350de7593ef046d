"""Runs, and what became of their items."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, text

from .columns import Id, Instant, Json, blob_columns, metadata

runs = Table(
    "runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("flow_id", String(200), nullable=False, index=True),
    Column("flow", Text, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("folder", Text),
    Column("files", Json, nullable=False),
    Column("state", String(20), nullable=False),
    Column("is_dry", Boolean, nullable=False),
    Column("row_limit", Integer),
    Column("created_at", Instant, nullable=False, index=True),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("message", Text),
    Column("totals", Json),
    Column("parent", String(64)),
    Column("default_account", String(200)),
    Column("holder", String(32)),
    Column("turn", Integer, nullable=False, server_default="0"),
    Column("rest", Json),
    Column("wakes_at", Instant),
)
"""`folder` is where the flow's file lies; `files` says where its small files are kept as they were when it began.

`parent` is the run whose rows or failed items it does again.
`holder` is the member that takes it forward now, and `turn` counts how often it was taken up.
`rest` says what it waits for while nobody holds it (runtime/runs/resting.py); `wakes_at`, when to look again at the
latest.
"""
Index("ix_runs_state", runs.c.state)

chunks = Table(
    "chunks",
    metadata,
    Column("run", String(64), primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("origin", Integer, nullable=False),
    *blob_columns("output_"),
    Column("counts", Json),
)
"""What is done: a row is written with all that the chunk brought, in one transaction.

What a source or gather has read are rows of the stages -1, -2, …: their output is the seeds of a chunk. The number
-1 says that it was read to its end. `origin` is the chunk of the source's items from which a chunk descends.
"""

failures = Table(
    "failures",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("run", String(64), nullable=False),
    Column("step", String(200), nullable=False),
    Column("key", Text, nullable=False),
    Column("source", Json),
    Column("item", Text, nullable=False),
    Column("column", Text),
    Column("message", Text, nullable=False),
    Column("error", String(100), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("run", "step", "key"),
)
"""`item` is the key of the source item, to which `key` belongs."""

waits = Table(
    "waits",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("run", String(64), nullable=False),
    Column("step", String(200), nullable=False),
    Column("key", Text, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("taken", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("run", "step", "key"),
    sqlite_autoincrement=True,
)
"""Items that wait for a moment. `chunk` and `taken`: as in the outbox."""
Index("ix_waits_run_taken_due_at", waits.c.run, waits.c.taken, waits.c.due_at)
Index("ix_waits_run_chunk", waits.c.run, waits.c.chunk)
