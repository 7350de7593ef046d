"""The tables. A change here needs a migration in `runtime/migrations/versions` (a test compares the two)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """A moment: aware on our side, UTC in the database. In SQLite it is ISO text of fixed length, which sorts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(32) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone. Write 'datetime.now(UTC)', say.")
        moment = value.astimezone(UTC)
        return moment.isoformat(" ", "microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return datetime.fromisoformat(value) if dialect.name == "sqlite" else value.astimezone(UTC)


Id = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only when the type is exactly INTEGER."""

Json = JSON(none_as_null=True)


def blob_columns(
    prefix: str = "", *, nullable: bool = True
) -> tuple[Column[str], Column[int], Column[int], Column[str]]:
    """Where a blob lies: pack, offset, size, digest (see runtime/blobs.py)."""
    return (
        Column(f"{prefix}pack", String(64), nullable=nullable),
        Column(f"{prefix}offset", BigInteger, nullable=nullable),
        Column(f"{prefix}size", BigInteger, nullable=nullable),
        Column(f"{prefix}digest", String(64), nullable=nullable),
    )


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
    UniqueConstraint("run", "step", "key"),
    sqlite_autoincrement=True,
)
"""Every outgoing mail. Its states and their legal transitions: runtime/outbox/states.py.

`answers` holds the server's last words for each recipient, where a mail has several and they differ.
`chunk` is the chunk of the source's items from which it descends: there the flow goes on.
`queued_at` is when it was last released: the account's patience counts from there.
`taken` is set when the flow went on with its outcome.
"""
Index("ix_outbox_run_taken_state", outbox.c.run, outbox.c.taken, outbox.c.state)
Index("ix_outbox_run_chunk", outbox.c.run, outbox.c.chunk)
for state, column in (("queued", outbox.c.id), ("deferred", outbox.c.next_attempt_at), ("sending", outbox.c.id)):
    only = outbox.c.state == text(f"'{state}'")
    Index(f"ix_outbox_{state}", outbox.c.account, column, sqlite_where=only, postgresql_where=only)

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

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("settings", Json, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("chain", Json, nullable=False),
)
"""The private key lies in `secrets`; the chain holds DER in base64."""

certificates = Table(
    "certificates",
    metadata,
    Column("address", String(320), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("der", LargeBinary, nullable=False),
)
"""Certificates of recipients, by address in lower case and SHA-256."""

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(300), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

budgets = Table(
    "budgets",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("spent", Json, nullable=False),
)
"""One row for each account with limits: how many mails left when (runtime/outbox/limits.py)."""
