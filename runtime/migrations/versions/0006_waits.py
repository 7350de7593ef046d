"""Waits, and runs that rest and are taken up again. The journal goes: nothing ever wrote to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    op.drop_table("journal")
    _runs()
    _waits()


def _runs() -> None:
    op.add_column("runs", sa.Column("parent", sa.String(64)))
    op.add_column("runs", sa.Column("default_account", sa.String(200)))
    op.add_column("runs", sa.Column("holder", sa.String(32)))
    op.add_column("runs", sa.Column("turn", sa.Integer(), server_default="0", nullable=False))
    op.add_column("runs", sa.Column("rest", sa.JSON()))
    op.add_column("runs", sa.Column("wakes_at", MOMENT))
    op.create_index("ix_runs_state", "runs", ["state"])


def _waits() -> None:
    op.create_table(
        "waits",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("step", sa.String(200), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("taken", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_waits"),
        sa.UniqueConstraint("run", "step", "key", name="uq_waits_run_step_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_waits_run_taken_due_at", "waits", ["run", "taken", "due_at"])
    op.create_index("ix_waits_run_chunk", "waits", ["run", "chunk"])
