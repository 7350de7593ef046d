"""Mails: filled from a template, sent, saved."""

from .fill import FillTemplate
from .save import SaveMail
from .send import SendSMTP
from .source import Variant

__all__ = ["FillTemplate", "SaveMail", "SendSMTP", "Variant"]
