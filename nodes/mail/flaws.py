"""What can be wrong with the settings of a mail, told while the flow is edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ...engine import Flaw, PostwerkError, Resources
from ...engine.mime import check_cid, check_header, cids
from .enclosure import missing_image
from .source import LANGUAGE, TemplateSource, Variant, folded


def text_flaws(sources: Iterable[TemplateSource], resources: Resources) -> Iterator[Flaw]:
    """Of templates: missing or unreadable files, syntax, two where one is due."""
    for one in sources:
        if one.is_given:
            yield from one.flaws(resources)


def language_flaws(language: object, variants: Mapping[str, Variant], *, has_own: bool) -> Iterator[Flaw]:
    """Of the choice among variants; without any there must be a text."""
    if not variants and not has_own:
        yield Flaw(message="The mail has no text. Set text, html, text_file or html_file.", field="text")
    if variants and language is None:
        text = "There are variants, but nothing chooses one. Set 'language', to '{{ language }}' say."
        yield Flaw(message=text, field="language")
    if language is not None and not variants:
        text = "A language is set, but there are no variants. Add some, or leave it out."
        yield Flaw(message=text, field="language")
    for key, variant in variants.items():
        if not LANGUAGE.fullmatch(folded(key)):
            text = f"{key!r} is no code of a language. Write 'en' or 'de_AT', say."
            yield Flaw(message=text, field="variants")
        if not has_own and not variant.has_body:
            text = f"The variant {key!r} has no text, and the step has none either. Set its text, html or their files."
            yield Flaw(message=text, field="variants")


def image_flaws(sources: Iterable[TemplateSource], images: Mapping[str, str], resources: Resources) -> Iterator[Flaw]:
    """Of inline images: their names, their files, and those that the HTML shows but nobody gives."""
    for cid, file in images.items():
        yield from _refusals("images", check_cid, cid)
        yield from _refusals("images", resources.find, file)
    for one in sources:
        if "html" not in one.name:
            continue
        try:
            shown = cids(one.load(resources))
        except PostwerkError:
            continue  # told with the template itself
        for cid in shown:
            if cid not in images and "{" not in cid:
                yield Flaw(message=missing_image(cid, images), field="images")


def attachment_flaws(names: Iterable[object], resources: Resources) -> Iterator[Flaw]:
    """Of files that are the same for each mail."""
    for name in names:
        if isinstance(name, str):
            yield from _refusals("attach", resources.find, name.strip())


def header_flaws(headers: Mapping[str, object]) -> Iterator[Flaw]:
    """Of the names of further headers."""
    for name in headers:
        yield from _refusals("headers", check_header, name)


def _refusals(field: str, check: Callable[[str], object], value: str) -> Iterator[Flaw]:
    try:
        check(value)
    except PostwerkError as error:
        yield Flaw(message=error.message, field=field)
