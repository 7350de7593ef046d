"""Runs, and what became of their items."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, String, Table, Text, UniqueConstraint

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
)
"""`folder` is where the flow's file lies; `files` says where its small files are kept as they were when it began."""

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

journal = Table(
    "journal",
    metadata,
    Column("run", String(64), primary_key=True),
    Column("step", String(200), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("is_done", Boolean, nullable=False),
    Column("result", Json),
)
"""Effects that must happen once, other than mails."""
