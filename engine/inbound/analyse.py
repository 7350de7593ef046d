"""What a mail is: a bounce, a delay, an automatic answer, a complaint, a receipt, a challenge, or simply a mail.

Evidence for machines is asked first, then the structure of notices, then headers, then phrases. Where it does not
suffice, nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .automatic import automatic, challenge, is_listed
from .codes import replies, statuses
from .delivery_status import MEDIA_TYPES, Group, groups_in, groups_in_text
from .entity import Part
from .failures import DELAYED, FAILED, action, distinct, failure_in, failure_of, is_address
from .feedback import complaint_in, receipt_in, service_report
from .mail import ParsedMail, addresses_in, message_ids, parse_mail
from .notice import STANDS_ALONE, Mention, mentions
from .returned import Returned, returned_in
from .senders import from_server, has_empty_path, is_daemon, is_still_trying, subject_says
from .verdict import Evidence, Failure, Kind, Reason, Verdict

_OWN = ("to", "delivered-to", "x-original-to", "envelope-to", "cc", "from", "return-path", "reply-to", "sender")
_PASSED_ON = re.compile(r"\s*(?:re|aw|antw(?:ort)?|sv|fwd?|wg|tr|rv|enc|i)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)


def analyse(content: bytes) -> Verdict:
    """What a mail is. Raises nothing, whatever the bytes are."""
    return analyse_mail(parse_mail(content))


def analyse_mail(mail: ParsedMail) -> Verdict:
    """The same for a mail that is parsed already."""
    for asked in (_complaint, _service, _receipt, _challenge):
        if verdict := asked(mail):
            return verdict
    returned = returned_in(mail)
    return _reported(mail, returned) or _noticed(mail, returned) or _answered(mail) or Verdict(Kind.ORDINARY)


def _complaint(mail: ParsedMail) -> Verdict | None:
    fields = complaint_in(mail)
    if fields is None:
        return None
    returned = returned_in(mail)
    found = addresses_in(fields.get("original-rcpt-to", "")) or list(returned.recipients)
    said = Evidence("complaint", "message/feedback-report", f"Feedback-Type: {fields.get('feedback-type', '')}")
    failures = tuple(Failure(one) for one in found[:1])
    return Verdict(Kind.COMPLAINT, failures, Reason.FEEDBACK, returned.message_id, (said,))


def _service(mail: ParsedMail) -> Verdict | None:
    report = service_report(mail)
    if report is None:
        return None
    kind, groups, message_id = report
    said = (Evidence(kind, "body", "notificationType"),)
    if kind == "bounce":
        failures = distinct(failure_of(group, "") for group in groups)
        return Verdict(Kind.BOUNCE, failures, _reason(failures), message_id, said)
    failures = tuple(Failure(group.get("final-recipient")) for group in groups)
    if kind == "complaint":
        return Verdict(Kind.COMPLAINT, failures, Reason.FEEDBACK, message_id, said)
    return Verdict(Kind.DELIVERED, failures, None, message_id, said)


def _receipt(mail: ParsedMail) -> Verdict | None:
    fields = receipt_in(mail)
    if fields is None:
        return None
    ids = message_ids(fields.get("original-message-id", "")) or list(mail.references)
    said = Evidence("receipt", "message/disposition-notification", fields.get("disposition", ""))
    return Verdict(Kind.RECEIPT, original_message_id=next(iter(ids), ""), evidence=(said,))


def _challenge(mail: ParsedMail) -> Verdict | None:
    """Some put their question into a report that looks like a bounce, so it is asked for first."""
    evidence = challenge(mail)
    if not evidence:
        return None
    return Verdict(Kind.CHALLENGE, (), Reason.VACATION, next(iter(mail.references), ""), evidence)


def _reported(mail: ParsedMail, returned: Returned) -> Verdict | None:
    """A report for machines, in its own part or in the midst of a text."""
    place, groups = _groups(mail, returned)
    if not groups:
        return None
    failed = [one for one in groups if action(one) in FAILED]
    chosen = failed or [one for one in groups if action(one) == DELAYED]
    said = (Evidence("action", place, f"Action: {action((chosen or groups)[0])}"),)
    if not chosen:
        return Verdict(Kind.DELIVERED, original_message_id=_original(mail, returned, groups[0]), evidence=said)
    context = "\n".join(returned.texts)
    failures = distinct(failure_of(one, context) for one in chosen)
    if len(failures) == 1 and not is_address(failures[0].recipient):
        failures = tuple(replace(failures[0], recipient=one.address) for one in _meant(mail, returned)[:1]) or failures
    message_id = _original(mail, returned, chosen[0])
    return Verdict(Kind.BOUNCE if failed else Kind.DELAYED, failures, _reason(failures), message_id, said)


def _groups(mail: ParsedMail, returned: Returned) -> tuple[str, list[Group]]:
    """The recipients reported on, and where: what stands in a text counts only when a machine wrote the mail."""
    for part in _own_parts(mail.root):
        if part.media_type in MEDIA_TYPES and (groups := groups_in(part)):
            return part.media_type, groups
    if from_server(mail) or has_empty_path(mail) or "auto-submitted" in mail.head:
        for text in returned.texts:
            if groups := groups_in_text(text):
                return "body", groups
    return _wrapped_groups(mail)


def _wrapped_groups(mail: ParsedMail) -> tuple[str, list[Group]]:
    """A report that a gateway put into a mail of its own, both with a server as the sender."""
    for part in mail.root.parts:
        inner = ParsedMail(part.parts[0]) if part.media_type == "message/rfc822" and part.parts else None
        if inner and inner.root.media_type == "multipart/report" and from_server(mail) and from_server(inner):
            return _groups(inner, returned_in(inner))
    return "", []


def _own_parts(root: Part) -> Iterator[Part]:
    """The parts of this mail, not those of mails within."""
    stack = [root]
    while stack:
        part = stack.pop()
        yield part
        if not part.media_type.startswith("message/"):
            stack += reversed(part.parts)


def _noticed(mail: ParsedMail, returned: Returned) -> Verdict | None:
    """A notice for people only."""
    text = "\n\n".join(returned.texts)
    said = _sign_of_notice(mail, returned, text)
    if not said:
        return None
    says = subject_says(mail.subject)
    failures = distinct(failure_in(one, text) for one in _meant(mail, returned))
    if not says and not (failures and (is_daemon(mail) or _tells_failure(text))):
        return None
    kind = Kind.DELAYED if is_still_trying(text) or says == {"delay"} else Kind.BOUNCE
    return Verdict(kind, failures, _reason(failures), _original(mail, returned), (said,))


def _tells_failure(text: str) -> bool:
    """Whether a notice speaks of a mail that did not arrive; a postmaster also writes of quotas and quarantines."""
    beginning = text[:2_000]
    return bool(subject_says(beginning) or statuses(beginning) or replies(beginning))


def _original(mail: ParsedMail, returned: Returned, group: Group | None = None) -> str:
    """The Message-ID of the mail that did not arrive: of what came back, of the report, or of what is answered."""
    told = (
        message_ids(group.get("x-original-message-id") or group.report.get("x-original-message-id", ""))
        if group
        else []
    )
    return returned.message_id or next(iter((*told, *mail.references)), "")


def _sign_of_notice(mail: ParsedMail, returned: Returned, text: str) -> Evidence | None:
    """What shows that a server wrote this about a mail of ours, and no person about a server's notice."""
    if server := from_server(mail):
        return Evidence("bounce", "From", server)
    is_empty = has_empty_path(mail)
    if is_listed(mail) or (_PASSED_ON.match(mail.subject) and not is_empty):
        return None
    if "failure" in subject_says(mail.subject) and (returned.head or is_empty):
        return Evidence("bounce", "Subject", mail.subject[:120])
    is_automatic = is_empty or "auto-submitted" in mail.head
    if is_automatic and returned.head and (codes := (*statuses(text[:6_000]), *replies(text[:6_000]))):
        return Evidence("bounce", "body", codes[0])
    return None


def _meant(mail: ParsedMail, returned: Returned) -> list[Mention]:
    """The recipients whom a notice for people means."""
    own = {one.lower() for name in _OWN for value in mail.head.texts(name) for one in addresses_in(value)}
    named = {one.lower(): one for value in mail.head.texts("x-failed-recipients") for one in addresses_in(value)}
    found = mentions("\n\n".join(returned.texts), {*returned.recipients, *named}, own | returned.senders)
    chosen = [one for one in found if one.address.lower() in named] if named else found
    if not chosen:
        chosen = [one for one in found if one.weight > STANDS_ALONE]
    only = returned.recipients if len(returned.recipients) == 1 else ()
    return chosen or [Mention(one, STANDS_ALONE, 0) for one in named.values() or only]


def _answered(mail: ParsedMail) -> Verdict | None:
    found = automatic(mail)
    if not found:
        return None
    return Verdict(Kind.AUTO_REPLY, (), Reason.VACATION, next(iter(mail.references), ""), found)


def _reason(failures: tuple[Failure, ...]) -> Reason | None:
    return failures[0].reason if failures else None
