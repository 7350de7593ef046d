from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msoffcrypto.format.ooxml
import pytest
import xlsxwriter
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet
from postwerk.engine import Column, ColumnType, ConfigError, Record, Source, Unreadable
from postwerk.nodes.tables.excel import ReadExcel
from postwerk.nodes.tables.package import MAX_TOKEN, Package
from postwerk.nodes.tables.records import Tally
from python_calamine import load_workbook
from xlwt.CompoundDoc import XlsDoc

from tests.nodes.workbooks import complaints, inline, package, read, values, workbook
from tests.surroundings import Surroundings

HEADER = ["Kunden-Nr", "Name", "Betrag"]
ROWS = [HEADER, ["0815", "Müller", 12.5], ["4711", "Groß & Söhne", 7]]
NODE = ReadExcel(file="book.xlsx")


def refusal(node: ReadExcel, folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(node, folder)
    return caught.value


class TestTypes:
    def test_a_row_becomes_a_record_that_knows_its_file_sheet_and_row(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", ROWS)

        first, second = read(ReadExcel(file="book.xlsx", key="Kunden-Nr"), tmp_path)

        assert first == Record(
            key="0815",
            values={"Kunden-Nr": "0815", "Name": "Müller", "Betrag": 12.5},
            source=Source(file="book.xlsx", sheet="Kunden", row=2),
        )
        assert isinstance(second, Record)
        assert second.key == "4711"

    def test_without_a_key_the_number_of_the_row_is_the_key(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", ROWS)

        assert [one.key for one in read(NODE, tmp_path)] == ["2", "3"]

    @pytest.mark.parametrize(
        ("cell", "expected"),
        [
            ("0815", "0815"),
            ("  two  words\nin two lines ", "  two  words\nin two lines "),
            (3, 3),
            (3.0, 3),
            (-3.25, -3.25),
            (2**60, 2.0**60),
            (True, True),
            (False, False),
            (date(2026, 3, 31), date(2026, 3, 31)),
            (datetime(2026, 3, 31), date(2026, 3, 31)),
            (datetime(2026, 3, 31, 8, 30), datetime(2026, 3, 31, 8, 30)),
            (date(1900, 1, 1), date(1900, 1, 1)),
            (time(8, 30, 15), time(8, 30, 15)),
            (timedelta(hours=30, minutes=5), "30:05"),
            (timedelta(minutes=5, seconds=7), "0:05:07"),
            ("", None),
            (" \u00a0", None),
            ("_x0041_ stays? no: Excel shows A", "A stays? no: Excel shows A"),
        ],
    )
    def test_a_value_keeps_its_type(self, tmp_path: Path, cell: Any, expected: Any) -> None:
        workbook(tmp_path / "book.xlsx", [["a", "b"], ["x", cell]])

        ((_, value),) = values(NODE, tmp_path)

        assert value == expected
        assert type(value) is type(expected)

    def test_a_formula_gives_the_value_that_excel_last_computed(self, tmp_path: Path) -> None:
        with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
            page = book.add_worksheet("Kunden")
            page.write_row(0, 0, ["Netto", "Brutto", "Anrede", "Leer"])
            page.write_number(1, 0, 100)
            page.write_formula(1, 1, "=A2*1.19", value=119)
            page.write_formula(1, 2, '="Frau "&"Dr."', value="Frau Dr.")
            page.write_formula(1, 3, '=""', value="")

        assert values(NODE, tmp_path) == [[100, 119, "Frau Dr.", None]]

    def test_rich_text_is_joined_and_its_reading_aid_left_out(self, tmp_path: Path) -> None:
        text = "<si><r><t>Mül</t></r><r><rPr><b/></rPr><t>ler</t></r><rPh sb='0' eb='1'><t>myu</t></rPh></si>"
        sheet = "<sheetData><row r='1'><c r='A1' t='s'><v>0</v></c></row><row r='2'><c r='A2' t='s'><v>0</v></c></row>"
        own = (
            "<row r='3'><c r='A3' t='inlineStr'><is>"
            + text.removeprefix("<si>").removesuffix("</si>")
            + "</is></c></row>"
        )
        package(tmp_path / "book.xlsx", sheet + own + "</sheetData>", strings=text)

        assert values(NODE, tmp_path) == [["Müller"], ["Müller"]]

    def test_a_workbook_of_an_old_mac_counts_its_days_from_1904(self, tmp_path: Path) -> None:
        styles = "<cellXfs count='2'><xf numFmtId='0'/><xf numFmtId='14'/></cellXfs>"
        sheet = "<sheetData><row><c t='str'><v>Tag</v></c></row><row><c s='1'><v>1</v></c></row></sheetData>"
        package(tmp_path / "book.xlsx", sheet, styles=styles, properties="<workbookPr date1904='1'/>")

        assert values(NODE, tmp_path) == [[date(1904, 1, 2)]]

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("[$-407]d. mmmm yyyy;@", date(2026, 3, 31)),
            ('0.00 "Tage"', 46112),
            ("[Red]0", 46112),
            ('#,##0.00\\ "€"', 46112),
            ("[h]:mm", "1106688:00"),
        ],
    )
    def test_the_format_decides_what_is_a_date(self, tmp_path: Path, code: str, expected: Any) -> None:
        def give_format(page: Worksheet) -> None:
            page["A2"].number_format = code

        workbook(tmp_path / "book.xlsx", [["Tag"], [46112]], change=give_format)

        assert values(NODE, tmp_path) == [[expected]]

    def test_other_prefixes_strict_workbooks_and_cells_without_places_are_read(self, tmp_path: Path) -> None:
        sheet = (
            '<x:worksheet xmlns:x="http://purl.oclc.org/ooxml/spreadsheetml/main"><x:sheetData><x:row>'
            '<x:c t="inlineStr"><x:is><x:t>a</x:t></x:is></x:c><x:c/><x:c t="str"><x:v>b</x:v></x:c></x:row>'
            '<x:row><x:c><x:v>1</x:v></x:c><x:c r="B2"/><x:c t="d"><x:v>2026-03-31T00:00:00</x:v></x:c></x:row>'
            "</x:sheetData></x:worksheet>"
        )
        package(tmp_path / "book.xlsx", "", more={"xl/worksheets/sheet1.xml": sheet})

        assert values(NODE, tmp_path) == [[1, date(2026, 3, 31)]]

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_calamine_reads_the_same(self, tmp_path: Path, data: st.DataObject) -> None:
        cell = st.one_of(
            st.none(),
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="_\ufffe\uffff")),
            st.integers(-(10**14), 10**14),
            st.floats(allow_nan=False, allow_infinity=False, width=32),
            st.booleans(),
            st.dates(date(1900, 3, 1), date(2200, 1, 1)),
            st.datetimes(datetime(1901, 1, 1), datetime(2200, 1, 1)).map(lambda one: one.replace(microsecond=0)),
        )
        rows = data.draw(st.lists(st.lists(cell, min_size=3, max_size=3), min_size=1, max_size=6))
        with xlsxwriter.Workbook(tmp_path / "book.xlsx", {"default_date_format": "dd.mm.yyyy hh:mm"}) as book:
            page = book.add_worksheet()
            for number, row in enumerate([["a", "b", "c"], *rows]):
                for column, one in enumerate(row):
                    write = page.write_string if isinstance(one, str) else page.write
                    write(number, column, one)

        seen = load_workbook(str(tmp_path / "book.xlsx")).get_sheet_by_index(0).to_python(skip_empty_area=False)[1:]

        expected = [[None if one == "" or str(one).isspace() else one for one in row] for row in seen]
        assert values(NODE, tmp_path) == [row for row in expected if any(one is not None for one in row)]


class TestRows:
    def test_blank_rows_are_skipped_and_counted_and_the_others_keep_their_numbers(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", [HEADER, ["1"], [], [None, "  "], ["2"], [], []])

        tally: list[Tally] = []

        def follow() -> Iterator[Record | Unreadable]:
            tally.append((yield from NODE.run(Surroundings(tmp_path))))

        assert [one.source.row for one in follow() if one.source] == [2, 5]
        assert tally == [Tally(records=2, unreadable=0, blank=2)]

    @pytest.mark.parametrize("error", ["#DIV/0!", "#N/A", "#REF!", "#WERT!"])
    def test_an_error_of_excel_makes_its_row_unreadable_and_the_others_go_on(self, tmp_path: Path, error: str) -> None:
        def spoil(page: Worksheet) -> None:
            page["C2"].value = error
            page["C2"].data_type = "e"

        workbook(tmp_path / "book.xlsx", ROWS, change=spoil)

        bad, good = read(ReadExcel(file="book.xlsx", key="Kunden-Nr"), tmp_path)

        assert bad == Unreadable(
            key="0815",
            source=Source(file="book.xlsx", sheet="Kunden", row=2),
            message=f"book.xlsx, sheet 'Kunden', row 2: C2 (column 'Betrag') holds the Excel error {error}. "
            "Correct it in the file.",
            column="Betrag",
        )
        assert good.key == "4711"

    def test_a_number_in_a_date_format_that_is_no_date_is_told(self, tmp_path: Path) -> None:
        def give_format(page: Worksheet) -> None:
            page["A2"].number_format = "dd.mm.yyyy"

        workbook(tmp_path / "book.xlsx", [["Tag"], [-5]], change=give_format)

        assert complaints(NODE, tmp_path) == [
            "book.xlsx, sheet 'Kunden', row 2: A2 (column 'Tag') holds -5 in a date format, which is no date. "
            "Correct it in the file."
        ]

    def test_a_row_without_its_key_is_unreadable_and_named_by_its_number(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", [HEADER, [None, "Müller", 1], ["4711", "Groß", 2]])

        bad, good = read(ReadExcel(file="book.xlsx", key="Kunden-Nr"), tmp_path)

        assert isinstance(bad, Unreadable)
        assert (bad.key, bad.column) == ("row 2", "Kunden-Nr")
        assert bad.message == (
            "book.xlsx, sheet 'Kunden', row 2: A2 (column 'Kunden-Nr') is empty, "
            "but every row needs its key there. Fill it in."
        )
        assert good.key == "4711"

    def test_the_second_row_with_the_same_key_is_unreadable_and_names_the_first(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", [HEADER, [4711, "Müller", 1], ["4712", "x", 2], ["4711", "Groß", 2]])

        first, _, again = read(ReadExcel(file="book.xlsx", key="Kunden-Nr"), tmp_path)

        assert isinstance(first, Record)
        assert isinstance(again, Unreadable)
        assert again.key == "row 4"
        assert "A4 (column 'Kunden-Nr') holds the key '4711', which stands in row 2 already" in again.message

    def test_a_key_of_a_whole_page_is_refused(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", [HEADER, ["x" * 201]])

        (text,) = complaints(ReadExcel(file="book.xlsx", key="Kunden-Nr"), tmp_path)

        assert "has 201 characters, and a key has at most 200" in text


class TestHeader:
    def test_the_header_may_stand_lower_and_further_right(self, tmp_path: Path) -> None:
        rows = [["Kundenliste 2026"], [], [None, None, "Nr", None, "Kunden-\nName"], [None, None, 1, None, "Müller"]]
        workbook(tmp_path / "book.xlsx", rows)

        (record,) = read(ReadExcel(file="book.xlsx", header_row=3), tmp_path)

        assert isinstance(record, Record)
        assert record.values == {"Nr": 1, "Kunden- Name": "Müller"}

    def test_a_note_beside_the_table_is_no_part_of_it(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", [["a", "b"], [1, 2, None, "Stand: März"], [None, None, None, "geprüft"]])

        assert values(NODE, tmp_path) == [[1, 2]]

    @pytest.mark.parametrize(
        ("rows", "change", "expected"),
        [
            (
                [["Name", "Ort", "Name", "Ort"], [1, 2, 3, 4]],
                None,
                "the header has a name twice: 'Name' stands in A1 and C1; 'Ort' stands in B1 and D1. "
                "Give each column its own name.",
            ),
            (
                [["Name", None, "Ort", None], ["x", "y", "z", None], ["x", None, None, "w"]],
                None,
                "B1 and D1 are empty, where the names of columns should be, but there are values below "
                "(in B2 and D3). Name these columns, or clear them.",
            ),
            ([["Name", "x" * 201]], None, "B1 holds 201 characters, too long for a column's name"),
            (
                [["Name", "Anschrift", None, "Ort"], ["x", "y", "z", "w"]],
                lambda page: page.merge_cells("B1:C1"),
                "the header cells B1:C1 are merged. Unmerge them and give each column its own name",
            ),
            (
                [["Nr", "Anschrift"], [None, "Straße", "Ort"]],
                lambda page: (page.merge_cells("A1:A2"), page.merge_cells("B1:C1")),
                "the header cells B1:C1 and A1:A2 are merged",
            ),
        ],
    )
    def test_an_unclear_header_is_refused_by_the_names_of_its_cells(
        self, tmp_path: Path, rows: list[list[Any]], change: Callable[[Worksheet], None] | None, expected: str
    ) -> None:
        workbook(tmp_path / "book.xlsx", rows, change=change or (lambda _: None))

        error = refusal(NODE, tmp_path)

        assert error.field == "header_row"
        assert expected in error.message

    def test_a_title_that_is_merged_above_the_header_harms_nothing(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", [["Liste"], ["a", "b"], [1, 2]], change=lambda page: page.merge_cells("A1:B1"))

        assert values(ReadExcel(file="book.xlsx", header_row=2), tmp_path) == [[1, 2]]

    @pytest.mark.parametrize(
        ("header_row", "expected"),
        [
            (9, "there are no values after row 3. Set header_row (now 9) to the row that names the columns."),
            (2, "row 2 is blank, the next row with values is 3. Set header_row (now 2)"),
        ],
    )
    def test_a_header_row_without_a_header_is_refused(self, tmp_path: Path, header_row: int, expected: str) -> None:
        workbook(tmp_path / "book.xlsx", [HEADER, [], ["1"]])

        error = refusal(ReadExcel(file="book.xlsx", header_row=header_row), tmp_path)

        assert expected in error.message
        assert error.field == "header_row"

    def test_a_sheet_without_values_is_told(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", [])

        assert "book.xlsx, sheet 'Kunden': there are no values at all." in refusal(NODE, tmp_path).message


class TestSheets:
    def test_the_first_sheet_that_is_not_hidden_is_read(self, tmp_path: Path) -> None:
        book = Workbook()
        book.worksheets[0].sheet_state = "hidden"
        book.create_sheet("Offen").append(["a"])
        book.worksheets[1].append([1])
        book.save(tmp_path / "book.xlsx")

        (record,) = read(NODE, tmp_path)

        assert record.source
        assert record.source.sheet == "Offen"

    def test_a_missing_sheet_is_told_with_the_nearest(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", ROWS)

        error = refusal(ReadExcel(file="book.xlsx", sheet="kunde"), tmp_path)

        assert error.message == "book.xlsx has no sheet 'kunde'. Did you mean 'Kunden'?"
        assert error.field == "sheet"


class TestDesign:
    def test_columns_are_typed_by_the_first_rows_and_marked(self, tmp_path: Path) -> None:
        rows = [["t", "n", "d", "b", "mixed", "empty"], ["x", 1, date(2026, 1, 1), True, 1, None]]
        workbook(tmp_path / "book.xlsx", [*rows, ["y", 1.5, datetime(2026, 1, 1, 9), False, "x", None]])

        node = ReadExcel(file="book.xlsx", sensitive=("t",))

        assert node.columns(Surroundings(tmp_path), {}) == {
            "records": {
                "t": Column(name="t", type=ColumnType.TEXT, is_sensitive=True),
                "n": Column(name="n", type=ColumnType.NUMBER),
                "d": Column(name="d", type=ColumnType.DATE),
                "b": Column(name="b", type=ColumnType.BOOLEAN),
                "mixed": Column(name="mixed", type=ColumnType.ANY),
                "empty": Column(name="empty", type=ColumnType.ANY),
            }
        }

    def test_columns_are_seen_anew_when_the_file_changes(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "book.xlsx", [["old"], [1]])
        before = NODE.columns(Surroundings(tmp_path), {})
        workbook(path, [["new"], [1]])
        os.utime(path, ns=(1, 1))

        assert (list(before["records"]), list(NODE.columns(Surroundings(tmp_path), {})["records"])) == (
            ["old"],
            ["new"],
        )

    def test_all_unknown_columns_are_told_with_the_nearest(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", ROWS)

        flaws = list(
            ReadExcel(file="book.xlsx", key="KundenNr", sensitive=("Betrag", "Nam")).flaws(Surroundings(tmp_path))
        )

        assert [(one.field, one.message) for one in flaws] == [
            ("key", "book.xlsx has no column 'KundenNr' in its header (row 1). Did you mean 'Kunden-Nr'?"),
            ("sensitive", "book.xlsx has no column 'Nam' in its header (row 1). Did you mean 'Name'?"),
        ]

    def test_a_run_with_an_unknown_key_does_not_start(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xlsx", ROWS)

        error = refusal(ReadExcel(file="book.xlsx", key="Nr"), tmp_path)

        assert error.field == "key"

    def test_a_missing_file_is_a_flaw_of_the_field(self, tmp_path: Path) -> None:
        (flaw,) = NODE.flaws(Surroundings(tmp_path))

        assert (flaw.field, flaw.message) == ("file", "There is no file 'book.xlsx'.")

    def test_a_folder_is_no_workbook(self, tmp_path: Path) -> None:
        (tmp_path / "book.xlsx").mkdir()

        assert refusal(NODE, tmp_path).message == "book.xlsx is a folder. Choose a file in it."

    def test_every_example_can_be_set(self) -> None:
        assert [ReadExcel.model_validate(one).file for one in ReadExcel.examples]


class TestBadFiles:
    def test_a_workbook_with_a_password_is_told_as_such(self, tmp_path: Path) -> None:
        plain = workbook(tmp_path / "plain.xlsx", ROWS)
        with plain.open("rb") as source, (tmp_path / "book.xlsx").open("wb") as target:
            msoffcrypto.format.ooxml.OOXMLFile(source).encrypt("geheim", target)

        error = refusal(NODE, tmp_path)

        assert error.message.startswith("book.xlsx is protected with a password. Open it in Excel, take the password")
        assert error.field == "file"

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"", "is empty (0 bytes)"),
            (b"Name;Ort\r\nM\xfcller;K\xf6ln\r\n", "is a text file, and no workbook. If it holds values"),
            (b"\xef\xbb\xbf<html><table><tr><td>1", "is a web page or XML with the name of a workbook"),
            (b"%PDF-1.7\n", "is a PDF. Choose the workbook."),
            (b"\x09\x00\x04\x00\x07\x00", "is no Excel workbook."),
        ],
    )
    def test_what_is_no_workbook_is_told_as_what_it_is(self, tmp_path: Path, content: bytes, expected: str) -> None:
        (tmp_path / "book.xlsx").write_bytes(content)

        assert expected in refusal(NODE, tmp_path).message

    @pytest.mark.parametrize(
        ("part", "expected"),
        [
            ("xl/workbook.bin", "is a binary workbook (.xlsb)"),
            ("word/document.xml", "is a Word document"),
            ("content.xml", "is an OpenDocument file (.ods)"),
        ],
    )
    def test_another_kind_of_office_file_is_told(self, tmp_path: Path, part: str, expected: str) -> None:
        package(tmp_path / "book.xlsx", inline(["a"]), more={part: "x"})

        assert expected in refusal(NODE, tmp_path).message

    def test_a_zip_of_something_else_is_told(self, tmp_path: Path) -> None:
        with ZipFile(tmp_path / "book.xlsx", "w") as file:
            file.writestr("book.csv", "a;b")

        assert "is a zip file without a workbook in it" in refusal(NODE, tmp_path).message

    @pytest.mark.parametrize(
        ("sheet", "strings", "expected"),
        [
            ("<sheetData><row><c><v>1</v></row>", None, "mismatched tag"),
            ("<sheetData><row><c t='s'><v>7</v></c></row></sheetData>", "<si><t>a</t></si>", "no shared string 7"),
            ("<sheetData><row><c><v>nan</v></c></row></sheetData>", None, "'nan' is no finite number"),
            ("<sheetData><row><c t='q'><v>1</v></c></row></sheetData>", None, "unknown type 'q'"),
            ("<sheetData><row r='2'/><row r='1'/></sheetData>", None, "row 1 stands after row 2"),
            ("<sheetData><row r='1048577'/></sheetData>", None, "row 1048577 stands after row 0"),
            ("<sheetData><row r='1'><c r='XFE1'><v>1</v></c></row></sheetData>", None, "'XFE' is no column"),
            ("<sheetData><row r='1'><c r='A12'><v>1</v></c></row></sheetData>", None, "'A1' is no column"),
            (f"<sheetData><row>{'<c/>' * 16384}<c><v>1</v></c></row></sheetData>", None, "more than 16,384 cells"),
            (inline(["x" * 200_000]), None, "a cell holds more than 100,000 characters"),
        ],
    )
    def test_a_damaged_sheet_is_told(self, tmp_path: Path, sheet: str, strings: str | None, expected: str) -> None:
        package(tmp_path / "book.xlsx", sheet, strings=strings)

        error = refusal(NODE, tmp_path)

        assert error.message.startswith("book.xlsx is damaged: ")
        assert expected in error.message
        assert error.field == "file"

    def test_a_file_that_was_cut_is_told(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "book.xlsx", ROWS)
        path.write_bytes(path.read_bytes()[:-100])

        assert refusal(NODE, tmp_path).message.startswith("book.xlsx is damaged: File is not a zip file.")

    @pytest.mark.parametrize("name", ["book.xlsx", "book.xls"])
    def test_no_forged_bytes_do_more_than_refuse_the_file(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        old_workbook(path) if name == "book.xls" else workbook(path, ROWS)
        content, chance = path.read_bytes(), random.Random(7)
        for _ in range(200):
            forged = bytearray(content)
            for _ in range(chance.randrange(1, 30)):
                forged[chance.randrange(len(forged))] = chance.randrange(256)
            path.write_bytes(forged)
            with suppress(ConfigError):
                read(ReadExcel(file=name), tmp_path)


class TestBombs:
    def test_a_part_that_unpacks_to_too_much_is_refused_before_it_is_read(self, tmp_path: Path) -> None:
        package(tmp_path / "book.xlsx", "", more={"xl/worksheets/sheet1.xml": b" " * 70 * 1024**2})

        error = refusal(NODE, tmp_path)

        assert "its part xl/worksheets/sheet1.xml unpacks to 73,400,320 bytes" in error.message
        assert "at most 250 times" in error.message

    def test_a_part_never_gives_more_than_its_directory_says(self, tmp_path: Path) -> None:
        path = package(tmp_path / "book.xlsx", inline(["a"], ["b" * 5000]))
        content = path.read_bytes()
        with Package(path, "book.xlsx").open("xl/worksheets/sheet1.xml") as part:
            size = len(part.read())
        assert content.count(size.to_bytes(4, "little")) == 2  # beside the part, and in the directory
        path.write_bytes(content.replace(size.to_bytes(4, "little"), (300).to_bytes(4, "little")))

        assert refusal(NODE, tmp_path).message.startswith("book.xlsx is damaged: ")

    @pytest.mark.parametrize("is_zip64", [False, True])
    def test_a_list_of_parts_without_end_is_refused_before_it_is_read(self, tmp_path: Path, is_zip64: bool) -> None:
        huge, small = (2**31 - 1).to_bytes(8, "little"), (100).to_bytes(4, "little")
        end = b"PK\x05\x06" + bytes(8) + (small if is_zip64 else huge[:4]) + bytes(6)
        before = b"PK\x06\x06" + bytes(36) + huge + bytes(8) + b"PK\x06\x07" + bytes(16) if is_zip64 else b""
        (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04" + bytes(100) + before + end)

        assert "its list of parts has 2,147,483,647 bytes" in refusal(NODE, tmp_path).message

    def test_entities_that_multiply_are_refused(self, tmp_path: Path) -> None:
        bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet><sheetData/></worksheet>'
        package(tmp_path / "book.xlsx", "", more={"xl/worksheets/sheet1.xml": bomb})

        assert "declares a document type" in refusal(NODE, tmp_path).message

    def test_a_tag_without_end_is_refused_before_it_fills_the_memory(self, tmp_path: Path) -> None:
        noise = random.Random(1).randbytes(MAX_TOKEN // 2).hex()
        package(tmp_path / "book.xlsx", f"<sheetData a='{noise}{noise}'/>")

        assert "holds an endless tag" in refusal(NODE, tmp_path).message

    def test_a_stray_cell_in_the_last_corner_costs_nothing(self, tmp_path: Path) -> None:
        def stray(page: Worksheet) -> None:
            page["XFD1048576"] = "x"

        workbook(tmp_path / "book.xlsx", ROWS, change=stray)

        assert len(values(NODE, tmp_path)) == 2

    def test_200000_rows_of_15_columns_are_within_the_bounds(self, tmp_path: Path) -> None:
        row = "".join(
            f'<c r="{letter}200000" s="1"><v>{place}1234.5</v></c>' for place, letter in enumerate("ABCDEFGHIJKLMNO")
        )
        path = package(tmp_path / "book.xlsx", f"<sheetData>{('<row>' + row + '</row>') * 200_000}</sheetData>")

        with_bounds = Package(path, "book.xlsx")
        with_bounds.open("xl/worksheets/sheet1.xml").close()
        with_bounds.close()


def old_workbook(path: Path, forge: Callable[[bytes], bytes] = lambda stream: stream) -> Path:
    """An .xls as Excel 97 to 2003 wrote it."""
    book = xlwt.Workbook()
    page = book.add_sheet("Kunden")
    for column, name in enumerate(["Nr", "Name", "Seit", "Um", "Dauer", "Aktiv", "Betrag"]):
        page.write(0, column, name)
    page.write(1, 0, "0815")
    page.write(1, 1, "Müller")
    for column, (value, code) in enumerate([(46112, "DD.MM.YYYY"), (46112.5, "DD.MM.YYYY hh:mm"), (1.25, "[h]:mm")], 2):
        page.write(1, column, value, xlwt.easyxf(num_format_str=code))
    page.write(1, 5, True)
    page.write(1, 6, 12.0)
    page.write(3, 0, "4711")
    page.row(3).set_cell_error(6, 0x2A)
    page.write_merge(7, 7, 0, 2, "Summe")
    target = BytesIO()
    XlsDoc().save(target, forge(book.get_biff_data()))
    path.write_bytes(target.getvalue())
    return path


class TestOldWorkbooks:
    NODE = ReadExcel(file="book.xls")

    def test_types_are_kept(self, tmp_path: Path) -> None:
        old_workbook(tmp_path / "book.xls")

        first = values(self.NODE, tmp_path)[0]

        assert first == ["0815", "Müller", date(2026, 3, 31), datetime(2026, 3, 31, 12), "30:00", True, 12]
        assert [type(one) for one in first][-2:] == [bool, int]

    def test_an_error_of_excel_makes_its_row_unreadable(self, tmp_path: Path) -> None:
        old_workbook(tmp_path / "book.xls")

        assert complaints(self.NODE, tmp_path) == [
            "book.xls, sheet 'Kunden', row 4: G4 (column 'Betrag') holds the Excel error #N/A. Correct it in the file."
        ]

    def test_merged_header_cells_are_refused(self, tmp_path: Path) -> None:
        old_workbook(tmp_path / "book.xls")

        assert (
            "the header cells A8:C8 are merged"
            in refusal(self.NODE.model_copy(update={"header_row": 8}), tmp_path).message
        )

    def test_a_password_is_told(self, tmp_path: Path) -> None:
        def lock(stream: bytes) -> bytes:
            start = 4 + int.from_bytes(stream[2:4], "little")  # behind the first record, BOF
            return stream[:start] + bytes.fromhex("2F00 0600 0100 0100 0100") + stream[start:]

        old_workbook(tmp_path / "book.xls", lock)

        assert "book.xls is protected with a password." in refusal(self.NODE, tmp_path).message

    def test_the_reader_is_chosen_by_the_bytes_and_not_by_the_name(self, tmp_path: Path) -> None:
        workbook(tmp_path / "book.xls", ROWS)

        assert len(values(self.NODE, tmp_path)) == 2
