"""Mails that came in: read whole, whatever their bytes, and told apart. Pure: bytes in, values out."""

from .analyse import analyse, analyse_mail
from .entity import Defect, Limits, Part
from .fields import Head
from .mail import Attachment, ParsedMail, parse_mail
from .verdict import Evidence, Failure, Kind, Reason, Verdict

__all__ = [
    "Attachment",
    "Defect",
    "Evidence",
    "Failure",
    "Head",
    "Kind",
    "Limits",
    "ParsedMail",
    "Part",
    "Reason",
    "Verdict",
    "analyse",
    "analyse_mail",
    "parse_mail",
]
