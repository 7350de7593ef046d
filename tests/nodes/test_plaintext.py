"""HTML as plain text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.nodes.mail.plaintext import html_of, text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Hallo  \n Welt", "Hallo Welt\n"),
        ("<p>Sehr geehrte Frau M&uuml;ller,<br>anbei <b>Ihre</b>\nRechnung &amp; mehr.</p><p>Gru&szlig;</p>",
         "Sehr geehrte Frau Müller,\nanbei Ihre Rechnung & mehr.\n\nGruß\n"),
        ("<html><head><title>T</title><style>p{}</style></head><body><script>x()</script>Hi</body>", "Hi\n"),
        ("<head><meta charset=utf-8><body>Hi", "Hi\n"),
        ('<a href="https://example.com/a?b=1&amp;c">hier</a>', "hier <https://example.com/a?b=1&c>\n"),
        ('<a href="https://example.com">https://example.com/</a>', "https://example.com/\n"),
        ('<a href="mailto:a@b.de">a@b.de</a>, <a href="mailto:c@d.de">Chef</a>', "a@b.de, Chef <c@d.de>\n"),
        ('<a href="#top">oben</a>', "oben\n"),
        ('<a href="https://example.com"><img src="x"></a>', "https://example.com\n"),
        ("<ul><li>eins<li>zwei<ol><li>a</li><li>b</li></ol></li></ul>Ende", "- eins\n- zwei\n  1. a\n  2. b\n\nEnde\n"),
        ("<table><tr><th>Nr</th><th>Betrag</th></tr><tr><td>1</td><td>2&nbsp;€</td></tr></table>",
         "Nr  Betrag\n1  2 €\n"),
        ("a<br><br><br><br>b<p><p></p><div>c</div>", "a\n\nb\n\nc\n"),
        ("<pre>a\n  b\n</pre>c", "a\n  b\n\nc\n"),
        ('<img src="cid:logo" alt="Logo"><h1>Neu</h1>Text', "Logo\n\nNeu\n\nText\n"),
        ("a<hr>b", f"a\n{'-' * 40}\nb\n"),
        ("<div><div><p>x</p></div></div>", "x\n"),
        ("", ""),
        ("<!-- nothing -->", ""),
    ],
)  # fmt: skip
def test_html_reads_as_plain_text(html: str, text: str) -> None:
    assert text_of(html) == text


TAGS = st.sampled_from(
    [
        *("<p>", "</p>", "<br>", "<ul>", "</ul>", "<ol>", "<li>", "</li>", "<pre>", "</pre>", "<td>", "<b>"),
        *("<a href='http://x'>", "</a>", "<head>", "</head>"),
    ]
)


@given(st.lists(TAGS | st.text(max_size=5), max_size=30).map("".join))
def test_any_html_can_be_read(html: str) -> None:
    text = text_of(html)

    assert "\n\n\n" not in text
    assert not text.startswith("\n")


@given(st.lists(st.text("aä<>&\"' ", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=5))
def test_a_text_as_html_reads_the_same(lines: list[str]) -> None:
    text = "\n".join(" ".join(one.split()) for one in lines) + "\n"

    assert text_of(html_of(text)) == text
