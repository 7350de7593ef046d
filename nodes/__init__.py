"""Built-in nodes, found by entry point."""

from .mail import FillTemplate, SaveMail, SendSMTP
from .pdf import EncryptPDF, FillPDF
from .smime import EncryptSMIME, SignSMIME
from .tables import ReadExcel

__all__ = [
    "EncryptPDF",
    "EncryptSMIME",
    "FillPDF",
    "FillTemplate",
    "ReadExcel",
    "SaveMail",
    "SendSMTP",
    "SignSMIME",
]
