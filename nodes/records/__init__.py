"""Checks on records: which are in order, and which go where."""

from .filter import FilterRecords
from .rules import Kind, Rule
from .validate import PROBLEM_COLUMNS, ValidateRecords

__all__ = ["PROBLEM_COLUMNS", "FilterRecords", "Kind", "Rule", "ValidateRecords"]
