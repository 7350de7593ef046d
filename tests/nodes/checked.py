"""One cell under one rule of ValidateRecords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from postwerk.engine import Record, Scalar
from postwerk.nodes.records.validate import ValidateRecords

from ..surroundings import Surroundings

GERMAN = Surroundings(Path())
ENGLISH = Surroundings(Path(), locale="en_US", timezone="America/New_York")


def node(**rules: dict[str, Any]) -> ValidateRecords:
    return ValidateRecords.model_validate({"rules": rules})


def good(value: Scalar, rule: dict[str, Any], ctx: Surroundings = GERMAN) -> Scalar:
    """The cell of a record that is in order."""
    checked = node(a=rule).run(Record(key="1", values={"a": value}), ctx)
    assert checked.bad is None, checked.bad.values
    assert checked.good is not None
    return checked.good.values["a"]


def problem(value: Scalar, rule: dict[str, Any], ctx: Surroundings = GERMAN) -> str:
    """What is said of a record that is not."""
    checked = node(a=rule).run(Record(key="1", values={"a": value}), ctx)
    assert checked.good is None, checked.good.values
    assert checked.bad is not None
    return checked.bad.complaint
