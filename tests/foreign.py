"""Foreign programs that check what we produce."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

DEBIAN = {
    "qpdf": "qpdf",
    "pdftotext": "poppler-utils",
    "openssl": "openssl",
    "smtp-sink": "postfix",
    "initdb": "postgresql",
    "dovecot": "dovecot-imapd and dovecot-submissiond",
}


def needs(program: str) -> str:
    """The program's path. Without it a test is skipped, and fails where everything must be there (CI=true)."""
    found = shutil.which(program, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin", *_postgresql()]))
    if found:
        return found
    reason = f"{program} is not installed (Debian: {DEBIAN.get(program, program)})"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _postgresql() -> list[str]:
    """Where Debian keeps its programs, the newest first."""
    return sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)


def call(program: str, *arguments: str | Path, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs a foreign program to its end, at most a minute."""
    return subprocess.run([needs(program), *arguments], input=data, capture_output=True, timeout=60, check=False)
