"""Who sends, and to whom: accounts, identities, certificates, and their secrets."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, LargeBinary, String, Table, false

from .columns import Json, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("settings", Json, nullable=False),
    Column("is_default", Boolean, nullable=False, server_default=false()),
)
"""At most one is the default."""

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
