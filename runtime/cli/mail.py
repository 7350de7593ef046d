"""`postwerk mail`."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ...engine.inbound import Evidence, Failure, Limits, Verdict, analyse
from .terminal import out, say_error, say_json

app = typer.Typer(no_args_is_help=True, help="Look at mails that came in.")

Paths = Annotated[list[Path], typer.Argument(metavar="PATH…", help="Mails as .eml files, or folders of them.")]
LinesOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line, one for each mail.")]
SOME_UNREADABLE = 3
PAYS_FROM = 1_500
"""Mails from which further processes pay: each takes as long to start as about 500 mails take."""
SHARE = 64
"""Mails that a process takes at a time."""


def add_to(parent: typer.Typer) -> None:
    parent.add_typer(app, name="mail")


@app.command("inspect")
def inspect(paths: Paths, as_json: LinesOption = False) -> None:
    """Tell what mails are: bounces with recipients and reasons, delays, automatic answers, complaints, receipts.

    A file that can't be read is a line with an error; the others go on. Exits with 3 if there was one.
    """
    has_failed = False
    files = list(_files(paths))
    if not files:
        say_error(f"There are no .eml files in {', '.join(map(str, paths))}.")
    for found in _inspected(files):
        has_failed |= found["error"] is not None
        if as_json:
            say_json(found)
        else:
            out.print(_in_words(found), markup=False, soft_wrap=True)
    raise typer.Exit(SOME_UNREADABLE if has_failed else 0)


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Each file with the name under which it is told: as it was given, or its path within the folder given."""
    for path in paths:
        if path.is_dir():
            yield from ((file, file.relative_to(path).as_posix()) for file in sorted(_in_folder(path)))
        else:
            yield path, str(path)


def _in_folder(folder: Path) -> Iterator[Path]:
    """The mails in a folder and all below, and each folder that can't be looked into."""
    closed: list[Path] = []
    for root, _, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        yield from (Path(root, name) for name in names if name.lower().endswith(".eml"))
    yield from closed


def _inspected(files: list[tuple[Path, str]]) -> Iterator[dict[str, Any]]:
    """In the order of the files, over all cores when there are enough of them."""
    cores = os.cpu_count() or 1
    if len(files) < PAYS_FROM or cores == 1:
        yield from map(_one, files)
        return
    sys.stdout.flush()
    with multiprocessing.get_context("spawn").Pool(min(cores, len(files) // SHARE)) as pool:
        yield from pool.imap(_one, files, SHARE)


def _one(file: tuple[Path, str]) -> dict[str, Any]:
    path, name = file
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            return told(name, None, f"{name} is no file but a pipe or a device. Give a file or a folder.")
        with path.open("rb") as opened:
            return told(name, analyse(opened.read(Limits().size + 1)), None)
    except OSError as error:
        return told(name, None, f"{name} can't be read: {error.strerror or error}. Check the path and its rights.")


def told(name: str, verdict: Verdict | None, error: str | None) -> dict[str, Any]:
    """One line of the output. The first nine are promised to scripts; what follows explains them."""
    failures = verdict.failures if verdict else ()
    return {
        "file": name,
        "is_bounce": verdict is not None and verdict.is_bounce,
        "recipients": [one.recipient for one in failures],
        "hard": verdict.is_hard if verdict else None,
        "status": next((one.status for one in failures if one.status), None),
        "reason": verdict.reason if verdict else None,
        "is_auto_reply": verdict is not None and verdict.is_auto_reply,
        "is_complaint": verdict is not None and verdict.is_complaint,
        "error": error,
        "kind": verdict.kind if verdict else None,
        "permanent": next((one.is_permanent for one in failures if one.is_permanent is not None), None),
        "original_message_id": (verdict.original_message_id or None) if verdict else None,
        "failures": [_failure(one) for one in failures],
        "evidence": [_evidence(one) for one in verdict.evidence] if verdict else [],
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "recipient": failure.recipient, "original_recipient": failure.original_recipient or None,
        "status": failure.status or None, "reply": failure.reply or None, "reason": failure.reason,
        "hard": failure.is_hard, "remote_host": failure.remote_host or None, "diagnostic": failure.diagnostic or None,
        "evidence": [_evidence(one) for one in failure.evidence],
    }  # fmt: skip


def _evidence(evidence: Evidence) -> dict[str, str]:
    return {"claim": evidence.claim, "place": evidence.place, "said": evidence.said}


def _in_words(found: dict[str, Any]) -> str:
    if found["error"]:
        return f"{found['file']}: {found['error']}"
    hardness = {True: "hard", False: "soft", None: "unsure"}[found["hard"]]
    words = [str(found["kind"]), *([hardness] if found["is_bounce"] else []), str(found["reason"] or "")]
    said = " ".join([word for word in words if word] + ([f"({found['status']})"] if found["status"] else []))
    return f"{found['file']}: {said}" + (f" {', '.join(found['recipients'])}" if found["recipients"] else "")
