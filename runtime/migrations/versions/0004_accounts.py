"""One account is the default; accounts may log in with tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    is_default: sa.Column[bool] = sa.Column("is_default", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("accounts", is_default)
    op.execute("UPDATE accounts SET is_default = true WHERE (SELECT count(*) FROM accounts) = 1")
    op.create_table(
        "signins",
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("refused", sa.Text()),
        sa.Column("renewer", sa.String(36)),
        sa.Column("renewed_until", MOMENT),
        sa.PrimaryKeyConstraint("account", name="pk_signins"),
    )
