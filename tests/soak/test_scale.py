"""A hundred thousand rows, and twice as many, take the same memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from openpyxl import Workbook

from ..acceptance.flow_document import merge
from ..acceptance.program import Ended, Program

MOST_BYTES = 400_000_000
EVERY_SECONDS = 0.05
COLUMNS = ("no", "email", "name", "street", "city", "amount", "iban", "password", "note", "group")


def write_list(path: Path, rows: int) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Kunden")
    sheet.append(COLUMNS)
    for at in range(rows):
        name, street = f"Jürgen Müller {at}", f"Königsallee {at}"
        sheet.append([
            f"K{at}", f"kunde{at}@example.com", name, street, "Düsseldorf", at * 1.5, "DE89370400440532013000",
            f"geheim{at}", f"Stammkunde seit {1990 + at % 36}", at % 7,
        ])  # fmt: skip
    book.save(path)


class Memory(NamedTuple):
    """Bytes of a program with all of its processes."""

    resident: int
    """What they share counts for each."""
    proportional: int
    """What they share is parted among them."""


def memory_of(program: psutil.Process) -> Memory:
    found = [_of_one(one) for one in (program, *_below(program))]
    return Memory(sum(one.resident for one in found), sum(one.proportional for one in found))


def _below(program: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return program.children(recursive=True)
    return []


def _of_one(process: psutil.Process) -> Memory:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        full = process.memory_full_info()
        return Memory(full.rss, full.pss)
    return Memory(0, 0)


def watched(postwerk: Program, look: Callable[[psutil.Process], None], *words: str | Path) -> Ended:
    """Runs a program to its end, and looks at it again and again."""
    with postwerk.started(*words) as process:
        program = psutil.Process(process.pid)
        while process.poll() is None:
            look(program)
            time.sleep(EVERY_SECONDS)
        out, err = process.communicate()
        return Ended(process.returncode, out, err)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="resident memory means other things elsewhere")
@pytest.mark.parametrize("rows", [100_000, 200_000])
def test_a_dry_run_takes_memory_that_does_not_grow_with_its_rows(
    tmp_path: Path, rows: int, capsys: pytest.CaptureFixture[str]
) -> None:
    postwerk = Program(tmp_path / "workspace")
    assert postwerk("init", postwerk.workspace).code == 0
    server = ("--host", "127.0.0.1", "--port", "9", "--security", "none", "--sender", "office@example.com")
    assert postwerk("account", "add", "office", *server).code == 0
    flow = merge(tmp_path / "mailing", "list.xlsx")
    write_list(flow.parent / "list.xlsx", rows)
    looks: list[Memory] = []

    begin = time.monotonic()
    ended = watched(postwerk, lambda program: looks.append(memory_of(program)), "run", flow, "--dry-run", "--json")
    seconds = time.monotonic() - begin

    resident, proportional = (max(column) for column in zip(*looks, strict=True))
    with capsys.disabled():
        print(f"\n{rows:,} rows: {resident / 1e6:.0f} MB resident, {proportional / 1e6:.0f} MB proportional at most; "
              f"{seconds:.0f} s, {rows / seconds:,.0f} mails/s")  # fmt: skip
    assert ended.json["mails"] == {"captured": rows}
    assert resident < MOST_BYTES
