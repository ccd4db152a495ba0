"""Nothing that an audited project holds can act in a report."""

import json
from urllib.parse import unquote_to_bytes

import pytest
from hostile import FORBIDDEN, HOSTILE, hostile_report
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from sample_report import RULES

from perfaudit.core.visible import visible
from perfaudit.reporters import FORMATS, RenderOptions
from perfaudit.reporters.escaping import (
    markdown,
    markdown_block,
    markdown_code,
    sarif_text,
    uri,
    visible_lines,
)
from perfaudit.reporters.sarif import render as render_sarif

EVERYTHING = RenderOptions(verbose=True, show_suppressed=True)
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ANYTHING = st.text(st.characters(codec=None), max_size=60)


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("form", FORMATS)
def test_no_format_lets_a_hidden_character_through(form: str, kind: str) -> None:
    text = FORMATS[form](hostile_report(HOSTILE[kind]), RULES, EVERYTHING)

    assert [hex(ord(each)) for each in FORBIDDEN if each in text] == []
    text.encode("utf-8")


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_terminal_has_only_our_own_colors(kind: str) -> None:
    report = hostile_report(HOSTILE[kind])
    plain = FORMATS["terminal"](report, RULES, EVERYTHING)
    colored = FORMATS["terminal"](report, RULES, RenderOptions(color=True, verbose=True))

    assert "\x1b" not in plain
    assert "\x1b[2J" not in colored
    assert "\x1b]" not in colored
    assert "\x07" not in colored


def test_the_terminal_shows_markup_and_does_not_follow_it() -> None:
    text = FORMATS["terminal"](
        hostile_report(HOSTILE["rich markup"]), RULES, RenderOptions(width=200)
    )

    assert "[bold red]FORGED[/bold red]" in text
    assert ":boom:" in text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "no-such-encoding"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_the_terminal_gets_only_what_its_encoding_can_show(kind: str, encoding: str) -> None:
    text = FORMATS["terminal"](
        hostile_report(HOSTILE[kind]), RULES, RenderOptions(encoding=encoding)
    )

    text.encode("ascii" if encoding == "no-such-encoding" else encoding)


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind != "empty"])
def test_markdown_keeps_its_shape_and_gets_no_html_or_links(kind: str) -> None:
    tokens = _tokens(FORMATS["markdown"](hostile_report(HOSTILE[kind]), RULES, EVERYTHING))
    harmless = _tokens(FORMATS["markdown"](hostile_report("harmless"), RULES, EVERYTHING))

    types = {token.type for token in tokens}
    assert types.isdisjoint({"html_block", "html_inline", "link_open", "image", "code_block"})
    for shape in ("heading_open", "tr_open", "td_open", "fence", "list_item_open"):
        assert _count(tokens, shape) == _count(harmless, shape), shape


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_markdown_of_sarif_gets_no_html_or_links(kind: str) -> None:
    log = json.loads(render_sarif(hostile_report(HOSTILE[kind]), {}))

    helps = [rule["help"]["markdown"] for rule in log["runs"][0]["tool"]["driver"]["rules"]]
    types = {token.type for help in helps for token in _tokens(help)}
    assert types.isdisjoint({"html_block", "html_inline", "link_open", "image"})


@pytest.mark.parametrize("kind", HOSTILE)
def test_json_keeps_every_character(kind: str) -> None:
    report = json.loads(FORMATS["json"](hostile_report(HOSTILE[kind]), RULES, EVERYTHING))

    assert HOSTILE[kind] in [finding["message"] for finding in report["findings"]]


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_markdown_text_renders_as_itself(text: str) -> None:
    shown = " ".join(visible(" ".join(text.split())).split())

    assert " ".join(_text(_tokens(markdown(text))).split()) == shown


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_code_spans_and_blocks_render_as_themselves(text: str) -> None:
    span = [token.content for token in _tokens(f"a {markdown_code(text)} b") if _is_code(token)]
    block = [token.content for token in _tokens(markdown_block(text)) if token.type == "fence"]

    assert [each.strip() for each in span] == [visible(" ".join(text.split())).strip()]
    assert [each.rstrip("\n") for each in block] == [visible_lines(text).rstrip("\n")]


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_a_uri_stands_for_the_bytes_of_the_path(text: str) -> None:
    written = uri(text)

    assert set(written) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%/"
    )
    if not any("\ud800" <= each <= "\udfff" for each in text):
        assert unquote_to_bytes(written).decode("utf-8") == text


def test_a_file_name_that_is_no_utf8_keeps_its_bytes() -> None:
    assert uri("caf\udce9 [1].py") == "caf%E9%20%5B1%5D.py"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\u202e", "\\u202e"),
        ("\U000e0041", "\\U000e0041"),
        ("\udce9", "\\udce9"),
        ("naïve 日本語 🧨", "naïve 日本語 🧨"),
    ],
)
def test_what_acts_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_brackets_of_a_sarif_message_are_no_link() -> None:
    assert sarif_text("rows[0] [x](1) \\") == "rows\\[0\\] \\[x\\](1) \\\\"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("app.api.list_goals()", "app.api.list_goals()"),
        ("__init__", "\\_\\_init\\_\\_"),
        ("- no list", "\\- no list"),
        ("1. no list", "1\\. no list"),
        ("0.1.0", "0.1.0"),
        ("http://evil.example", "http&#58;//evil.example"),
    ],
)
def test_markdown_escapes_only_what_would_act(text: str, written: str) -> None:
    assert markdown(text) == written


def _tokens(text: str) -> list[Token]:
    top = PARSER.parse(text)
    return [inner for token in top for inner in (token, *(token.children or ()))]


def _count(tokens: list[Token], kind: str) -> int:
    return sum(token.type == kind for token in tokens)


def _is_code(token: Token) -> bool:
    return token.type == "code_inline"


def _text(tokens: list[Token]) -> str:
    allowed = {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    assert {token.type for token in tokens} <= allowed
    return "".join(token.content for token in tokens if token.type == "text")
