from __future__ import annotations

import csv
import random
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postwerk.engine import Column, ColumnType, ConfigError, Record, Source, Unreadable
from postwerk.nodes.tables.charset import CHUNK
from postwerk.nodes.tables.delimited import ReadCSV

from tests.nodes.workbooks import complaints, read, values, workbook
from tests.surroundings import Surroundings

NODE = ReadCSV(file="list.csv")


def text(folder: Path, content: str, encoding: str = "utf-8") -> Path:
    (folder / "list.csv").write_bytes(content.encode(encoding))
    return folder


def column(folder: Path, *cells: str, **settings: Any) -> list[Any]:
    """What becomes of a column with these cells, in a file with semicolons."""
    rows = "".join(f'{number};"{cell}"\r\n' for number, cell in enumerate(cells))
    return [row[1] for row in values(ReadCSV(file="list.csv", **settings), text(folder, f"Nr;Wert\r\n{rows}"))]


def refusal(node: ReadCSV, folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(node, folder)
    return caught.value


class TestTypes:
    def test_a_row_becomes_a_record_that_knows_its_file_and_row(self, tmp_path: Path) -> None:
        text(tmp_path, "Kunden-Nr;Name;PLZ;Betrag;Fällig\r\n0815;Müller;01067;1.234,50;31.3.2026\r\n")

        (record,) = read(ReadCSV(file="list.csv", key="Kunden-Nr"), tmp_path)

        assert record == Record(
            key="0815",
            values={
                "Kunden-Nr": "0815", "Name": "Müller", "PLZ": "01067", "Betrag": 1234.5, "Fällig": date(2026, 3, 31),
            },
            source=Source(file="list.csv", row=2),
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("cells", "expected"),
        [
            (["1", "-20", "0"], [1, -20, 0]),
            (["1,5", "1.234,00", "-0,25"], [1.5, 1234, -0.25]),
            (["1.5", "1,234.00", "-0.25"], [1.5, 1234, -0.25]),
            (["1", " 2 ", ""], [1, 2, None]),
            (["2026-03-31", "31.3.2026"], [date(2026, 3, 31), date(2026, 3, 31)]),
            (["31.03.2026 08:30", "1.4.2026"], [datetime(2026, 3, 31, 8, 30), date(2026, 4, 1)]),
            (["2026-03-31T08:30:15"], [datetime(2026, 3, 31, 8, 30, 15)]),
        ],
    )
    def test_a_column_of_numbers_or_dates_becomes_such(
        self, tmp_path: Path, cells: list[str], expected: list[Any]
    ) -> None:
        found = column(tmp_path, *cells)

        assert found == expected
        assert [type(one) for one in found] == [type(one) for one in expected]

    @pytest.mark.parametrize(
        "cells",
        [
            ["4711", "0815"],
            ["+49221123", "1"],
            ["1E5", "2"],
            ["1234567890123456"],
            ["1,5", "k. A."],
            ["1.5", "1,5"],
            ["31.2.2026"],
            ["01.02.26"],
            ["03/31/2026"],
            ["10.2024", "12.2024"],
            ["1.234", "5.678"],
            ["1,234"],
            ["1.23.4"],
            ["12.34,5"],
            ["1_000"],
            ["١٢"],
            ["infinity", "nan"],
            ["12 €"],
            ["  two  spaces "],
            ["TRUE", "wahr"],
        ],
    )
    def test_what_could_lose_something_stays_text_as_it_stands(self, tmp_path: Path, cells: list[str]) -> None:
        assert column(tmp_path, *cells) == cells

    def test_one_value_far_down_keeps_a_whole_column_text(self, tmp_path: Path) -> None:
        cells = [str(number) for number in range(1, 1500)] + ["0815"]

        assert column(tmp_path, *cells) == cells

    def test_a_decimal_sign_that_is_set_decides_between_thousands_and_fractions(self, tmp_path: Path) -> None:
        assert column(tmp_path, "1.234", "5.678", decimal=",") == [1234, 5678]
        assert column(tmp_path, "1.234", "5.678", decimal=".") == [1.234, 5.678]

    def test_a_column_that_is_certain_of_its_comma_decides_for_the_others(self, tmp_path: Path) -> None:
        text(tmp_path, "Betrag;Menge;Version\n12,50;1.234;1.5\n7,00;5.678;2.0\n")

        assert values(NODE, tmp_path) == [[12.5, 1234, "1.5"], [7, 5678, "2.0"]]

    def test_a_point_in_a_file_with_semicolons_decides_no_thousands(self, tmp_path: Path) -> None:
        text(tmp_path, "Breite;Menge\n50.95;1.234\n51.5;5.678\n")

        assert values(NODE, tmp_path) == [[50.95, "1.234"], [51.5, "5.678"]]

    def test_a_point_in_a_file_with_commas_decides_thousands(self, tmp_path: Path) -> None:
        text(tmp_path, 'price,pieces\n50.95,"1,234"\n51.5,"5,678"\n')

        assert values(NODE, tmp_path) == [[50.95, 1234], [51.5, 5678]]

    def test_a_month_is_no_fraction(self, tmp_path: Path) -> None:
        text(tmp_path, "month,price\n10.2024,50.95\n12.2024,51.5\n")

        assert values(NODE, tmp_path) == [["10.2024", 50.95], ["12.2024", 51.5]]

    def test_columns_named_as_text_stay_text(self, tmp_path: Path) -> None:
        assert column(tmp_path, "4711", "4712", text=("Wert",)) == ["4711", "4712"]

    def test_the_check_sees_the_types(self, tmp_path: Path) -> None:
        text(tmp_path, "Nr;Name;Seit;Betrag;Notiz\n1;Müller;1.1.2026;2,5;\n")

        found = ReadCSV(file="list.csv", sensitive=("Betrag",)).columns(Surroundings(tmp_path), {})["records"]

        assert found == {
            "Nr": Column(name="Nr", type=ColumnType.NUMBER),
            "Name": Column(name="Name", type=ColumnType.TEXT),
            "Seit": Column(name="Seit", type=ColumnType.DATE),
            "Betrag": Column(name="Betrag", type=ColumnType.NUMBER, is_sensitive=True),
            "Notiz": Column(name="Notiz", type=ColumnType.TEXT),
        }


class TestSeparators:
    @pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
    def test_the_separator_is_told_from_the_rows(self, tmp_path: Path, delimiter: str) -> None:
        rows = [["Name", "Betrag, EUR", "Ort"], ["Müller, Jürgen", "1,5", "Köln"], ['"Zur Post"; Bar', "2,5", "Bonn"]]
        with (tmp_path / "list.csv").open("w", newline="", encoding="utf-8") as target:
            csv.writer(target, delimiter=delimiter).writerows(rows)

        assert [row[::2] for row in values(NODE, tmp_path)] == [["Müller, Jürgen", "Köln"], ['"Zur Post"; Bar', "Bonn"]]

    def test_a_comma_in_every_row_does_not_pass_for_a_separator(self, tmp_path: Path) -> None:
        text(tmp_path, "Name, Vorname;Betrag\nMüller, Jürgen;1,5\nGroß, Ute;2,5\n")

        assert values(NODE, tmp_path) == [["Müller, Jürgen", 1.5], ["Groß, Ute", 2.5]]

    def test_a_separator_that_is_set_is_taken(self, tmp_path: Path) -> None:
        text(tmp_path, "a:b;c\n1:2;3\n")

        assert values(ReadCSV(file="list.csv", delimiter=":"), tmp_path) == [[1, "2;3"]]

    def test_the_line_that_tells_excel_the_separator_is_heeded_and_not_counted(self, tmp_path: Path) -> None:
        text(tmp_path, "\ufeffsep=|\r\na|b\r\n1|2\r\n")

        (record,) = read(NODE, tmp_path)

        assert isinstance(record, Record)
        assert (dict(record.values), record.key) == ({"a": 1, "b": 2}, "2")

    def test_one_column_needs_no_separator(self, tmp_path: Path) -> None:
        text(tmp_path, "E-Mail\nann@example.com\n")

        assert values(NODE, tmp_path) == [["ann@example.com"]]

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        rows=st.lists(
            st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])), min_size=3, max_size=3),
            min_size=1,
        ),
        end=st.sampled_from(["\r\n", "\n", "\r"]),
    )
    def test_what_a_program_has_written_is_read_as_it_was(
        self, tmp_path: Path, rows: list[list[str]], end: str
    ) -> None:
        with (tmp_path / "list.csv").open("w", newline="", encoding="utf-8") as target:
            csv.writer(target, delimiter=";", lineterminator=end).writerows([["a", "b", "c"], *rows])

        found = values(ReadCSV(file="list.csv", delimiter=";", text=("a", "b", "c")), tmp_path)

        expected = [[None if not one or one.isspace() else one for one in row] for row in rows]
        assert found == [row for row in expected if any(row)]


class TestEncodings:
    GERMAN = "Name;Straße\r\nJürgen Groß;Ödweg 3 – „Hof“ für 5 €\r\nÄnne Übel;Käthe-Kruse-Str.\r\n"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
    def test_the_encoding_is_told_from_the_bytes(self, tmp_path: Path, encoding: str) -> None:
        text(tmp_path, self.GERMAN, encoding)

        assert values(NODE, tmp_path)[0] == ["Jürgen Groß", "Ödweg 3 – „Hof“ für 5 €"]

    @pytest.mark.parametrize("encoding", ["cp850", "mac-roman"])
    def test_text_of_dos_and_old_macs_is_told_by_its_umlauts(self, tmp_path: Path, encoding: str) -> None:
        text(tmp_path, "Name\rJürgen Groß\rÄnne Käßmeier\r", encoding)

        assert values(NODE, tmp_path) == [["Jürgen Groß"], ["Änne Käßmeier"]]

    @pytest.mark.parametrize("name", ["Hernández", "Strauß", "Ångström", "Šimek & Müller", "François", "Viel „Spaß“"])
    def test_one_name_in_windows_text_is_enough(self, tmp_path: Path, name: str) -> None:
        text(tmp_path, f"Nr;Name\n1;{name}\n2;Meier\n", "cp1252")

        assert values(NODE, tmp_path)[0] == [1, name]

    def test_text_of_eastern_europe_is_not_taken_for_western(self, tmp_path: Path) -> None:
        polish = "Imię;Miejscowość;Uwagi\n" + "Świętosława;Łódź;proszę dzwonić później, najlepiej w piątek\n" * 30
        text(tmp_path, polish, "cp1250")

        assert values(NODE, tmp_path)[0][:2] == ["Świętosława", "Łódź"]

    def test_two_encodings_in_one_file_are_refused_with_both_places(self, tmp_path: Path) -> None:
        (tmp_path / "list.csv").write_bytes(
            "Nr;Name\r\n1;Jürgen\r\n".encode() + "2;Ute\r\n3;Käthe\r\n".encode("cp1252")
        )

        error = refusal(NODE, tmp_path)

        assert error.message.startswith(
            "list.csv mixes two encodings: line 2, column 4 holds UTF-8 (the bytes C3 BC), "
            "line 4, column 4 does not (the bytes E4 74)."
        )
        assert error.field == "encoding"

    def test_two_encodings_are_read_when_the_author_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "list.csv").write_bytes("Name\nJürgen\n".encode() + "Käthe\n".encode("cp1252"))

        assert values(ReadCSV(file="list.csv", encoding="cp1252"), tmp_path) == [["JÃ¼rgen"], ["Käthe"]]

    @pytest.mark.parametrize(
        ("encoding", "expected"),
        [
            ("utf-8", "list.csv is not all utf-8: line 3, column 2 holds the bytes FC 6C. Set encoding"),
            ("ascii", "list.csv is not all ascii: line 3, column 2 holds the bytes FC 6C."),
            ("cp1253x", "There is no encoding 'cp1253x'. Did you mean 'cp1252'?"),
            ("base64", "There is no encoding 'base64'."),
        ],
    )
    def test_an_encoding_that_is_set_must_fit(self, tmp_path: Path, encoding: str, expected: str) -> None:
        text(tmp_path, "Name\nMeier\nMüller\n", "cp1252")

        error = refusal(ReadCSV(file="list.csv", encoding=encoding), tmp_path)

        assert expected in error.message
        assert error.field == "encoding"

    def test_a_place_is_exact_in_a_large_file(self, tmp_path: Path) -> None:
        before = b"Name\n" + b"x" * 570 + b"\n" * (CHUNK - 576)  # the next letter lies on both sides of a read
        (tmp_path / "list.csv").write_bytes(before + "ü".encode() + b"ab\xfccd\n")

        message = refusal(ReadCSV(file="list.csv", encoding="utf-8"), tmp_path).message

        assert f"line {2 + CHUNK - 576}, column 4 holds the bytes FC 63" in message

    def test_utf_8_that_is_set_may_have_a_mark(self, tmp_path: Path) -> None:
        text(tmp_path, "\ufeffName\nMüller\n")

        (record,) = read(ReadCSV(file="list.csv", encoding="UTF8"), tmp_path)

        assert isinstance(record, Record)
        assert record.values == {"Name": "Müller"}

    def test_a_letter_is_not_torn_where_two_reads_meet(self, tmp_path: Path) -> None:
        text(tmp_path, "Name\n" + ("ü" * 999 + "\n") * 2000)

        assert len(values(NODE, tmp_path)) == 2000


class TestRows:
    def test_quoted_fields_may_hold_separators_quotes_and_line_ends(self, tmp_path: Path) -> None:
        text(tmp_path, 'Nr;Anschrift\r\n1;"Hof ""Zur Post""; Küche\r\n50667 Köln"\r\n2;Bonn\r\n')

        first, second = read(NODE, tmp_path)

        assert isinstance(first, Record)
        assert first.values["Anschrift"] == 'Hof "Zur Post"; Küche\r\n50667 Köln'
        assert second.source == Source(file="list.csv", row=3)

    def test_an_inch_sign_in_a_bare_field_is_no_quote(self, tmp_path: Path) -> None:
        text(tmp_path, 'Teil;Preis\nRohr 1/2";5\n')

        assert values(NODE, tmp_path) == [['Rohr 1/2"', 5]]

    def test_rows_with_too_few_or_too_many_fields_are_unreadable_and_the_others_go_on(self, tmp_path: Path) -> None:
        text(tmp_path, "Nr;Name;Ort\n1;Meier\n2;Müller;Köln\n3;Groß;Bonn;x\n4;Ute;Kiel;\n")

        found = read(ReadCSV(file="list.csv", key="Nr"), tmp_path)

        assert [(one.key, type(one)) for one in found] == [
            ("row 2", Unreadable), ("2", Record), ("row 4", Unreadable), ("4", Record),
        ]  # fmt: skip
        assert found[0].message == (  # type: ignore[union-attr]
            "list.csv, row 2: it has 2 fields, and the header has 3. Is a separator missing, or one too many? "
            "A field with a separator in it must be quoted."
        )

    def test_a_bad_row_has_no_say_in_the_types(self, tmp_path: Path) -> None:
        text(tmp_path, "Nr;Betrag\n1;1,5\nSumme\n2;2,5\n")

        assert values(NODE, tmp_path) == [[1, 1.5], [2, 2.5]]

    def test_separators_at_the_end_of_every_row_are_no_column(self, tmp_path: Path) -> None:
        text(tmp_path, "Nr;Name;\n1;Meier;\n2;Müller;\n")

        assert values(NODE, tmp_path) == [[1, "Meier"], [2, "Müller"]]

    def test_a_quote_that_is_never_closed_is_told_with_its_lines(self, tmp_path: Path) -> None:
        text(tmp_path, 'Nr;Name\n1;Meier\n2;"Müller\n3;Groß\n')

        assert complaints(NODE, tmp_path) == [
            "list.csv, row 3: the quotes in lines 3 to 4 do not pair (unexpected end of data). A field with a quote "
            'in it is quoted itself, and the quote doubled: "5"" pipe".'
        ]

    def test_a_quote_that_swallows_half_the_file_is_cut_off_and_the_rest_read(self, tmp_path: Path) -> None:
        swallowed = "2;x\n" * 40_000
        text(tmp_path, f'Nr;Name\n1;"Meier\n{swallowed}3;Groß\n')

        found = read(NODE, tmp_path)

        assert isinstance(found[0], Unreadable)
        assert "the quotes in lines 2 to 3" in found[0].message
        assert "field larger than field limit (131072)" in found[0].message
        assert len(found) > 1

    def test_a_quote_within_quotes_must_be_doubled(self, tmp_path: Path) -> None:
        text(tmp_path, 'Nr;Name\n1;"Hotel "Adler" GmbH"\n2;Post\n')

        bad, good = read(NODE, tmp_path)

        assert isinstance(bad, Unreadable)
        assert "the quotes in line 2 do not pair" in bad.message
        assert good.key == "3"

    def test_blank_rows_are_skipped(self, tmp_path: Path) -> None:
        text(tmp_path, "Nr;Name\n\n1;Meier\n;\n  ;\n2;Groß\n\n")

        assert [one.key for one in read(NODE, tmp_path)] == ["3", "6"]

    def test_keys_must_be_there_and_differ(self, tmp_path: Path) -> None:
        text(tmp_path, "Nr;Name\n1;Meier\n1;Groß\n;Ute\n")

        assert complaints(ReadCSV(file="list.csv", key="Nr"), tmp_path) == [
            "list.csv, row 3: A3 (column 'Nr') holds the key '1', which stands in row 2 already. "
            "Give each row a key of its own.",
            "list.csv, row 4: A4 (column 'Nr') is empty, but every row needs its key there. Fill it in.",
        ]


class TestBadFiles:
    def test_a_workbook_with_the_name_of_a_csv_is_told(self, tmp_path: Path) -> None:
        workbook(tmp_path / "list.csv", [["a"]])

        assert refusal(NODE, tmp_path).message == (
            "list.csv is an Excel workbook, whatever its name says. Read it with ReadExcel."
        )

    def test_an_empty_file_is_told(self, tmp_path: Path) -> None:
        assert "list.csv is empty (0 bytes)" in refusal(NODE, text(tmp_path, "")).message

    def test_a_nul_byte_is_told_with_its_place(self, tmp_path: Path) -> None:
        assert "line 2, column 3 holds a NUL byte" in refusal(NODE, text(tmp_path, "Nr;Name\n1;\0x\n")).message

    def test_a_line_without_end_is_refused(self, tmp_path: Path) -> None:
        assert (
            "line 2 is longer than 1,048,576 bytes" in refusal(NODE, text(tmp_path, "Nr\n" + "x" * 3_000_000)).message
        )

    @pytest.mark.parametrize(
        ("content", "header_row", "expected"),
        [
            ("Name;Ort;Name\n1;2;3\n", 1, "the header has a name twice: 'Name' stands in A1 and C1."),
            ("Name;;Ort\n1;2;3\n", 1, "B1 is empty, where the names of columns should be"),
            ("Name;Ort\n1;2\n", 7, "there are no values after row 2. Set header_row (now 7)"),
            ("Liste\n\nName;Ort\n1;2\n", 2, "row 2 is blank. Set header_row (now 2)"),
            ('Name;"Ort\n1;2\n', 1, "row 1: the quotes in lines 1 to 2 do not pair"),
        ],
    )
    def test_an_unclear_header_is_refused(self, tmp_path: Path, content: str, header_row: int, expected: str) -> None:
        text(tmp_path, content)

        error = refusal(ReadCSV(file="list.csv", header_row=header_row), tmp_path)

        assert expected in error.message
        assert error.field == "header_row"

    def test_unknown_columns_are_told_with_the_nearest(self, tmp_path: Path) -> None:
        text(tmp_path, "Kunden-Nr;PLZ\n1;2\n")

        flaws = ReadCSV(file="list.csv", key="KundenNr", sensitive=("x",), text=("PLz",)).flaws(Surroundings(tmp_path))

        assert [one.field for one in flaws] == ["key", "sensitive", "text"]

    def test_every_example_can_be_set(self) -> None:
        assert [ReadCSV.model_validate(one).file for one in ReadCSV.examples]

    def test_no_bytes_do_more_than_refuse_the_file(self, tmp_path: Path) -> None:
        chance = random.Random(7)
        for _ in range(300):
            noise = bytes(chance.choices(b'ab;,"\r\n\t\0\xff\xfe\xc3\xbc\xfc', k=chance.randrange(1, 200)))
            (tmp_path / "list.csv").write_bytes(noise)
            with suppress(ConfigError):
                read(NODE, tmp_path)
