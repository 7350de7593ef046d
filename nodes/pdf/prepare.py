"""A form made ready to be filled: checked, cleaned, with a look of ours for each text. Done once for each form.

What is taken out, so that everybody sees what was filled in: XFA (a second form, which some viewers would show
instead), scripts that run by themselves (they recalculate or overwrite values when the document opens, and mail
filters hold such files back), and the request that the viewer draws the fields anew.
"""

from __future__ import annotations

from functools import lru_cache

from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream

from ...engine import Refused
from .fill import fill, saved
from .fonts import FALLBACK, fallback_font
from .form import Field, Form, ids, read_fields
from .frame import Frame, read_frame, turn
from .opening import form_fault, opened


@lru_cache(maxsize=16)
def prepared(content: bytes, filled: frozenset[str]) -> Form:
    """The form, with a look of our own for the fields that are going to be filled.

    Raises:
        ConfigError: it is no PDF, has no form, is locked, signed or damaged, or is a dynamic XFA form.
    """
    with opened(content, "The form", form_fault) as pdf:
        _refuse_formless(pdf)
        _clean(pdf)
        _adopt(pdf)
        fonts = _fonts(pdf)
        has_stale_looks = pdf.acroform.needs_appearances
        bare = []
        for name, field in read_fields(pdf).items():
            if name in filled:
                _forget(pdf, field)
            is_drawn_anew = has_stale_looks or name in filled
            is_bare = field.kind.is_text and _give_looks(pdf, field, fonts, is_drawn_anew) and name not in filled
            if is_bare and (field.value or field.is_list):
                bare.append(name)
        _remove(pdf.Root.AcroForm, "/NeedAppearances")
        form = Form.read(saved(pdf, is_final=False))
    return _with_own_values(form, bare) if bare else form


def _with_own_values(form: Form, bare: list[str]) -> Form:
    """The form with a look for the values that it brings itself and leaves to the viewer to draw."""
    try:
        return Form.read(fill(form, {name: form.fields[name].value for name in bare}, is_final=False))
    except Refused as error:
        raise form_fault(f"The form brings a value that can't be shown. {error.message}") from error


def _refuse_formless(pdf: Pdf) -> None:
    form = pdf.Root.get("/AcroForm")
    has_fields = isinstance(form, Dictionary) and bool(pdf.acroform.fields)
    is_rendered_elsewhere = bool(pdf.Root.get("/NeedsRendering")) or not has_fields
    if isinstance(form, Dictionary) and "/XFA" in form and is_rendered_elsewhere:
        raise form_fault(
            "The form is a dynamic XFA form, which only Adobe's reader shows. "
            "Save it as a static form, or make it anew with fields of PDF itself (AcroForm)."
        )
    if not has_fields:
        raise form_fault("The form has no fields. Add text fields to it in a PDF editor, or choose another file.")


def _clean(pdf: Pdf) -> None:
    _remove(pdf.Root.AcroForm, "/XFA", "/CO")
    _remove(pdf.Root, "/NeedsRendering")
    names = pdf.Root.get("/Names")
    if isinstance(names, Dictionary):
        _remove(names, "/JavaScript")
    if _is_script(pdf.Root.get("/OpenAction")):
        _remove(pdf.Root, "/OpenAction")
    for one in pdf.objects:
        if isinstance(one, Dictionary):
            _remove(one, "/AA")
            if _is_script(one.get("/A")):
                _remove(one, "/A")


def _is_script(action: object) -> bool:
    return isinstance(action, Dictionary) and action.get("/S") == Name.JavaScript


def _remove(dictionary: Object, *names: str) -> None:
    for name in names:
        if name in dictionary:
            del dictionary[name]


def _adopt(pdf: Pdf) -> None:
    """Takes fields that stand on a page only, as pages that were copied together leave them, into the form."""
    if not isinstance(pdf.Root.AcroForm.get("/Fields"), Array):
        pdf.Root.AcroForm.Fields = Array()
    known = set(ids(pdf.Root.AcroForm.Fields))
    for field in pdf.acroform.fields:
        top = field.top_level_field.obj
        if isinstance(top, Object) and top.objgen not in known:
            known.add(top.objgen)
            pdf.Root.AcroForm.Fields.append(top)


def _fonts(pdf: Pdf) -> Object:
    """The form's fonts, with the one that is there for what they cannot show."""
    form = pdf.Root.AcroForm
    if not isinstance(form.get("/DR"), Dictionary):
        form.DR = Dictionary()
    if not isinstance(form.DR.get("/Font"), Dictionary):
        form.DR.Font = Dictionary()
    form.DR.Font[FALLBACK] = pdf.make_indirect(fallback_font())
    fonts = pdf.make_indirect(form.DR.Font)
    form.DR.Font = fonts
    return fonts


def _forget(pdf: Pdf, field: Field) -> None:
    """Takes out what would compete with the value that is filled in: rich text, values of single widgets."""
    holders = set(field.holders)
    for id in (*field.holders, *(widget.id for widget in field.widgets)):
        _remove(pdf.get_object(id), "/RV", *(() if id in holders else ("/V",)))


def _give_looks(pdf: Pdf, field: Field, fonts: Object, anew: bool) -> bool:
    """Makes the streams that draw a field's text, where there is none or `anew`. Whether it made one."""
    made = False
    for widget in field.widgets:
        place = pdf.get_object(widget.id)
        frame = read_frame(place)
        if frame.width and frame.height and (anew or not widget.look):
            place.AP = Dictionary(N=_look(pdf, frame, turn(place), fonts))
            made = True
    return made


def _look(pdf: Pdf, frame: Frame, degrees: int, fonts: Object) -> Stream:
    width, height = frame.width, frame.height
    turned = {
        90: [0, 1, -1, 0, height, 0],
        180: [-1, 0, 0, -1, width, height],
        270: [0, -1, 1, 0, 0, width],
    }
    return pdf.make_stream(
        frame.drawing,
        Type=Name.XObject,
        Subtype=Name.Form,
        BBox=Array([0, 0, width, height]),
        Matrix=Array(turned.get(degrees, [1, 0, 0, 1, 0, 0])),
        Resources=Dictionary(Font=fonts),
    )
