"""Tables in and out: Excel and CSV."""

from .delimited import ReadCSV
from .excel import ReadExcel
from .write import WriteExcel

__all__ = ["ReadCSV", "ReadExcel", "WriteExcel"]
