"""Delivery reports for machines (RFC 3464, RFC 6533), wherever in a mail they stand and however they are broken."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .entity import Part

MEDIA_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FIELD = re.compile(r"([A-Za-z][\w-]{1,60})[ \t]*:[ \t]*(.*)")
_OURS = {
    "final-recipient", "original-recipient", "action", "status", "diagnostic-code", "remote-mta", "x-actual-recipient",
    "reporting-mta", "last-attempt-date", "will-retry-until", "final-log-id", "arrival-date", "received-from-mta",
    "original-envelope-id", "dsn-gateway", "x-supplementary-info", "x-postfix-sender", "x-postfix-queue-id",
    "x-display-name", "x-original-message-id", "localized-diagnostic", "x-recipient-description", "x-spoon-recipient",
    "failure-reason", "x-failure-reason", "x-powermta-bouncecategory",
}  # fmt: skip
_RECIPIENTS = ("final-recipient", "original-recipient", "x-actual-recipient")
_OF_REPORT = {"reporting-mta", "arrival-date", "received-from-mta", "original-envelope-id", "dsn-gateway",
              "x-postfix-sender", "x-postfix-queue-id"}  # fmt: skip
_STANDING = re.compile(r"^[ \t>]{0,4}(?:final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
MAX_LINES = 20_000
MAX_GROUPS = 1_000
"""Recipients of one report: as many as one envelope holds on common servers."""


@dataclass(slots=True)
class Group:
    """The fields of one recipient, and those of the whole report."""

    fields: dict[str, str] = field(default_factory=dict)
    report: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    @property
    def is_recipient(self) -> bool:
        return any(name in self.fields for name in _RECIPIENTS)


def groups_in(part: Part) -> list[Group]:
    """The recipients that a part of the right type reports on."""
    return read_groups(part.text if not part.parts else part.body.decode("utf-8", "replace"))


def groups_in_text(text: str) -> list[Group]:
    """The same for a report that stands in the midst of a text."""
    found = _STANDING.search(text)
    return read_groups(text[max(0, text.rfind("\n\n", 0, found.start())) :]) if found else []


def read_groups(text: str) -> list[Group]:
    """Fields in blocks. A block may be torn apart by empty lines, two recipients may stand in one."""
    report: dict[str, str] = {}
    groups: list[Group] = []
    fields: dict[str, str] = report
    last, is_new_block = "", False
    for line in text.splitlines()[:MAX_LINES]:
        line = line.lstrip(">") if line.startswith(">") else line
        if not line.strip():
            last, is_new_block = "", True
        elif line[0] in " \t" and last and not _field(line):
            fields[last] = f"{fields[last]}\n{line.strip()}"
        elif found := _field(line):
            name, value = found
            if _begins(name, fields, is_new_block, report):
                if len(groups) >= MAX_GROUPS:
                    break
                groups.append(Group({}, report))
                fields = groups[-1].fields
            is_new_block = False
            last = "" if name in fields else name
            fields.setdefault(name, value)
        elif last == "diagnostic-code" and ":" not in line[:30]:  # somebody forgot to indent
            fields[last] = f"{fields[last]}\n{line.strip()}"
        else:
            last = ""
    return _joined(groups)


def _field(line: str) -> tuple[str, str] | None:
    found = _FIELD.match(line.strip())
    if not found or found[1].lower() not in _OURS:
        return None
    return found[1].lower(), found[2].strip()


def _begins(name: str, fields: dict[str, str], is_new_block: bool, report: dict[str, str]) -> bool:
    """Whether a new recipient starts here."""
    if name in _OF_REPORT:
        return False
    if fields is report:
        return True
    if name in ("final-recipient", "original-recipient"):
        return name in fields or (is_new_block and any(one in fields for one in _RECIPIENTS))
    return is_new_block and name in fields


def _joined(groups: list[Group]) -> list[Group]:
    """A block without a recipient belongs to the one before it."""
    joined: list[Group] = []
    for group in groups:
        if group.is_recipient or not joined:
            joined.append(group)
        else:
            joined[-1].fields = {**group.fields, **joined[-1].fields}
    return [group for group in joined if group.is_recipient]
