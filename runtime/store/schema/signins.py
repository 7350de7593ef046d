"""Who is signed in where: the state of the accounts that log in with tokens (OAuth 2.0)."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from .columns import Instant, metadata

signins = Table(
    "signins",
    metadata,
    Column("account", String(200), primary_key=True),
    Column("refused", Text),
    Column("renewer", String(36)),
    Column("renewed_until", Instant),
)
"""The tokens themselves lie in `secrets`. `refused` holds the token server's words when a person must sign in again.

While `renewed_until` lies ahead, `renewer` fetches a new token, and nobody else does.
"""
