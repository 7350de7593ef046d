"""Members, leases and writers: several programs share a store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    _members()
    _leases()
    _writers()
    op.add_column("outbox", sa.Column("holder", sa.String(32)))


def _members() -> None:
    op.create_table(
        "members",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process", sa.String(200)),
        sa.Column("delivers", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=False),
        sa.Column("buried_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_members"),
    )


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_leases"),
    )


def _writers() -> None:
    op.create_table(
        "writers",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_writers"),
    )
