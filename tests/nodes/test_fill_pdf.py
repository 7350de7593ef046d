"""FillPDF: what foreign programs see of the values, and what is refused."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pikepdf
import pypdf
import pytest
from pikepdf import Array, Dictionary, Encryption, Name, Pdf, String
from postwerk.engine import Category, ConfigError, Document, Expression, Flaw, Record, Refused, Scalar
from postwerk.nodes.pdf.fill_pdf import FillPDF
from postwerk.nodes.pdf.form import MAX_FIELDS
from postwerk.nodes.pdf.opening import MAX_BYTES

from tests.foreign import call
from tests.nodes.pdf_forms import (
    COMB,
    EDIT,
    MULTILINE,
    PASSWORD,
    READ_ONLY,
    FormMaker,
    Look,
    pdf_bytes,
    standard_font,
)
from tests.surroundings import Surroundings

BOX = (100.0, 700.0, 300.0, 720.0)
RECORD = Record(key="1", values={})


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def fill(ctx: Surroundings, form: bytes, fields: Mapping[str, Scalar], **settings: Any) -> Document:
    (ctx.folder / "form.pdf").write_bytes(form)
    node = FillPDF(form="form.pdf", fields=dict(fields), **{"name": "out.pdf", **settings})
    return node.run(RECORD, ctx)


def flaws(ctx: Surroundings, form: bytes | None, fields: Mapping[str, Scalar], name: str = "out.pdf") -> list[Flaw]:
    if form is not None:
        (ctx.folder / "form.pdf").write_bytes(form)
    return list(FillPDF(form="form.pdf", fields=dict(fields), name=name).flaws(ctx))


def text_of(document: Document) -> str:
    """What poppler reads on the pages."""
    return call("pdftotext", "-layout", "-", "-", data=document.content).stdout.decode()


def words_of(document: Document) -> dict[str, tuple[float, float, float, float]]:
    """Where poppler sees each word: left, top, right, bottom, from the upper left corner."""
    html = call("pdftotext", "-bbox", "-", "-", data=document.content).stdout.decode()
    found = re.findall(r'<word xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)">(.*?)</word>', html)
    return {word: (float(left), float(top), float(right), float(bottom)) for left, top, right, bottom, word in found}


def values_of(document: Document) -> dict[str, Any]:
    """The fields' values as pypdf reads them."""
    fields = pypdf.PdfReader(io.BytesIO(document.content)).get_fields() or {}
    return {name: field.get("/V") for name, field in fields.items()}


def darkness(document: Document, rect: tuple[float, float, float, float]) -> int:
    """How many dark pixels poppler draws in a part of the page."""
    image = call("pdftoppm", "-gray", "-r", "72", "-", data=document.content).stdout
    header = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", image)
    assert header
    width, height, pixels = int(header[1]), int(header[2]), image[header.end() :]
    left, bottom, right, top = (round(one) for one in rect)
    rows = (pixels[row * width + left : row * width + right] for row in range(height - top, height - bottom))
    return sum(one < 128 for row in rows for one in row)


def one_field(**entries: Any) -> bytes:
    maker = FormMaker()
    maker.text_field("Name", BOX, **entries)
    return maker.content()


# What is shown


def test_the_values_can_be_seen_and_read_back_by_foreign_programs(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    maker.text_field("Amount", (100, 650, 300, 670))

    document = fill(ctx, maker.content(), {"Name": "Jürgen Großmann-Öztürk", "Amount": "1.234,50 €"})

    assert "Jürgen Großmann-Öztürk" in text_of(document)
    assert "1.234,50 €" in text_of(document)
    assert values_of(document) == {"Name": "Jürgen Großmann-Öztürk", "Amount": "1.234,50 €"}
    assert (document.name, document.media_type) == ("out.pdf", "application/pdf")


def test_the_result_is_sound_for_qpdf(ctx: Surroundings, tmp_path: Path) -> None:
    document = fill(ctx, one_field(), {"Name": "Jürgen"})
    (tmp_path / "out.pdf").write_bytes(document.content)

    assert call("qpdf", "--check", tmp_path / "out.pdf").returncode == 0


def test_numbers_and_dates_look_as_the_flows_language_writes_them(tmp_path: Path) -> None:
    maker = FormMaker()
    for at, name in enumerate(("Number", "Date", "Count")):
        maker.text_field(name, (100, 700 - at * 30, 300, 720 - at * 30))
    values: dict[str, Scalar] = {"Number": Decimal("1234.5"), "Date": date(2026, 3, 2), "Count": 4711}

    german = values_of(fill(Surroundings(tmp_path), maker.content(), values))
    american = values_of(fill(Surroundings(tmp_path, locale="en_US"), maker.content(), values))

    assert german == {"Number": "1234,5", "Date": "02.03.2026", "Count": "4711"}
    assert american == {"Number": "1234.5", "Date": "Mar 2, 2026", "Count": "4711"}


def test_an_empty_cell_empties_the_field_and_fields_not_named_stay_as_they_are(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Named", BOX, V=String("Vorgabe A"))
    maker.text_field("Other", (100, 650, 300, 670), V=String("Vorgabe B"))

    document = fill(ctx, maker.content(), {"Named": None})

    assert values_of(document) == {"Named": "", "Other": "Vorgabe B"}
    assert "Vorgabe A" not in text_of(document)
    assert "Vorgabe B" in text_of(document)


def test_an_umlaut_of_two_characters_becomes_one(ctx: Surroundings) -> None:
    document = fill(ctx, one_field(), {"Name": unicodedata.normalize("NFD", "Jürgen Müller")})

    assert values_of(document)["Name"] == "Jürgen Müller"
    assert "Jürgen Müller" in text_of(document)


def test_characters_that_nobody_sees_do_not_stop_a_row(ctx: Surroundings) -> None:
    document = fill(ctx, one_field(), {"Name": "\ufeffMül\u00adler\u200b 1\u202f000\u2011A"})

    assert "Müller 1 000-A" in text_of(document)


def test_all_places_of_a_field_show_its_value(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.twin("Amount", [BOX, (100, 400, 300, 420)])

    assert text_of(fill(ctx, maker.content(), {"Amount": "99,90"})).count("99,90") == 2


def test_two_fields_of_one_name_both_get_the_value(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Amount", BOX)
    maker.text_field("Amount", (100, 400, 300, 420))

    assert text_of(fill(ctx, maker.content(), {"Amount": "99,90"})).count("99,90") == 2


def test_a_field_below_another_is_named_by_both(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.group("address", maker.group("home", maker.text_field("city", BOX)))

    document = fill(ctx, maker.content(), {"address.home.city": "Köln"})

    assert "Köln" in text_of(document)
    assert values_of(document)["address.home.city"] == "Köln"


def test_a_field_that_readers_cant_change_can_be_filled(ctx: Surroundings) -> None:
    assert "Köln" in text_of(fill(ctx, one_field(flags=READ_ONLY), {"Name": "Köln"}))


def test_a_field_that_stands_only_on_its_page_is_taken_into_the_form(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    maker.text_field("Lost", (100, 650, 300, 670))
    maker.fields.pop()
    with pytest.warns(pikepdf.PageCopyWarning):
        form = maker.content()

    document = fill(ctx, form, {"Lost": "gefunden"})

    assert values_of(document)["Lost"] == "gefunden"


# Where and how large it is set


@pytest.mark.parametrize(("alignment", "left", "right"), [(0, 102, None), (1, None, None), (2, None, 298)])
def test_the_alignment_of_the_form_is_kept(
    ctx: Surroundings, alignment: int, left: float | None, right: float | None
) -> None:
    document = fill(ctx, one_field(Q=alignment), {"Name": "Rechnung"})

    at = words_of(document)["Rechnung"]
    assert at[0] == pytest.approx(left if left is not None else at[0], abs=0.1)
    assert at[2] == pytest.approx(right if right is not None else at[2], abs=0.1)
    assert alignment != 1 or (at[0] + at[2]) / 2 == pytest.approx(200, abs=0.1)


@pytest.mark.parametrize(
    "font",
    ["Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Times-Roman", "Times-Bold", "Times-Italic",
     "Times-BoldItalic", "Courier", "Courier-BoldOblique"],
)  # fmt: skip
def test_a_standard_font_is_as_wide_as_poppler_knows_it(ctx: Surroundings, font: str) -> None:
    maker = FormMaker(Look(font="/Tried", size=8))
    maker.fonts["/Tried"] = maker.pdf.make_indirect(standard_font(font))
    text = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzÄÖÜäöüßéìœŠ0123456789€§%@„“–…µ²"
    maker.text_field("Name", (20, 700, 580, 720), Q=2)

    document = fill(ctx, maker.content(), {"Name": text})

    assert words_of(document)[text][2] == pytest.approx(578, abs=0.1)


def test_a_text_without_a_size_fills_its_field(ctx: Surroundings) -> None:
    maker = FormMaker(Look(size=0))
    maker.text_field("Small", (100, 700, 300, 712))
    maker.text_field("Large", (100, 600, 300, 640))

    words = words_of(fill(ctx, maker.content(), {"Small": "klein", "Large": "groß"}))

    heights = {word: at[3] - at[1] for word, at in words.items()}
    assert 7 < heights["klein"] < 12
    assert 25 < heights["groß"] < 40


def test_a_text_that_is_too_wide_is_set_smaller_so_that_all_of_it_is_seen(ctx: Surroundings) -> None:
    document = fill(ctx, one_field(), {"Name": "Donaudampfschifffahrtsgesellschaftskapitänswitwe"})

    left, _, right, _ = words_of(document)["Donaudampfschifffahrtsgesellschaftskapitänswitwe"]
    assert 100 < left < right < 300


def test_a_text_that_would_be_too_small_to_read_is_refused(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"'Name' has no room for the value of 120 characters, even at 5 points") as error:
        fill(ctx, one_field(), {"Name": "m" * 120})

    assert error.value.field == "fields.Name"


def test_several_lines_are_wrapped_inside_their_field(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Note", (100, 600, 300, 700), flags=MULTILINE)
    text = "Sehr geehrte Damen und Herren,\n\nhiermit bestätigen wir den Eingang Ihrer Kündigung zum Monatsende."

    document = fill(ctx, maker.content(), {"Note": text})

    words = words_of(document)
    assert " ".join(words) == " ".join(text.split())
    assert all(
        left >= 100 and right <= 300 and top >= 142 and bottom <= 242 for left, top, right, bottom in words.values()
    )
    assert values_of(document)["Note"] == text


def test_a_long_word_is_broken_at_the_edge(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Note", (100, 600, 200, 700), flags=MULTILINE)

    words = words_of(fill(ctx, maker.content(), {"Note": "x" * 60}))

    assert sum(len(word) for word in words) >= 20
    assert all(right <= 200 for _, _, right, _ in words.values())


def test_many_lines_are_set_smaller_and_too_many_are_refused(ctx: Surroundings) -> None:
    maker = FormMaker(Look(size=0))
    maker.text_field("Note", (100, 600, 300, 700), flags=MULTILINE)
    form = maker.content()

    words = words_of(fill(ctx, form, {"Note": "\n".join(f"Zeile{at}" for at in range(14))}))

    assert len(words) == 14
    assert max(bottom for *_, bottom in words.values()) <= 242
    with pytest.raises(Refused, match=r"'Note' has no room"):
        fill(ctx, form, {"Note": "\n".join(f"Zeile{at}" for at in range(40))})


def test_an_endless_text_is_refused_before_it_is_set(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Note", (0, 0, 595, 840), flags=MULTILINE)

    with pytest.raises(Refused, match=r"no room for the value of 5000000 characters"):
        fill(ctx, maker.content(), {"Note": "x " * 2_500_000})


def test_a_line_break_in_a_field_of_one_line_is_refused(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"'Name' has a single line, but the value has several\. Make it .* join them"):
        fill(ctx, one_field(), {"Name": "Musterstraße 5\nHinterhaus"})


def test_a_line_break_at_the_end_is_none(ctx: Surroundings) -> None:
    assert values_of(fill(ctx, one_field(), {"Name": "Musterstraße 5\r\n"}))["Name"] == "Musterstraße 5"


def test_each_character_has_its_cell(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Code", (100, 700, 300, 720), flags=COMB, MaxLen=5)

    words = words_of(fill(ctx, maker.content(), {"Code": "Wi1"}))

    assert list(words) == ["W", "i", "1"]
    assert [(left + right) / 2 for left, _, right, _ in words.values()] == pytest.approx([120, 160, 200], abs=0.1)


def test_a_value_longer_than_its_field_takes_is_refused_and_never_cut(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"'Name' takes at most 5 characters, but the value has 6\."):
        fill(ctx, one_field(MaxLen=5), {"Name": "Müller"})


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_field_shows_its_value_in_its_place(ctx: Surroundings, degrees: int) -> None:
    maker = FormMaker()
    rect = (300, 300, 320, 450) if degrees != 180 else (300, 300, 450, 320)
    maker.text_field("Side", rect).MK.R = degrees

    document = fill(ctx, maker.content(), {"Side": "gedreht"})

    assert "gedreht" in text_of(document)
    assert darkness(document, rect) > 20


def test_background_and_border_of_a_field_are_drawn(ctx: Surroundings) -> None:
    maker = FormMaker(Look(border=(0, 0, 0), ground=(0.9, 0.9, 1), thickness=2))
    maker.text_field("Name", BOX)

    assert darkness(fill(ctx, maker.content(), {"Name": ""}), BOX) > 400


def test_the_viewer_is_not_asked_to_draw_the_fields_itself(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    maker.text_field("Other", (100, 650, 300, 670), V=String("Vorgabe ä"))
    pdf = maker.finished()
    pdf.Root.AcroForm.NeedAppearances = True

    document = fill(ctx, pdf_bytes(pdf), {"Name": "Jürgen"})

    with pikepdf.open(io.BytesIO(document.content)) as result:
        assert "/NeedAppearances" not in result.Root.AcroForm
    assert "Vorgabe ä" in text_of(document)


# Characters


def test_letters_that_windows_encoding_lacks_are_shown_where_every_viewer_has_them(ctx: Surroundings) -> None:
    maker = FormMaker(Look(font="/HeBo"))
    maker.text_field("Name", BOX)

    assert "Łukasz Yıldız" in text_of(fill(ctx, maker.content(), {"Name": "Łukasz Yıldız"}))


def test_a_character_that_no_font_has_is_refused_by_name(ctx: Surroundings) -> None:
    wanted = (
        r"^PDF field 'Name' can't show 'Ж' \(U\+0416, CYRILLIC CAPITAL LETTER ZHE\): no font of the form has it\. Add"
    )
    with pytest.raises(Refused, match=wanted) as error:
        fill(ctx, one_field(), {"Name": "Ж"})

    assert error.value.field == "fields.Name"


def test_another_font_of_the_form_shows_what_the_fields_own_lacks(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    maker.fonts["/Wide"] = maker.pdf.make_indirect(composite_font(maker.pdf))

    document = fill(ctx, maker.content(), {"Name": "Дом 7"})

    assert "Дом 7" in text_of(document)


def composite_font(pdf: Pdf) -> Dictionary:
    """A font of Cyrillic capitals and small letters, space and digits, whose codes only its ToUnicode tells."""
    cmap = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Own def\n"
        b"1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        b"1 beginbfchar <0003> <0020> endbfchar\n"
        b"2 beginbfrange <0010> <0019> <0030> <0100> <013F> <0410> endbfrange\n"
        b"endcmap CMapName currentdict /CMap defineresource pop end end"
    )
    descriptor = Dictionary(
        Type=Name.FontDescriptor, FontName=Name("/Own"), Flags=4, FontBBox=[0, -200, 1000, 900], ItalicAngle=0,
        Ascent=900, Descent=-200, CapHeight=700, StemV=80,
    )  # fmt: skip
    descendant = Dictionary(
        Type=Name.Font, Subtype=Name.CIDFontType2, BaseFont=Name("/Own"),
        DW=600, W=Array([3, Array([280]), 16, 25, 550]),
        CIDSystemInfo=Dictionary(Registry=String("Adobe"), Ordering=String("Identity"), Supplement=0),
        FontDescriptor=pdf.make_indirect(descriptor),
    )  # fmt: skip
    return Dictionary(
        Type=Name.Font, Subtype=Name.Type0, BaseFont=Name("/Own"), Encoding=Name("/Identity-H"),
        DescendantFonts=Array([pdf.make_indirect(descendant)]), ToUnicode=pdf.make_stream(cmap),
    )  # fmt: skip


def test_an_embedded_part_of_a_font_is_not_trusted_with_characters_it_lacks(ctx: Surroundings) -> None:
    maker = FormMaker(Look(font="/Part"))
    font = standard_font("ABCDEF+Calibri")
    font.FirstChar, font.LastChar, font.Widths = 65, 67, Array([500, 0, 500])
    maker.fonts["/Part"] = maker.pdf.make_indirect(font)
    maker.text_field("Name", BOX)

    document = fill(ctx, maker.content(), {"Name": "ABC"})

    with pikepdf.open(io.BytesIO(document.content)) as pdf:
        assert b"/Part" not in pdf.Root.AcroForm.Fields[0].AP.N.read_bytes()


def test_a_font_with_glyphs_by_name_is_used_by_its_codes(ctx: Surroundings) -> None:
    maker = FormMaker(Look(font="/Named"))
    font = standard_font("Helvetica")
    font.Encoding = Dictionary(
        Type=Name.Encoding, Differences=Array([1, Name.adieresis, Name.eogonek, Name("/uni0159")])
    )
    font.FirstChar, font.Widths = 0, Array([500] * 256)
    maker.fonts["/Named"] = maker.pdf.make_indirect(font)
    maker.text_field("Name", BOX)

    document = fill(ctx, maker.content(), {"Name": "äęř"})

    with pikepdf.open(io.BytesIO(document.content)) as pdf:
        assert b"<010203> Tj" in pdf.Root.AcroForm.Fields[0].AP.N.read_bytes()


# Buttons and choices


def checkbox_form() -> bytes:
    maker = FormMaker()
    maker.checkbox("Paid", (100, 700, 120, 720), "/Ja")
    return maker.content()


@pytest.mark.parametrize("value", [True, "ja", "Yes", "x", "1", 1, "Ja", "WAHR"])
def test_a_checkbox_is_checked_by_what_people_write(ctx: Surroundings, value: Scalar) -> None:
    document = fill(ctx, checkbox_form(), {"Paid": value})

    assert values_of(document) == {"Paid": "/Ja"}
    assert darkness(document, (100, 700, 120, 720)) > 20


@pytest.mark.parametrize("value", [False, None, "", "nein", "No", 0, "falsch"])
def test_a_checkbox_is_not_checked_by_what_people_write(ctx: Surroundings, value: Scalar) -> None:
    document = fill(ctx, checkbox_form(), {"Paid": value})

    assert values_of(document) == {"Paid": "/Off"}
    assert darkness(document, (100, 700, 120, 720)) == 0


def test_a_checkbox_refuses_what_it_cant_tell(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"'Paid' does not take 'vielleicht'\. There are: 'Ja', 'false', 'true'\."):
        fill(ctx, checkbox_form(), {"Paid": "vielleicht"})


def radio_form() -> FormMaker:
    maker = FormMaker()
    maker.radio("Salutation", {"/Frau": (100, 700, 120, 720), "/Herr": (150, 700, 170, 720)})
    return maker


def test_one_button_of_a_group_is_pressed(ctx: Surroundings) -> None:
    document = fill(ctx, radio_form().content(), {"Salutation": "Herr"})

    assert values_of(document) == {"Salutation": "/Herr"}
    assert darkness(document, (150, 700, 170, 720)) > 20
    assert darkness(document, (100, 700, 120, 720)) == 0


def test_a_group_refuses_what_has_no_button(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"'Salutation' does not take 'Her'\. Did you mean 'Herr'\?"):
        fill(ctx, radio_form().content(), {"Salutation": "Her"})


def test_an_empty_cell_presses_no_button(ctx: Surroundings) -> None:
    assert values_of(fill(ctx, radio_form().content(), {"Salutation": None})) == {"Salutation": "/Off"}


def test_buttons_whose_states_only_count_go_by_their_meaning(ctx: Surroundings) -> None:
    maker = FormMaker()
    buttons = {"/0": (100, 700, 120, 720), "/1": (150, 700, 170, 720)}
    maker.radio("Art", buttons, Opt=Array([String("Männlich"), String("Weiblich")]))

    assert values_of(fill(ctx, maker.content(), {"Art": "Weiblich"})) == {"Art": "/1"}


def test_states_that_older_programs_wrote_in_latin_1_can_be_named(ctx: Surroundings) -> None:
    form = radio_form().content().replace(b"/Frau", b"/F#e4")  # as long as before, so the file stays sound

    document = fill(ctx, form, {"Salutation": "Fä"})

    assert document.content.count(b"/V /F#e4") == 1
    assert darkness(document, (100, 700, 120, 720)) > 20


def choice_form(flags: int | None = None) -> bytes:
    maker = FormMaker()
    options = [("p", "Post"), ("m", "E-Mail")]
    if flags is None:
        maker.choice("Delivery", BOX, options)
    else:
        maker.choice("Delivery", (100, 600, 300, 720), options, flags=flags)
    return maker.content()


@pytest.mark.parametrize("value", ["m", "E-Mail"])
def test_a_choice_keeps_one_value_and_shows_another(ctx: Surroundings, value: str) -> None:
    document = fill(ctx, choice_form(), {"Delivery": value})

    assert values_of(document) == {"Delivery": "m"}
    assert "E-Mail" in text_of(document)


def test_a_choice_refuses_what_is_no_option_and_names_the_nearest(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"'Delivery' does not take 'Email'\. Did you mean 'E-Mail'\?"):
        fill(ctx, choice_form(), {"Delivery": "Email"})


def test_an_open_choice_takes_other_texts(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.choice("Delivery", BOX, ["Post"], flags=(1 << 17) | EDIT)

    assert "Brieftaube" in text_of(fill(ctx, maker.content(), {"Delivery": "Brieftaube"}))


def test_a_list_shows_its_options_and_marks_the_chosen_one(ctx: Surroundings) -> None:
    document = fill(ctx, choice_form(flags=0), {"Delivery": "E-Mail"})

    assert {"Post", "E-Mail"} <= set(text_of(document).split())
    with pikepdf.open(io.BytesIO(document.content)) as pdf:
        field = pdf.Root.AcroForm.Fields[0]
        assert str(field.V) == "m"
        assert [int(one) for one in field.I] == [1]
        assert b"0.6 0.757 0.855 rg" in field.AP.N.read_bytes()


def test_a_long_list_is_rolled_to_the_chosen_option(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.choice("Month", (100, 680, 300, 720), [f"Monat{at}" for at in range(1, 13)], flags=0)

    words = text_of(fill(ctx, maker.content(), {"Month": "Monat12"})).split()

    assert "Monat12" in words
    assert "Monat1" not in words


def test_a_number_chooses_an_option(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.choice("TaxClass", BOX, ["1", "2", "3"])

    assert values_of(fill(ctx, maker.content(), {"TaxClass": 3})) == {"TaxClass": "3"}


def test_true_is_no_text(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"'Name' is a text field and got True\. Write a text: \{\{ 'ja' if"):
        fill(ctx, one_field(), {"Name": True})


@pytest.mark.parametrize(("name", "words"), [("Reset", "is a button"), ("Sign", "button or signature")])
def test_buttons_and_signatures_take_no_value(ctx: Surroundings, name: str, words: str) -> None:
    maker = FormMaker()
    maker.button("Reset", BOX)
    maker.signature("Sign", (100, 600, 300, 640))

    with pytest.raises(Refused, match=words):
        fill(ctx, maker.content(), {name: "x"})


def test_a_field_for_a_password_takes_no_value(ctx: Surroundings) -> None:
    with pytest.raises(Refused, match=r"'Name' takes a password or a file, which a form does not keep"):
        fill(ctx, one_field(flags=PASSWORD), {"Name": "geheim"})


# What is taken out, and what stays


def test_scripts_that_run_by_themselves_are_taken_out(ctx: Surroundings) -> None:
    maker = FormMaker()
    script = Dictionary(S=Name.JavaScript, JS=String("this.getField('Name').value = 'anders'"))
    field = maker.text_field("Name", BOX, AA=Dictionary(C=script))
    pdf = maker.finished()
    pdf.Root.OpenAction, pdf.Root.AA = script, Dictionary(WC=script)
    pdf.Root.Names = Dictionary(JavaScript=Dictionary(Names=Array([String("a"), script])))
    pdf.Root.AcroForm.CO = Array([field])

    document = fill(ctx, pdf_bytes(pdf), {"Name": "Jürgen"})

    assert b"JavaScript" not in pdf_bytes(pikepdf.open(io.BytesIO(document.content)), compress_streams=False)


def test_a_view_to_open_with_stays(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    pdf = maker.finished()
    pdf.Root.OpenAction = Array([maker.page.obj, Name.Fit])

    with pikepdf.open(io.BytesIO(fill(ctx, pdf_bytes(pdf), {"Name": "x"}).content)) as result:
        assert "/OpenAction" in result.Root


def test_a_second_form_in_xfa_is_taken_out(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    pdf = maker.finished()
    pdf.Root.AcroForm.XFA = pdf.make_stream(b"<xdp/>")

    with pikepdf.open(io.BytesIO(fill(ctx, pdf_bytes(pdf), {"Name": "x"}).content)) as result:
        assert "/XFA" not in result.Root.AcroForm


@pytest.mark.parametrize("has_fields", [True, False])
def test_a_dynamic_xfa_form_is_refused(ctx: Surroundings, has_fields: bool) -> None:
    maker = FormMaker()
    if has_fields:
        maker.text_field("Name", BOX)
    pdf = maker.finished()
    pdf.Root.AcroForm.XFA, pdf.Root.NeedsRendering = pdf.make_stream(b"<xdp/>"), has_fields

    with pytest.raises(ConfigError, match=r"^The form 'form\.pdf' is a dynamic XFA form, which only Adobe's reader"):
        fill(ctx, pdf_bytes(pdf), {"Name": "x"})


def test_rich_text_does_not_compete_with_the_value(ctx: Surroundings) -> None:
    document = fill(ctx, one_field(RV=String("<body><p>alt</p></body>")), {"Name": "neu"})

    with pikepdf.open(io.BytesIO(document.content)) as pdf:
        assert "/RV" not in pdf.Root.AcroForm.Fields[0]


def test_an_empty_signature_field_stays_for_the_recipient(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    maker.signature("Sign", (100, 600, 300, 640))

    assert "Sign" in values_of(fill(ctx, maker.content(), {"Name": "x"}))


# Flat


def flat_form() -> FormMaker:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    maker.text_field("Empty", (100, 660, 300, 680))
    maker.checkbox("Paid", (320, 700, 340, 720), "/Ja")
    maker.button("Reset", (100, 600, 190, 620))
    maker.signature("Sign", (100, 500, 300, 540))
    page = Dictionary(S=Name.URI, URI=String("https://example.com"))
    link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 50, 50], A=page)
    maker.page.obj.Annots.append(maker.pdf.make_indirect(link))
    return maker


def test_a_flat_document_shows_the_values_and_has_no_form(ctx: Surroundings) -> None:
    document = fill(ctx, flat_form().content(), {"Name": "Jürgen", "Paid": True}, flatten=True)

    assert "Jürgen" in text_of(document)
    assert darkness(document, (320, 700, 340, 720)) > 20
    assert not values_of(document)
    assert b"/AcroForm" not in document.content
    assert b"/Widget" not in document.content


def test_a_flat_document_keeps_links_and_loses_buttons(ctx: Surroundings) -> None:
    document = fill(ctx, flat_form().content(), {"Name": "Jürgen"}, flatten=True)

    assert b"/Link" in document.content
    assert darkness(document, (100, 600, 190, 620)) == 0


def test_a_flat_document_looks_as_the_form_does(ctx: Surroundings) -> None:
    form = flat_form().content()
    fields: dict[str, Scalar] = {"Name": "Jürgen", "Paid": True}

    loose, flat = (words_of(fill(ctx, form, fields, flatten=is_flat)) for is_flat in (False, True))

    assert flat["Jürgen"] == pytest.approx(loose["Jürgen"], abs=0.1)


# What is no form


def test_a_file_that_is_no_pdf_is_refused(ctx: Surroundings) -> None:
    with pytest.raises(ConfigError, match=r"^The form 'form\.pdf' is no PDF: it does not begin with '%PDF-'"):
        fill(ctx, b"PK\x03\x04 a spreadsheet", {"Name": "x"})


def test_a_pdf_without_a_form_is_refused(ctx: Surroundings) -> None:
    pdf = Pdf.new()
    pdf.add_blank_page()

    with pytest.raises(ConfigError, match=r"^The form 'form\.pdf' has no fields\. Add text fields"):
        fill(ctx, pdf_bytes(pdf), {"Name": "x"})


@pytest.mark.parametrize("part", [0.3, 0.6, 0.98])
def test_a_damaged_form_is_refused_and_not_repaired(ctx: Surroundings, part: float) -> None:
    form = one_field()

    with pytest.raises(ConfigError, match=r"^The form 'form\.pdf' is damaged: .*\. Open it in a PDF program") as error:
        fill(ctx, form[: int(len(form) * part)], {"Name": "x"})

    assert error.value.field == "form"
    assert "BytesIO" not in error.value.message


@pytest.mark.parametrize("user", ["", "geheim"])
def test_a_locked_form_is_refused(ctx: Surroundings, user: str) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    locked = pdf_bytes(maker.finished(), encryption=Encryption(owner="chef", user=user, R=6))

    with pytest.raises(ConfigError, match=r"^The form 'form\.pdf' is locked already"):
        fill(ctx, locked, {"Name": "x"})


def test_a_signed_form_is_refused(ctx: Surroundings) -> None:
    with pytest.raises(ConfigError, match=r"^The form 'form\.pdf' is signed, and any change breaks the signature"):
        fill(ctx, signed_form(), {"Name": "x"})


def signed_form() -> bytes:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    signature = Dictionary(
        Type=Name.Sig, Filter=Name("/Adobe.PPKLite"), ByteRange=[0, 10, 20, 30], Contents=String("xx")
    )
    maker.signature("Sign", (100, 600, 300, 640), V=maker.pdf.make_indirect(signature))
    return maker.content()


def test_the_rights_that_a_reader_program_grants_end_with_the_change(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    pdf = maker.finished()
    rights = pdf.make_indirect(Dictionary(Type=Name.Sig, ByteRange=[0, 1, 2, 3], Contents=String("x")))
    pdf.Root.Perms = Dictionary(UR3=rights)

    with pikepdf.open(io.BytesIO(fill(ctx, pdf_bytes(pdf), {"Name": "x"}).content)) as result:
        assert "/Perms" not in result.Root


def test_a_form_that_is_too_large_is_not_even_read(ctx: Surroundings) -> None:
    with (ctx.folder / "form.pdf").open("wb") as file:
        file.truncate(MAX_BYTES + 1)

    [flaw] = flaws(ctx, None, {"Name": "x"})

    assert flaw == Flaw(message="The form 'form.pdf' has more than 100,000,000 bytes.", field="form")


def test_a_form_of_many_fields_is_filled_and_one_of_too_many_refused(ctx: Surroundings) -> None:
    maker = FormMaker()
    for number in range(MAX_FIELDS):
        maker.text_field(f"F{number}", BOX)
    assert values_of(fill(ctx, maker.content(), {"F7": "x"}))["F7"] == "x"

    maker.text_field("One more", BOX)

    with pytest.raises(ConfigError, match=r"has more than 10,000 fields"):
        fill(ctx, maker.content(), {"F7": "x"})


def test_fields_that_hold_each_other_end(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Name", BOX)
    ring = maker.group("ring", maker.text_field("inner", (100, 650, 300, 670)))
    ring.Kids.append(ring)
    ring.Parent = ring

    assert "Jürgen" in text_of(fill(ctx, maker.content(), {"Name": "Jürgen"}))


def test_pages_that_hold_each_other_are_damage(ctx: Surroundings) -> None:
    form = one_field()
    pages = re.search(rb"(\d+) 0 obj\n<< /Count 1 /Kids \[ (\d+) 0 R \]", form)
    assert pages

    broken = form.replace(pages[0], pages[0].replace(pages[2] + b" 0 R", pages[1] + b" 0 R"))

    with pytest.raises(ConfigError, match=r"is damaged: .*Pages"):
        fill(ctx, broken, {"Name": "x"})


# While the flow is edited


def test_an_unknown_field_is_a_flaw_that_names_the_nearest(ctx: Surroundings) -> None:
    assert flaws(ctx, one_field(), {"Nmae": "{{ name }}"}) == [
        Flaw(message="The form has no field 'Nmae'. Did you mean 'Name'?", field="fields")
    ]


def test_a_run_with_an_unknown_field_is_refused_too(ctx: Surroundings) -> None:
    with pytest.raises(ConfigError, match=r"^The form has no field 'Nmae'\. Did you mean 'Name'\?$"):
        fill(ctx, one_field(), {"Nmae": "x"})


def test_values_that_are_known_already_are_tried(ctx: Surroundings) -> None:
    maker = FormMaker()
    maker.text_field("Short", BOX, MaxLen=2)
    maker.text_field("Good", (100, 650, 300, 670))
    maker.choice("Delivery", (100, 600, 300, 620), ["Post", "E-Mail"])
    maker.text_field("Open", (100, 550, 300, 570), MaxLen=2)
    fields = {"Short": "lang", "Good": "Ж", "Delivery": "Pots", "Open": "{{ too_long_perhaps }}"}

    found = [flaw.message for flaw in flaws(ctx, maker.content(), fields)]

    assert [message.split("'")[1] for message in found] == ["Short", "Good", "Delivery"]
    assert found[2].endswith("Did you mean 'Post'?")


def test_a_missing_form_is_a_flaw_of_its_field(ctx: Surroundings) -> None:
    assert flaws(ctx, None, {"Name": "x"}) == [Flaw(message="There is no file 'form.pdf'.", field="form")]


def test_a_form_that_can_be_used_has_no_flaws(ctx: Surroundings) -> None:
    assert flaws(ctx, one_field(), {"Name": "{{ name }}"}, name="{{ key }}.pdf") == []


def test_the_fields_may_hold_expressions_and_plain_values() -> None:
    node = FillPDF(form="f.pdf", fields={"A": "{{ a }}", "B": "b", "C": True, "D": 1.5, "E": None}, name="x.pdf")

    assert isinstance(node.fields["A"], Expression)
    assert [node.fields[name] for name in "BCDE"] == ["b", True, 1.5, None]
    assert node.category is Category.PDF


def test_a_sensitive_document_is_marked() -> None:
    assert FillPDF(form="f.pdf", fields={}, name="x.pdf", sensitive=True).makes_sensitive()


@pytest.mark.parametrize("example", FillPDF.examples)
def test_the_examples_are_good_parameters(example: dict[str, Any]) -> None:
    assert FillPDF(**example)


# The file's name


@pytest.mark.parametrize(("name", "expected"), [("Rechnung Müller", "Rechnung Müller.pdf"), ("A.PDF", "A.PDF")])
def test_the_result_is_named_as_a_pdf(ctx: Surroundings, name: str, expected: str) -> None:
    assert fill(ctx, one_field(), {}, name=name).name == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [("2026/03.pdf", "holds a slash"), ("a\\b.pdf", "holds a slash"), ("a\nb.pdf", "line break"),
     ("a\u202efdp.exe", "can't be seen"), (".pdf", "is empty"), ("", "is empty"), (".htaccess", "begins with a dot"),
     (" a.pdf", "a space"), ("ä" * 120, "has 244 bytes")],
)  # fmt: skip
def test_a_name_that_is_no_plain_file_name_is_refused(ctx: Surroundings, name: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as error:
        fill(ctx, one_field(), {}, name=name)

    assert error.value.field == "name"


def test_a_constant_name_is_tried_while_the_flow_is_edited(ctx: Surroundings) -> None:
    [flaw] = flaws(ctx, one_field(), {}, name="a/b.pdf")

    assert flaw.field == "name"


# The forms of the example flows

EXAMPLES = Path(__file__).parents[2] / "flows"
INVOICE: dict[str, Scalar] = {
    "Name": "Dr. Änne Großmann-Łukaszewicz", "Street": "Königsallee 102 a", "City": "40215 Düsseldorf",
    "CustomerNo": "K-004711", "InvoiceNo": "R-2026-0815", "InvoiceDate": date(2026, 3, 2),
    "DueDate": date(2026, 3, 16), "Amount": "1.234,50 €", "Iban": "DE89 3704 0044 0532 0130 00", "Paid": True,
    "Delivery": "E-Mail", "Salutation": "Divers",
}  # fmt: skip
PAYSLIP: dict[str, Scalar] = {
    "Name": "Jürgen Öztürk", "PersonnelNo": "10234", "Month": "Februar 2026", "Gross": "4.250,00 €", "Tax": "612,33 €",
    "Social": "861,69 €", "Net": "2.775,98 €", "Iban": "DE89 3704 0044 0532 0130 00", "TaxClass": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "fields"), [("invoice-mailing/invoice.pdf", INVOICE), ("payslips/payslip.pdf", PAYSLIP)]
)
def test_an_example_form_takes_all_its_fields(form: str, fields: dict[str, Scalar]) -> None:
    surroundings = Surroundings(EXAMPLES)
    node = FillPDF(form=form, fields=dict(fields), name="out.pdf")

    document = node.run(RECORD, surroundings)

    assert list(node.flaws(surroundings)) == []
    assert set(values_of(document)) == set(fields)
    shown = text_of(document)
    assert all(value in shown for value in fields.values() if isinstance(value, str) and value != "Divers")
