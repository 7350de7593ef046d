"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    _outbox()
    _runs()
    _settings()


def _blob(prefix: str = "", nullable: bool = True) -> list[sa.Column[object]]:
    return [
        sa.Column(f"{prefix}pack", sa.String(64), nullable=nullable),
        sa.Column(f"{prefix}offset", sa.BigInteger(), nullable=nullable),
        sa.Column(f"{prefix}size", sa.BigInteger(), nullable=nullable),
        sa.Column(f"{prefix}digest", sa.String(64), nullable=nullable),
    ]


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("step", sa.String(200), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", sa.JSON()),
        sa.Column("chunk", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("envelope_sender", sa.Text(), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("needs_smtputf8", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("queued_at", MOMENT),
        sa.Column("next_attempt_at", MOMENT),
        sa.Column("reply", sa.Text()),
        sa.Column("code", sa.Integer()),
        sa.Column("enhanced", sa.String(20)),
        sa.Column("answers", sa.JSON()),
        *_blob(nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.Column("taken", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("run", "step", "key", name="uq_outbox_run_step_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_run_taken_state", "outbox", ["run", "taken", "state"])
    op.create_index("ix_outbox_run_chunk", "outbox", ["run", "chunk"])
    for state, column in (("queued", "id"), ("deferred", "next_attempt_at"), ("sending", "id")):
        only = sa.text(f"state = '{state}'")
        op.create_index(f"ix_outbox_{state}", "outbox", ["account", column], sqlite_where=only, postgresql_where=only)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("flow_id", sa.String(200), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("folder", sa.Text()),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("is_dry", sa.Boolean(), nullable=False),
        sa.Column("row_limit", sa.Integer()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("message", sa.Text()),
        sa.Column("totals", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_created_at", "runs", ["created_at"])
    op.create_index("ix_runs_flow_id", "runs", ["flow_id"])
    op.create_table(
        "chunks",
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        *_blob("output_"),
        sa.Column("counts", sa.JSON()),
        sa.PrimaryKeyConstraint("run", "stage", "number", name="pk_chunks"),
    )
    op.create_table(
        "failures",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("step", sa.String(200), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", sa.JSON()),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("column", sa.Text()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("error", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_failures"),
        sa.UniqueConstraint("run", "step", "key", name="uq_failures_run_step_key"),
    )
    op.create_table(
        "journal",
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("step", sa.String(200), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("is_done", sa.Boolean(), nullable=False),
        sa.Column("result", sa.JSON()),
        sa.PrimaryKeyConstraint("run", "step", "key", name="pk_journal"),
    )


def _settings() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_accounts"),
    )
    op.create_table(
        "identities",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_identities"),
    )
    op.create_table(
        "certificates",
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("address", "fingerprint", name="pk_certificates"),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )
    op.create_table(
        "budgets",
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("spent", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_budgets"),
    )
