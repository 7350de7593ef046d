"""Triggers and their firings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    _triggers()
    _firings()


def _triggers() -> None:
    op.create_table(
        "triggers",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("flow_id", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("group", sa.String(200), nullable=False),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.Column("token", sa.String(64)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("decided_until", MOMENT),
        sa.Column("trouble", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_triggers"),
        sa.UniqueConstraint("name", name="uq_triggers_name"),
        sa.UniqueConstraint("token", name="uq_triggers_token"),
        sqlite_autoincrement=True,
    )


def _firings() -> None:
    op.create_table(
        "firings",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("trigger", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("flow_id", sa.String(200), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("run", sa.String(64)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", MOMENT),
        sa.Column("body", sa.String(64)),
        sa.Column("file", sa.JSON()),
        sa.Column("is_file_here", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_firings"),
        sa.UniqueConstraint("run", name="uq_firings_run"),
        sa.UniqueConstraint("trigger", "key", name="uq_firings_trigger_key"),
    )
    op.create_index("ix_firings_trigger_id", "firings", ["trigger", "id"])
    pending, here = sa.text("state = 'pending'"), sa.text("is_file_here")
    op.create_index("ix_firings_pending", "firings", ["next_try_at"], sqlite_where=pending, postgresql_where=pending)
    op.create_index("ix_firings_file_here", "firings", ["trigger"], sqlite_where=here, postgresql_where=here)
