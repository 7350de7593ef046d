"""Built-in nodes, found by entry point."""

from .mail import FillTemplate, SaveMail, SendSMTP
from .pdf import EncryptPDF, FillPDF
from .records import FilterRecords, ValidateRecords
from .smime import EncryptSMIME, SignSMIME
from .tables import ReadCSV, ReadExcel, WriteExcel

__all__ = [
    "EncryptPDF",
    "EncryptSMIME",
    "FillPDF",
    "FillTemplate",
    "FilterRecords",
    "ReadCSV",
    "ReadExcel",
    "SaveMail",
    "SendSMTP",
    "SignSMIME",
    "ValidateRecords",
    "WriteExcel",
]
