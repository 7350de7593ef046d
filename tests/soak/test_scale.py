"""A hundred thousand rows, and twice as many, take the same memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from openpyxl import Workbook

from .test_kills import FLOW, POSTWERK, call

MOST_BYTES = 400_000_000
EVERY = 0.1


def write_list(path: Path, rows: int) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["number", "email", "name", "street", "city", "amount", "iban", "password", "note", "group"])
    for number in range(rows):
        name, street = f"Jürgen Müller {number}", f"Königsallee {number}"
        sheet.append([
            number, f"kunde{number}@example.com", name, street, "Düsseldorf", number * 1.5, "DE89370400440532013000",
            f"geheim{number}", f"note {number}", number % 7,
        ])  # fmt: skip
    book.save(path)


def resident(process: psutil.Process) -> int:
    """Bytes of a process and all below it; what they share counts for each."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total


def peak_of(folder: Path, *words: str) -> tuple[int, dict[str, object]]:
    with subprocess.Popen([POSTWERK, *words], cwd=folder, stdout=subprocess.PIPE) as process:
        watched, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            peak = max(peak, resident(watched))
            time.sleep(EVERY)
        assert process.stdout is not None
        return peak, json.loads(process.stdout.read())


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="resident memory means other things elsewhere")
@pytest.mark.parametrize("rows", [100_000, 200_000])
def test_a_dry_run_takes_bounded_memory(tmp_path: Path, rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    call(tmp_path, "init", "office")
    server = ["--host", "127.0.0.1", "--port", "9", "--security", "none", "--sender", "office@example.com"]
    call(tmp_path, "account", "add", "office", *server, "-w", "office")
    write_list(tmp_path / "list.xlsx", rows)
    (tmp_path / "flow.json").write_text(json.dumps(FLOW), "utf-8")

    begin = time.monotonic()
    peak, report = peak_of(tmp_path, "run", "flow.json", "--dry-run", "--json", "-w", "office")

    with capsys.disabled():
        print(f"\n{rows:,} rows: {peak / 1e6:.0f} MB at most, {time.monotonic() - begin:.0f} s")
    assert report["mails"] == {"captured": rows}
    assert peak < MOST_BYTES
