import pytest

from perfaudit.sources import PythonSource, Suppression, parse_python


def _suppressions(text: str) -> tuple[Suppression, ...]:
    source = parse_python("a.py", text.encode())
    assert isinstance(source, PythonSource)
    return source.suppressions


def test_a_comment_after_code_speaks_of_its_line() -> None:
    text = "a()\nb()  # perfaudit: ignore[query-in-loop, PA501] few rows\n"
    assert _suppressions(text) == (
        Suppression(2, 2, ("query-in-loop", "PA501"), "few rows", False),
    )


def test_a_comment_alone_speaks_of_the_next_code() -> None:
    text = "# perfaudit: ignore[PA501] few rows\n\n# another comment\nfor a in b:\n    c(a)\n"
    assert _suppressions(text) == (Suppression(1, 4, ("PA501",), "few rows", False),)


def test_a_comment_for_the_whole_file() -> None:
    text = "x = 1\n# perfaudit: ignore-file[PA5] generated code\n"
    assert _suppressions(text) == (Suppression(2, 2, ("PA5",), "generated code", True),)


@pytest.mark.parametrize(
    ("comment", "rules", "reason"),
    [
        ("# perfaudit: ignore", (), ""),
        ("# perfaudit: ignore legacy", (), "legacy"),
        ("#perfaudit:ignore[PA501]", ("PA501",), ""),
        ("# perfaudit: ignore [PA501] - see #12", ("PA501",), "see #12"),
        ("# perfaudit: ignore[PA501]: see [1]", ("PA501",), "see [1]"),
        ("# perfaudit: ignore[PA501] why  # noqa: E501", ("PA501",), "why"),
        ("# noqa: E501  # perfaudit: ignore[PA501] why", ("PA501",), "why"),
    ],
)
def test_ways_to_write_it(comment: str, rules: tuple[str, ...], reason: str) -> None:
    assert _suppressions(f"x = 1  {comment}\n") == (Suppression(1, 1, rules, reason, False),)


def test_two_in_one_comment() -> None:
    text = "x = 1  # perfaudit: ignore[a] one # perfaudit: ignore[b] two\n"
    assert [(found.rules, found.reason) for found in _suppressions(text)] == [
        (("a",), "one"),
        (("b",), "two"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "x = '# perfaudit: ignore[PA501]'",
        '"""\n# perfaudit: ignore[PA501]\n"""',
        "x = 1  # perfaudit: ignored",
        "x = 1  # perfaudit: ignore-files[PA501]",
        "x = 1  # perfaudit: ignore[PA501",
        "x = 1  # perfaudit: ignore[] nothing named",
        "x = 1  # myperfaudit: ignore[PA501]",
        'x = 1  # write "# perfaudit: ignore[PA501]" here',
        "x = 1  # perfaudit: skip",
    ],
)
def test_what_is_no_suppression(line: str) -> None:
    assert _suppressions(line + "\n") == ()


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("a(  # perfaudit: ignore\n    b,\n)\n", 1),
        ("a(\n    b,  # perfaudit: ignore\n)\n", 2),
        ("a(\n    b,\n)  # perfaudit: ignore\n", 1),
        ("a(\n    [\n        b,\n    ],\n)  # perfaudit: ignore\n", 1),
        ("a(\n    [\n        b,\n    ],  # perfaudit: ignore\n)\n", 2),
        ("a(\n    b,\n).all()  # perfaudit: ignore\n", 1),
        ("a(\n    b,\n).c(\n    d,\n).all()  # perfaudit: ignore\n", 1),
        ('a("""\n    b\n""")  # perfaudit: ignore\n', 1),
        ('a(f"""\n    {b}\n""")  # perfaudit: ignore\n', 1),
        ("a({\n    b: 1,\n}, c())  # perfaudit: ignore\n", 3),
        ("a(\n    # perfaudit: ignore\n    b(),\n)\n", 3),
        ("if a:\n    pass\n    # perfaudit: ignore\nelse:\n    b()\n", 4),
        ("x = 1\n# perfaudit: ignore\n", 2),
    ],
)
def test_the_line_that_is_meant(text: str, target: int) -> None:
    (found,) = _suppressions(text)
    assert found.target_line == target
