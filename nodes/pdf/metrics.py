"""How wide the standard fonts' characters are, which every viewer has and no form embeds.

Source: Adobe Core 14 font metrics; ISO 32000-1, 9.6.2.2 and annex D.2 (the standard Latin character set).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

HELVETICA = {
    167: "⁄", 191: "'", 222: "ijlł‘’‚", 260: "|¦", 278: " !,./:;I[\\]ft·ìíîïı", 333: "()-`r¡¨¯²³´¸¹ˆˇ˘˙˚˛˜˝“”„‹›",
    334: "{}", 350: "•", 355: '"', 365: "º", 370: "ª", 389: "*", 400: "°", 469: "^", 500: "Jcksvxyzﬁﬂ", 537: "¶",
    556: "#$0123456789?L_abdeghnopqu¢£¤¥§µ«»ðþŁƒ–†‡€", 584: "+<=>~¬±×÷−", 611: "FTZ¿ßø", 667: "&ABEKPSVXYÞ",
    722: "CDHNRUwÐ", 737: "©®", 778: "GOQØ", 833: "Mm", 834: "¼½¾", 889: "%æ", 944: "Wœ", 1000: "ÆŒ—…‰™", 1015: "@",
}  # fmt: skip
HELVETICA_BOLD = {
    167: "⁄", 238: "'", 278: " ,./I\\ijl·ıł‘’‚", 280: "|¦", 333: "!()-:;[]`ft¡¨¯²³´¸¹ˆˇ˘˙˚˛˜˝‹›", 350: "•", 365: "º",
    370: "ª", 389: "*r{}", 400: "°", 474: '"', 500: "z“”„", 556: "#$0123456789J_aceksvxy¢£¤¥§«¶»ƒ–†‡€",
    584: "+<=>^~¬±×÷−", 611: "?FLTZbdghnopquµ¿ßðøþŁﬁﬂ", 667: "EPSVXYÞ", 722: "&ABCDHKNRUÐ", 737: "©®", 778: "GOQwØ",
    833: "M", 834: "¼½¾", 889: "%mæ", 944: "Wœ", 975: "@", 1000: "ÆŒ—…‰™",
}  # fmt: skip
TIMES = {
    167: "⁄", 180: "'", 200: "|¦", 250: " ,.·", 276: "ª", 278: "/:;\\ijltıł", 300: "²³¹", 310: "º",
    333: "!()-I[]`fr¡¨¯´¸ˆˇ˘˙˚˛˜˝‘’‚‹›", 350: "•", 389: "Js", 400: "°", 408: '"', 444: "?acez¿“”„", 453: "¶", 469: "^",
    480: "{}", 500: "#$*0123456789_bdghknopquvxy¢£¤¥§µ«»ßðøþƒ–†‡€", 541: "~", 556: "FPSÞﬁﬂ", 564: "+<=>¬±×÷−",
    611: "ELTZŁ", 667: "BCRæ", 722: "ADGHKNOQUVXYwÐØœ", 750: "¼½¾", 760: "©®", 778: "&m", 833: "%", 889: "MÆŒ",
    921: "@", 944: "W", 980: "™", 1000: "—…‰",
}  # fmt: skip
TIMES_BOLD = {
    167: "⁄", 220: "|¦", 250: " ,.·", 278: "'/\\ilıł", 300: "ª²³¹", 330: "º", 333: "!()-:;[]`fjt¡¨¯´¸ˆˇ˘˙˚˛˜˝‘’‚‹›",
    350: "•", 389: "Is", 394: "{}", 400: "°", 444: "cerz", 500: "#$*0123456789?J_agovxy¢£¤¥§«»¿ðøƒ–“”„†‡€", 520: "~",
    540: "¶", 555: '"', 556: "Sbdhknpquµßþﬁﬂ", 570: "+<=>¬±×÷−", 581: "^", 611: "FPÞ", 667: "BELTZŁ",
    722: "ACDNRUVXYwÐæœ", 747: "©®", 750: "¼½¾", 778: "GHKOQØ", 833: "&m", 930: "@", 944: "M", 1000: "%WÆŒ—…‰™",
}  # fmt: skip
TIMES_ITALIC = {
    167: "⁄", 214: "'", 250: " ,.·", 275: "|¦", 276: "ª", 278: "/\\fijltıł", 300: "²³¹", 310: "º",
    333: "!()-:;I`¨¯´¸ˆˇ˘˙˚˛˜˝‘’‚‹›", 350: "•", 389: "[]rsz¡", 400: "{}°", 420: '"', 422: "^", 444: "Jcekvxy",
    500: "#$*0123456789?S_abdghnopqu¢£¤¥§µ«»¿ßðøþƒ–†‡€ﬁﬂ", 523: "¶", 541: "~", 556: "LTYZŁ“”„", 611: "ABEFPRVXÞ",
    667: "CKNwæœ", 675: "+<=>¬±×÷−", 722: "DGHOQUmÐØ", 750: "¼½¾", 760: "©®", 778: "&", 833: "%MW", 889: "Æ—…",
    920: "@", 944: "Œ", 980: "™", 1000: "‰",
}  # fmt: skip
TIMES_BOLD_ITALIC = {
    167: "⁄", 220: "|¦", 250: " ,.·", 266: "ª", 278: "'/\\ijltıł", 300: "²³¹º", 333: "()-:;[]`f¨¯´¸ˆˇ˘˙˚˛˜˝‘’‚‹›",
    348: "{}", 350: "•", 389: "!Irsz¡", 400: "°", 444: "cevy", 500: "#$*0123456789?J_abdgkopqx¢£¤¥§«¶»¿ßðøþƒ–“”„†‡€",
    555: '"', 556: "Shnuﬁﬂ", 570: "+<=>^~±×÷", 576: "µ", 606: "¬−", 611: "LPTYZÞŁ", 667: "ABCEFKRVXw",
    722: "DGNOQUÐØæœ", 747: "©®", 750: "¼½¾", 778: "&Hm", 832: "@", 833: "%", 889: "MW", 944: "ÆŒ", 1000: "—…‰™",
}  # fmt: skip
COURIER = {600: "".join(HELVETICA.values())}

LETTERS = "ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖŠÙÚÛÜÝŸŽàáâãäåçèéêëñòóôõöšùúûüýÿžìíîï\u00a0"
"""Characters as wide as what they are composed of (in Helvetica, the small i with an accent is not)."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """A font's measures, in thousandths of its size."""

    widths: Mapping[str, int]
    ascent: int
    descent: int
    """Below the baseline, so negative."""
    capitals: int
    """Height of the capital letters."""


@lru_cache
def standard_metrics(base_font: str) -> Metrics:
    """The measures of a standard font, or of the one that viewers put in the place of a font not embedded."""
    name = base_font.casefold().replace(" ", "")
    is_bold, is_slanted = "bold" in name, "italic" in name or "oblique" in name
    if "courier" in name:
        return Metrics(_by_character(COURIER), 629, -157, 562)
    if "times" in name:
        upright = TIMES_BOLD if is_bold else TIMES
        slanted = TIMES_BOLD_ITALIC if is_bold else TIMES_ITALIC
        return Metrics(_by_character(slanted if is_slanted else upright), 683, -217, 662)
    return Metrics(_by_character(HELVETICA_BOLD if is_bold else HELVETICA), 718, -207, 718)


def _by_character(groups: Mapping[int, str]) -> Mapping[str, int]:
    widths = {character: width for width, characters in groups.items() for character in characters}
    for letter in LETTERS:
        widths.setdefault(letter, widths[unicodedata.normalize("NFKD", letter)[0]])
    return widths
