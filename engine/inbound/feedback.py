"""Complaints (ARF, RFC 5965), read receipts (RFC 8098), and the reports of a sending service as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from .codes import action_of
from .delivery_status import Group
from .entity import Part
from .mail import ParsedMail, message_ids

_FIELD = re.compile(r"^([A-Za-z][\w-]{1,40})[ \t]*:[ \t]*(.*)$", re.MULTILINE)
_NO_COMPLAINT = frozenset({"not-spam", "dmarc", "auth-failure"})
"""Feedback that is about a mail, but no recipient's complaint (RFC 6591, 3.1; RFC 6430)."""
MAX_TEXT = 20_000
_JSON_START = re.compile(r"\{\s*\"")


def fields_of(text: str) -> dict[str, str]:
    """`Name: value` lines; the first of each name counts."""
    found: dict[str, str] = {}
    for one in _FIELD.finditer(text[:MAX_TEXT]):
        found.setdefault(one[1].lower(), one[2].strip())
    return found


def complaint_in(mail: ParsedMail) -> dict[str, str] | None:
    """The fields of a complaint, or None when the mail is none."""
    for part in mail.root.walk_own():
        if part.media_type == "message/feedback-report":
            return _complaint(fields_of(_text(part)))
    kind = mail.root.parameters.get("report-type", "").lower()
    returned = [part.parts[0].head for part in mail.root.parts if part.media_type == "message/rfc822" and part.parts]
    if kind == "feedback-report" or any("x-hmxmroriginalrecipient" in head for head in (mail.head, *returned)):
        return _complaint({"feedback-type": "abuse"} | fields_of(mail.own_text))
    if (
        "eedback-" in mail.own_text[:MAX_TEXT]
        and {"feedback-type", "user-agent"} <= (fields := fields_of(mail.own_text)).keys()
    ):
        return _complaint(fields)
    return None


def _complaint(fields: dict[str, str]) -> dict[str, str] | None:
    return None if fields.get("feedback-type", "").lower() in _NO_COMPLAINT else fields


def receipt_in(mail: ParsedMail) -> dict[str, str] | None:
    """The fields of a read receipt, or None."""
    for part in mail.root.walk_own():
        if part.media_type in ("message/disposition-notification", "message/global-disposition-notification"):
            return fields_of(_text(part))
    kind = mail.root.parameters.get("report-type", "").lower()
    return fields_of(mail.own_text) if kind == "disposition-notification" else None


def _text(part: Part) -> str:
    return part.text if not part.parts else part.body.decode("utf-8", "replace")


def service_report(mail: ParsedMail) -> tuple[str, list[Group], str] | None:
    """What a sending service reports as JSON in a mail: its kind, the recipients, the Message-ID.

    The form is Amazon's, whose notifications by mail others have copied:
    `{"notificationType": "Bounce", "bounce": {"bouncedRecipients": [{"emailAddress": …, "status": …}]}}`.
    """
    text = mail.own_text
    if "notificationType" not in text[:MAX_TEXT] and "eventType" not in text[:MAX_TEXT]:
        return None
    report = _json(text)
    kind = str(report.get("notificationType") or report.get("eventType") or "").lower()
    if kind not in ("bounce", "complaint", "delivery"):
        return None
    details = report.get(kind)
    return kind, _groups(details if isinstance(details, dict) else {}, kind), _message_id(report)


def _message_id(report: dict[str, Any]) -> str:
    mail = report.get("mail")
    headers = mail.get("commonHeaders") if isinstance(mail, dict) else None
    return next(iter(message_ids(str(headers.get("messageId")))), "") if isinstance(headers, dict) else ""


def _json(text: str) -> dict[str, Any]:
    """The first object in a text; lines may have been folded."""
    joined = text.replace("\n ", "").replace("\n", "")
    start = _JSON_START.search(joined)
    if not start:
        return {}
    try:
        found, _ = json.JSONDecoder().raw_decode(joined[start.start() :])
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict) and isinstance(found.get("Message"), str):
        return _json(found["Message"])
    return found if isinstance(found, dict) else {}


def _groups(details: dict[str, Any], kind: str) -> list[Group]:
    names = {"bounce": "bouncedRecipients", "complaint": "complainedRecipients", "delivery": "recipients"}
    listed = details.get(names[kind])
    groups = []
    for one in listed if isinstance(listed, list) else []:
        entry = one if isinstance(one, dict) else {"emailAddress": one}
        status = str(entry.get("status", ""))
        groups.append(Group({
            "final-recipient": str(entry.get("emailAddress", "")), "status": status,
            "action": str(entry.get("action") or action_of(status) or {"bounce": "failed"}.get(kind, "delivered")),
            "diagnostic-code": str(entry.get("diagnosticCode", "")), "remote-mta": str(details.get("reportingMTA", "")),
        }))  # fmt: skip
    return groups
