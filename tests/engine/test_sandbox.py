"""What a template may reach, and how much it may build. Each of these would hang, fill the memory or look inside."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postwerk.engine import ConfigError, Document, PostwerkError, Record, Refused, RunInfo, Templates

TEMPLATES = Templates()
NAMES: dict[str, Any] = {
    "name": "Änne",
    "big": "x" * 1_000_000,
    "numbers": list(range(1000)),
    "due": date(2026, 3, 1),
    "table": {"items": "key", "b": 2},
    "document": Document(name="a.pdf", content=b"x"),
    "record": Record(key="1", values={"name": "Änne"}),
    "run": RunInfo(id="r1", flow="f", started=datetime(2026, 3, 2, tzinfo=UTC)),
}


def complaint(source: str) -> str:
    with pytest.raises(Refused) as caught:
        TEMPLATES.render(source, NAMES)
    return caught.value.message


def rendered(source: str) -> str:
    return TEMPLATES.render(source, NAMES)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ a }}{{ a }}{% endfor %}",
        "{% for a in range(9999) %}{{ numbers|sum }}{% endfor %}",
        "{% for a in range(9999) %}{% for b in numbers|batch(2) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% for a in range(300) %}{{ range(99999)|length }}{% endfor %}",
        "{% set l = [1] %}" + "{% set l = [l, l] %}" * 40,
        "{% set l = (1,) %}" + "{% set l = (l, l) %}" * 40,
        "{% set l = {'a': 1} %}" + "{% set l = {'a': l, 'b': l} %}" * 40,
        "{% set l = [1] %}" + "{% set l = l|batch(1000, l)|list %}" * 10,
        "{% set l = [1] %}" + "{% set l = l + l %}" * 40,
    ],
)
def test_endless_work_ends_with_a_message(source: str) -> None:
    assert "it takes more than 100,000 steps; is there an endless loop?" in complaint(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ big + big + big + big + big + big + big + big + big + big + big }}",
        "{% for a in range(50) %}{{ big }}{% endfor %}",
        "{% set x = 'xxxxxxxxxx' %}" + "{% set x = x + x %}" * 40,
        "{% set x = 'xxxxxxxxxx' %}" + "{% set x = x ~ x %}" * 40,
        "{% set x = 'xxxxxxxxxx' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40,
        "{% for a in range(50) %}{% set x %}{{ big }}{% endset %}{% endfor %}",
        "{% macro m() %}{{ big }}{% endmacro %}" + "{% set x = m() %}" * 50,
        "{% macro m() %}{% for a in range(50) %}{{ big }}{% endfor %}{% endmacro %}{{ m() }}",
        "{{ big|replace('x', big) }}",
        "{{ big|replace(new=big, old='x') }}",
        "{{ big.replace('x', big) }}",
        "{{ numbers|join(big) }}",
        "{{ numbers|join(d=big) }}",
        "{{ numbers|map('replace', '1', big)|join }}",
        "{{ [big, big, big, big, big, big, big, big, big, big, big]|string|length * 2 }}"
        "{{ [big, big, big, big, big, big, big, big, big, big, big]|tojson }}",
        "{% for a in numbers %}{% if big[1:] %}{% endif %}{% endfor %}",
        "{% for a in numbers %}{% if big|wordcount %}{% endif %}{% endfor %}",
        "{% filter upper %}{% for a in range(50) %}{{ big }}{% endfor %}{% endfilter %}",
    ],
)
def test_huge_texts_are_refused_before_they_fill_the_memory(source: str) -> None:
    tracemalloc.start()
    try:
        message = complaint(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert "more than 10,000,000 characters" in message
    assert peak < 120_000_000


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ 'x' * 1000000000 }}", "'*' takes numbers, and found text and a number"),
        ("{{ [1] * 1000000000 }}", "'*' takes numbers, and found a list and a number"),
        ("{{ '%1000000000d' % 1 }}", "'%' takes numbers, and found text and a number"),
        ("{{ '{:1000000000}'.format(1) }}", "'format' can't be called in a template"),
        ("{{ 'x'.ljust(1000000000) }}", "'ljust' takes numbers up to 1,000 here"),
        ("{{ '7'.zfill(1000000000) }}", "'zfill' takes numbers up to 1,000 here"),
        ("{{ 'x'.expandtabs(1000000000) }}", "'expandtabs' of text can't be called in a template"),
        ("{{ 9 ** 99 }}", "an exponent is a number up to 64"),
        ("{{ 9 ** 64 ** 64 }}", "a number gets too large"),
        ("{% set n = 9 %}" + "{% set n = n * n %}" * 40, "a number gets too large"),
        ("{{ [1]|batch(1000000000, 'x')|list }}", "'batch' takes numbers up to 1,000 here"),
        ("{{ [1]|slice(1000000000)|list }}", "'slice' takes numbers up to 1,000 here"),
        ("{{ [1]|tojson(indent=1000000000) }}", "'tojson' takes no settings here"),
        ("{{ 5|round(-1000000000) }}", "'round' takes up to 20 digits"),
        ("{{ [[1]]|sum(start=[]) }}", "'sum' adds numbers"),
        ("{{ range(1000000000) }}", "Range too big"),
        ("{{ due.strftime(big) }}", "'strftime' takes a pattern of at most 1,000 characters"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself without end"),
        ("{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{{ caller() }}{% endcall %}", "No caller defined."),
    ],
)
def test_what_would_be_huge_is_refused_beforehand(source: str, message: str) -> None:
    assert message in complaint(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% include 'other' %}", "a template stands alone: 'include' can't be used."),
        ("{% import 'other' as o %}", "a template stands alone: 'import' can't be used."),
        ("{% from 'other' import o %}", "a template stands alone: 'import' can't be used."),
        ("{% extends 'other' %}", "a template stands alone: 'extends' can't be used."),
        ("{% for a in [1] recursive %}{{ loop([a]) }}{% endfor %}", "recursive loops are not allowed."),
        ("{{ _budget }}", "the name '_budget' is not for templates."),
        ("{% set _budget = 1 %}", "the name '_budget' is not for templates."),
        ("{% macro f() %}{{ varargs }}{% endmacro %}", "the name 'varargs' is not for templates."),
        ("{{ [1]|_weighed }}", "there is no filter '_weighed'."),
        ("{{ 'a'|center(99) }}", "there is no filter 'center'."),
        ("{{ [1]|random }}", "there is no filter 'random'."),
        ("{% do 1 %}", "Encountered unknown tag 'do'."),
    ],
)
def test_what_a_template_may_not_hold_is_an_error_of_its_author(source: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TEMPLATES.render(source, NAMES)

    assert message in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ ['']|map(attribute='__class__')|join }}",
        "{{ ['']|map('attr', '__class__')|join }}",
        "{{ name.upper.__self__ }}",
        "{{ record.__dict__ }}",
        "{{ record._abc }}",
        "{{ record.with_values(name='x') }}",
        "{{ record.model_dump() }}",
        "{{ record.model_fields }}",
        "{{ document['model_dump']() }}",
        "{{ document.with_content('x') }}",
        "{{ document.cells() }}",
        "{{ run.started.astimezone() }}",
        "{{ run.started.tzinfo.utcoffset(none) }}",
        "{{ numbers.append(1) }}",
        "{{ numbers.clear() }}",
        "{{ table.update({'c': 3}) }}",
        "{{ 'a'.encode('utf-8') }}",
        "{{ 'a'.format_map(table) }}",
        "{{ 'a'.join(numbers) }}",
        "{{ 5.0.hex() }}",
        "{{ name() }}",
        "{{ self.__init__ }}",
        "{% macro m() %}{% endmacro %}{{ m._func }}",
        "{{ range.__globals__ }}",
        "{{ lipsum() }}",
        "{{ cycler(1) }}",
        "{{ namespace(a=1) }}",
        "{{ dict(a=1) }}",
    ],
)
def test_what_lies_behind_values_is_out_of_reach(source: str) -> None:
    with pytest.raises(PostwerkError):
        TEMPLATES.render(source, NAMES)


def test_what_is_refused_is_named() -> None:
    assert "'__class__' of text is not for templates." in complaint("{{ ''.__class__ }}")
    assert "'with_values' of a Record is not for templates." in complaint("{{ record.with_values(a=1) }}")
    assert "'append' of a list is not for templates." in complaint("{{ numbers.append(1) }}")


def test_the_parts_of_values_are_within_reach() -> None:
    assert rendered("{{ document.name }} {{ document.digest|length }} {{ run.flow }}") == "a.pdf 64 f"
    assert rendered("{{ record.key }} {{ record.name }} {{ record['name'] }}") == "1 Änne Änne"
    assert rendered("{{ table.items }} {{ table.b }} {{ table['b'] }}") == "key 2 2"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ name.upper() }} {{ name.replace('Ä', 'A') }} {{ 'a;b'.split(';')|join('/') }}", "ÄNNE Anne a/b"),
        ("{{ '7'.zfill(5) }}", "00007"),
        ("{{ due.strftime('%d.%m.%Y') }} {{ due.year }} {{ (due - due).days }}", "01.03.2026 2026 0"),
        ("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}", "a1b2"),
        ("{% for n in [1, 2, 3] %}{{ loop.index }}{% if not loop.last %},{% endif %}{% endfor %}", "1,2,3"),
        ("{% for n in [1, 2, 3] %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba"),
        ("{% for n in [] %}x{% else %}nichts{% endfor %}", "nichts"),
        ("{% for a, b in [(1, 2), (3, 4)] if a > 1 %}{{ a }}{{ b }}{% endfor %}", "34"),
        ("{% macro row(a, b='-') %}<{{ a }}{{ b }}>{% endmacro %}{{ row(1) }}{{ row(2, 3) }}", "<1-><23>"),
        ("{% macro box() %}[{{ caller() }}]{% endmacro %}{% call box() %}x{% endcall %}", "[x]"),
        ("{% set x %}a{{ name }}{% endset %}{{ x|length }}", "5"),
        ("{% set x | upper %}a{{ name }}{% endset %}{{ x }}", "AÄNNE"),
        ("{% filter upper %}a{{ name }}{% endfilter %}", "AÄNNE"),
        ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "3"),
        ("{% block a %}{{ name }}{% endblock %}{{ self.a() }}", "ÄnneÄnne"),
        ("{% raw %}{{ name }}{% endraw %}", "{{ name }}"),
        ("{{ [3, 1, 2]|sort|join }}{{ [1, 2, 3]|batch(2)|map('join', '+')|join('/') }}", "1231+2/3"),
        ("{{ [{'n': 'a', 'v': 1}, {'n': 'a', 'v': 2}]|groupby('n')|map('last')|map('length')|join }}", "2"),
        ("{{ [{'v': 1}, {'v': 2}]|sum(attribute='v') }}{{ [{'v': 'x'}]|join(',', attribute='v') }}", "3x"),
        ("{{ numbers|select('gt', 997)|join(',') }} {{ numbers|first }}{{ numbers|last }}", "998,999 0999"),
        ("{{ '3.7'|float + 1 }} {{ '4'|int }} {{ 'x'|int(-1) }} {{ 2.345|round(1) }}", "4,7 4 -1 2,3"),
        ("{{ 2 ** 10 }} {{ 7 // 2 }} {{ 7 % 2 }}", "1024 3 1"),
        ("{{ 'a' in name }} {{ name is string }} {{ none is none }}", "False True True"),
        ("{{ {'a': [1, 'ä']}|tojson }}", '{"a": [1, "\\u00e4"]}'),
    ],
)
def test_what_templates_are_made_of_works(source: str, expected: str) -> None:
    assert rendered(source) == expected


def test_a_newsletter_of_500_lines_is_well_within_the_bounds() -> None:
    lines = [{"name": f"Artikel {n}", "price": n + 0.5, "text": "lorem ipsum " * 20} for n in range(500)]
    row = "<tr><td>{{ loop.index }}</td><td>{{ line.name }}</td><td>{{ line.price|money }}</td><td>{{ line.text }}</td>"
    source = "{% for line in lines %}" + row + "{% endfor %}"

    assert len(TEMPLATES.render(source, {"lines": lines}, html=True)) > 100_000


def test_html_is_escaped_and_safe_markup_stays() -> None:
    source = "<b>{{ a }}</b> {{ '<' ~ a }} {{ a|safe }} {{ [a, '<br>'|safe]|join(', ') }} {{ a|upper }}"

    assert TEMPLATES.render(source, {"a": "<i>&"}, html=True) == (
        "<b>&lt;i&gt;&amp;</b> &lt;&lt;i&gt;&amp; <i>& &lt;i&gt;&amp;, <br> &lt;I&gt;&amp;"
    )


def test_one_rendering_leaves_nothing_for_the_next() -> None:
    source = "{% for a in range(20000) %}{% endfor %}x"

    assert [TEMPLATES.render(source, {}) for _ in range(20)] == ["x"] * 20


PIECES = st.sampled_from([
    "{{ a }}", "{{ a ~ a }}", "{{ a|upper }}", "{{ a|replace('x', a) }}", "{{ [a, a]|join(a) }}", "{{ a + a }}",
    "{% set a = a ~ a %}", "{% set a %}{{ a }}{{ a }}{% endset %}", "{% for i in range(50) %}{{ a }}", "{% endfor %}",
    "{{ a * 9 }}", "{% set a = [a, a] %}", "{{ a|list|string }}", "{{ a|batch(9, a)|list }}", "{{ a|tojson }}",
    "{% macro m(a) %}{{ a }}", "{% endmacro %}", "{{ m(a) }}", "{% if a == [a] %}{% endif %}", "{{ a.__class__ }}",
    "{% set a = a|map('string') %}",
])  # fmt: skip


@settings(max_examples=200, deadline=2000)
@given(st.lists(PIECES, max_size=25))
def test_whatever_a_template_does_it_ends_soon_with_a_text_or_an_error_of_ours(pieces: list[str]) -> None:
    try:
        text = TEMPLATES.render("".join(pieces), {"a": "xy"})
    except PostwerkError:
        return

    assert len(text) <= 10_000_000
