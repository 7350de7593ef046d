from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from openpyxl.cell import Cell
from openpyxl.worksheet.worksheet import Worksheet
from postwerk.engine import Item, Need, Record, Refused, RefusedMail, RunInfo, Scalar, SentMail
from postwerk.nodes.tables.excel import ReadExcel
from postwerk.nodes.tables.sheet import Limits, write_workbook
from postwerk.nodes.tables.write import WriteExcel
from pydantic import ValidationError
from python_calamine import load_workbook as calamine

from tests.nodes.workbooks import values
from tests.surroundings import Surroundings, item

NODE = WriteExcel(file="report.xlsx")
SENT = SentMail(
    message_id="<1@example.com>",
    account="office",
    recipients=("ann@example.com",),
    subject="Ihre Rechnung",
    sent_at=datetime(2026, 7, 1, 8, 30, tzinfo=UTC),
    reply="250 ok",
)
FORGED = '<r></r></is></c><c r="B2"><f>1+1</f><v>2</v></c><c r="C2" t="inlineStr"><is><r></r>'
"""A text that ends its cell and goes on with a formula."""
REFUSED = RefusedMail(
    message_id="<2@example.com>", account="office", recipients=("bob@example.com",), state="failed", reply="550 no"
)


def sheet(folder: Path, *items: Item[Any], node: WriteExcel = NODE) -> Worksheet:
    """What openpyxl finds in the workbook."""
    node.run(iter(items), Surroundings(folder))
    return load_workbook(folder / node.file).worksheets[0]


def written(folder: Path, *cells: Scalar) -> list[Cell]:
    """One column with these values."""
    page = sheet(folder, *(item(str(number), value=cell) for number, cell in enumerate(cells)))
    return [page.cell(number, 1) for number in range(2, page.max_row + 1)]


def table(page: Worksheet) -> list[tuple[Any, ...]]:
    return list(page.iter_rows(values_only=True))


class TestRows:
    def test_each_record_becomes_a_row_under_the_names_of_its_columns(self, tmp_path: Path) -> None:
        page = sheet(tmp_path, item("1", nr="0815", name="Müller"), item("2", nr="4711", name="Groß & <Söhne>"))

        assert table(page) == [("nr", "name"), ("0815", "Müller"), ("4711", "Groß & <Söhne>")]
        assert page.title == "Table"

    def test_it_returns_the_workbook_as_a_document(self, tmp_path: Path) -> None:
        document = NODE.run(iter([item("1", a=1)]), Surroundings(tmp_path))

        assert document.name == "report.xlsx"
        assert document.content == (tmp_path / "report.xlsx").read_bytes()
        assert document.media_type == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

    def test_a_mail_is_written_behind_the_record_that_it_was_made_from(self, tmp_path: Path) -> None:
        record = Record(key="1", values={"nr": "0815", "subject": "Kunde"})

        page = sheet(tmp_path, Item(("1",), SENT, record), Item(("2",), REFUSED, None))

        assert table(page) == [
            ("nr", "subject", "recipient", "subject (sent)", "sent_at", "message_id", "reply", "state"),
            (
                "0815", "Kunde", "ann@example.com", "Ihre Rechnung", datetime(2026, 7, 1, 10, 30), "<1@example.com>",
                "250 ok", None,
            ),
            (None, None, "bob@example.com", None, None, "<2@example.com>", "550 no", "failed"),
        ]  # fmt: skip

    def test_columns_that_come_later_are_added_and_nothing_is_lost(self, tmp_path: Path) -> None:
        many = [item(str(number), a=number) for number in range(600)]

        page = sheet(tmp_path, *many, item("x", b="late", a=1), item("y", c="later"))

        assert table(page)[0] == ("a", "b", "c")
        assert table(page)[-2:] == [(1, "late", None), (None, None, "later")]

    def test_only_the_chosen_columns_are_written_in_their_order(self, tmp_path: Path) -> None:
        node = WriteExcel(file="report.xlsx", only=("name", "gone", "nr"))

        page = sheet(tmp_path, item("1", nr=1, secret="x", name="Müller"), node=node)

        assert table(page) == [("name", "gone", "nr"), ("Müller", None, 1)]

    def test_no_rows_at_all_still_make_a_workbook(self, tmp_path: Path) -> None:
        assert table(sheet(tmp_path)) == []
        assert table(sheet(tmp_path, node=WriteExcel(file="report.xlsx", only=("nr",)))) == [("nr",)]

    def test_what_does_not_fit_goes_on_with_a_further_sheet(self, tmp_path: Path) -> None:
        rows: list[list[Scalar]] = [[number] for number in range(5)]

        write_workbook(tmp_path / "book.xlsx", "A" * 31, ["n"], rows, Limits(rows=3))

        book = load_workbook(tmp_path / "book.xlsx")
        assert book.sheetnames == ["A" * 31, "A" * 27 + " (2)", "A" * 27 + " (3)"]
        assert [table(page) for page in book] == [[("n",), (0,), (1,)], [("n",), (2,), (3,)], [("n",), (4,)]]
        assert [page.auto_filter.ref for page in book] == ["A1:A3", "A1:A3", "A1:A2"]

    def test_a_sheet_that_grows_too_large_ends_early(self, tmp_path: Path) -> None:
        rows: list[list[Scalar]] = [["x" * 1000] for _ in range(600)]

        write_workbook(tmp_path / "book.xlsx", "A", ["n"], rows, Limits(size=300_000))

        assert [page.max_row - 1 for page in load_workbook(tmp_path / "book.xlsx")] == [282, 282, 36]

    @pytest.mark.parametrize("letter", ["ä", "&"])
    def test_a_letter_counts_with_all_bytes_that_it_takes(self, tmp_path: Path, letter: str) -> None:
        rows: list[list[Scalar]] = [[letter * 200] for _ in range(1500)]

        write_workbook(tmp_path / "book.xlsx", "A", ["n"], rows, Limits(size=300_000))

        with ZipFile(tmp_path / "book.xlsx") as package:
            sheets = [one.file_size for one in package.infolist() if "worksheets" in one.filename]
        assert len(sheets) > 1
        assert max(sheets) < 310_000

    @pytest.mark.parametrize(
        ("name", "further"),
        [("A" * 27 + " (2)", "A" * 27 + " - 2"), ("😀" * 15, "😀" * 13 + " (2)"), ("Rest (2)", "Rest (2) (2)")],
    )
    def test_a_further_sheet_has_a_name_of_its_own_that_excel_takes(
        self, tmp_path: Path, name: str, further: str
    ) -> None:
        write_workbook(tmp_path / "book.xlsx", name, ["n"], [[1], [2]], Limits(rows=2))

        assert load_workbook(tmp_path / "book.xlsx").sheetnames == [name, further]

    def test_more_columns_than_excel_takes_are_refused(self, tmp_path: Path) -> None:
        wide = item("1", **{f"c{number}": number for number in range(16_385)})

        with pytest.raises(Refused, match=r"^report\.xlsx would have 16,385 columns, and Excel takes 16,384\. "):
            NODE.run(iter([wide]), Surroundings(tmp_path))


class TestFile:
    def test_the_same_rows_make_the_same_bytes_when_a_run_repeats_them(self, tmp_path: Path) -> None:
        first, second = (NODE.run(iter([item("1", a="x", b=2)]), Surroundings(tmp_path)) for _ in range(2))

        assert first.content == second.content

    def test_it_says_when_the_run_started(self, tmp_path: Path) -> None:
        started = datetime(2026, 3, 2, 9, 30, tzinfo=ZoneInfo("Europe/Berlin"))
        run = RunInfo(id="r1", flow="flow", started=started)

        NODE.run(iter([item("1", a=1)]), Surroundings(tmp_path, run=run))

        properties = load_workbook(tmp_path / "report.xlsx").properties
        assert (properties.creator, properties.created) == ("Postwerk", datetime(2026, 3, 2, 8, 30))

    def test_no_part_of_an_ordinary_workbook_needs_the_extensions_of_large_zips(self, tmp_path: Path) -> None:
        written(tmp_path, 1)

        with ZipFile(tmp_path / "report.xlsx") as package:
            assert {(one.extract_version, one.extra) for one in package.infolist()} == {(20, b"")}

    def test_a_row_that_can_not_be_had_leaves_nothing_behind_but_the_unfinished_file(self, tmp_path: Path) -> None:
        def rows() -> Iterator[list[Scalar]]:
            yield from ([number] for number in range(300))
            raise LookupError("no more")

        with pytest.raises(LookupError, match="no more"):
            write_workbook(tmp_path / "book.xlsx", "A", ["n"], rows())

        assert [one.name for one in tmp_path.iterdir()] == ["book.xlsx"]

    def test_rows_wait_on_the_disk_of_the_workbook_until_it_is_closed(self, tmp_path: Path) -> None:
        waiting: list[int] = []

        def rows() -> Iterator[list[Scalar]]:
            for _ in range(1000):
                yield ["x" * 100]
            waiting.append(sum(one.stat().st_size for one in tmp_path.glob(".*.part/*")))

        write_workbook(tmp_path / "book.xlsx", "A", ["n"], rows())

        assert waiting[0] > 90_000
        assert [one.name for one in tmp_path.iterdir()] == ["book.xlsx"]

    def test_a_full_disk_is_told_as_such(self, tmp_path: Path) -> None:
        done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=True)

        assert done.stdout == "File too large\n"
        assert [one.name for one in tmp_path.iterdir()] == ["book.xlsx"]


class TestCells:
    @pytest.mark.parametrize("text", ["=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1"])
    def test_text_that_looks_like_a_formula_stays_text_even_when_it_is_edited(self, tmp_path: Path, text: str) -> None:
        (cell,) = written(tmp_path, text)

        assert (cell.value, cell.data_type, cell.quotePrefix) == (text, "s", True)
        with ZipFile(tmp_path / "report.xlsx") as package:
            assert b"<f>" not in package.read("xl/worksheets/sheet1.xml")

    @pytest.mark.parametrize("text", ["#N/A", "#DIV/0!", "0815", "TRUE", "1.234,50", "2026-03-31", " two  spaces "])
    def test_text_that_looks_like_something_else_stays_text(self, tmp_path: Path, text: str) -> None:
        (cell,) = written(tmp_path, text)

        assert (cell.value, cell.data_type) == (text, "s")

    @pytest.mark.parametrize(
        ("value", "expected", "number_format"),
        [
            (date(2026, 3, 31), datetime(2026, 3, 31), "mm-dd-yy"),
            (datetime(2026, 3, 31, 8, 30), datetime(2026, 3, 31, 8, 30), "m/d/yy h:mm"),
            (datetime(2026, 1, 31, 8, 30, tzinfo=UTC), datetime(2026, 1, 31, 9, 30), "m/d/yy h:mm"),
            (time(8, 30), time(8, 30), "h:mm:ss"),
            (1234.5, 1234.5, "#,##0.00########"),
            (Decimal("1234.50"), 1234.5, "#,##0.00########"),
            (7, 7, "General"),
            (True, True, "General"),
            (10**15, "1000000000000000", "General"),
            (float("inf"), "inf", "General"),
            (-(10**400), f"-1{'0' * 400}", "General"),
            (Decimal("1E-400"), 0, "#,##0.00########"),
            (date(1899, 12, 31), "1899-12-31", "General"),
            (date(1900, 2, 28), "1900-02-28", "General"),
            (datetime(1900, 1, 1, 8, 30), "1900-01-01 08:30:00", "General"),
            (date(1900, 3, 1), datetime(1900, 3, 1), "mm-dd-yy"),
        ],
    )
    def test_a_value_keeps_its_type_and_shows_as_such(
        self, tmp_path: Path, value: Scalar, expected: Any, number_format: str
    ) -> None:
        (cell,) = written(tmp_path, value)

        assert cell.value == expected
        assert type(cell.value) is type(expected)
        assert cell.number_format == number_format

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a\x00b\x0bc\ufffed\ud800e", "a\ufffdb\ufffdc\ufffdd\ufffde"),
            ("two\r\nlines\rthree", "two\nlines\nthree"),
            ("_x0041_", "_x0041_"),
            ("_x0041_x0042_x0043_", "_x0041\ufffdx0042\ufffdx0043_"),
            ("😀" * 17_000, "😀" * 16_383 + "…"),
        ],
    )
    def test_what_a_cell_cannot_hold_is_replaced_and_seen(self, tmp_path: Path, text: str, expected: str) -> None:
        written(tmp_path, text)

        assert values(ReadExcel(file="report.xlsx"), tmp_path) == [[expected]]
        assert calamine(str(tmp_path / "report.xlsx")).get_sheet_by_index(0).to_python()[1] == [expected]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("<r>x</r>", "<r>x</r> "),
            (FORGED, f"{FORGED} "),
            (f"<r>{'x' * 32_760}</r>", f"<r>{'x' * 32_760}</r…"),
            ("<r>x", "<r>x"),
        ],
    )
    def test_text_that_looks_like_the_xml_of_a_cell_stays_text(self, tmp_path: Path, text: str, expected: str) -> None:
        (cell,) = written(tmp_path, text)

        assert (cell.value, cell.data_type) == (expected, "s")
        with ZipFile(tmp_path / "report.xlsx") as package:
            assert b">&lt;r&gt;" in package.read("xl/worksheets/sheet1.xml")

    def test_column_names_from_outside_are_no_formulas_either(self, tmp_path: Path) -> None:
        page = sheet(tmp_path, item("1", **{"=1+1": 1, "a\x00": 2}))

        assert [(cell.value, cell.data_type) for cell in page[1]] == [("=1+1", "s"), ("a\ufffd", "s")]


class TestLook:
    def test_the_header_stands_out_stays_in_view_and_filters(self, tmp_path: Path) -> None:
        page = sheet(tmp_path, item("1", nr=1, name="x"), item("2", nr=2, name="y"))

        assert page.freeze_panes == "A2"
        assert page.auto_filter.ref == "A1:B3"
        assert all(cell.font.bold and cell.fill.fgColor.rgb == "FF1F4E78" for cell in page[1])

    def test_columns_are_as_wide_as_their_values_within_reason(self, tmp_path: Path) -> None:
        row = item("1", nr=1, email="ann.long@example.com", long="x" * 500, lines="a\nbcd\n" * 50)

        page = sheet(tmp_path, row)

        assert {name: one.width for name, one in page.column_dimensions.items()} == {"A": 8, "B": 21, "C": 60, "D": 9}


class TestSettings:
    @pytest.mark.parametrize("name", ["report", "report.xls", "a/b.xlsx", "..\\b.xlsx", ".xlsx", "a:b.xlsx"])
    def test_the_file_must_have_a_plain_name(self, name: str) -> None:
        with pytest.raises(ValidationError, match="must be a"):
            WriteExcel(file=name)

    @pytest.mark.parametrize("name", ["a/b", "[x]", "'x", "History", "x" * 32, "😀" * 16, "a\x01", "a\nb", ""])
    def test_the_sheet_must_have_a_name_that_excel_takes(self, name: str) -> None:
        with pytest.raises(ValidationError):
            WriteExcel(file="a.xlsx", sheet=name)

    def test_the_check_is_told_which_columns_are_written(self, tmp_path: Path) -> None:
        some = WriteExcel(file="a.xlsx", only=("nr",))

        assert list(some.needs(Surroundings(tmp_path))) == [Need(column="nr", where="only")]
        assert (some.uses_any_column(), NODE.uses_any_column()) == (False, True)

    def test_every_example_can_be_set(self) -> None:
        assert [WriteExcel.model_validate(one).file for one in WriteExcel.examples]


FULL = """
import os, resource, sys
from pathlib import Path
from postwerk.nodes.tables.sheet import write_workbook

resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    write_workbook(Path(sys.argv[1]) / "book.xlsx", "A", ["n"], ([f"{number:01000}"] for number in range(1000)))
except OSError as error:
    print(os.strerror(error.errno))
"""

PEAK = """
import resource, sys
from pathlib import Path
from postwerk.engine import Item, Record
from postwerk.nodes.tables.excel import ReadExcel
from postwerk.nodes.tables.write import WriteExcel
from tests.surroundings import Surroundings, item

def peak(count):
    ctx = Surroundings(Path(sys.argv[1]))
    rows = (item(str(one), nr=f"{one:07}", name=f"Müller {one}" * 5, n=one) for one in range(count))
    WriteExcel(file=f"{count}.xlsx").run(rows, ctx)
    assert sum(1 for _ in ReadExcel(file=f"{count}.xlsx").run(ctx)) == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

few = peak(2_000)
print(peak(40_000) - few)
"""


def test_the_memory_does_not_grow_with_the_rows_written_and_read(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PEAK, tmp_path], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 10_000  # kilobytes; the sheet has 12 MB, and as objects five times that
