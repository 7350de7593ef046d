"""What the tables are made of: types of columns that read alike on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Integer, MetaData, String
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
    """Where a blob lies: pack, offset, size, digest (see runtime/blobs/refs.py)."""
    return (
        Column(f"{prefix}pack", String(64), nullable=nullable),
        Column(f"{prefix}offset", BigInteger, nullable=nullable),
        Column(f"{prefix}size", BigInteger, nullable=nullable),
        Column(f"{prefix}digest", String(64), nullable=nullable),
    )
