"""Mails as bytes: the MIME entity of a draft, and the whole RFC 5322 message around an entity."""

from .headers import check_header, check_value
from .letter import compose
from .parts import check_cid, cids, entity

__all__ = ["check_cid", "check_header", "check_value", "cids", "compose", "entity"]
