"""Whatever a file holds, reading it gives a value."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfaudit.core.levels import Role
from perfaudit.core.problem import Problem
from perfaudit.sources import (
    Document,
    PythonSource,
    SourceFile,
    discover,
    mask_secrets,
    parse_python,
    read_document,
)

PYTHON_PARTS = st.sampled_from(
    [
        "f'",
        't"',
        '"""',
        "'",
        '"',
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        "=",
        "!r",
        "\\",
        "\n",
        "#",
        " ",
    ]
    + [
        "except A, B:",
        "try:\n f()\n",
        "type X",
        "def f",
        "class C",
        "lazy import a",
        "a",
        "é",
        "\0",
    ]
    + ["# perfaudit: ignore[a]", "# coding: latin-1\n", "\r\n", "\ufeff", "\f"]
)
DEPLOYMENT_PARTS = st.sampled_from(
    ["services:", "web:", "- ", "&a ", "*a", "<<: ", "{", "}", "[", "]", ": ", "\n", "  ", "'", '"']
    + ["command", "environment", "kind: Deployment", "spec", "{{", "}}", "FROM ", "AS b", "CMD "]
    + ["ENTRYPOINT ", "ENV ", "A=1", "\\", "sh -c ", "exec ", "&&", "poetry run ", "#", "---", "é"]
)
KINDS = ["compose", "kubernetes", "helm", "dockerfile", "procfile", "template"]
RELAXED = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@RELAXED
@given(st.lists(PYTHON_PARTS, max_size=30).map("".join))
def test_python_text(text: str) -> None:
    assert isinstance(parse_python("a.py", text.encode()), (PythonSource, Problem))


@RELAXED
@given(st.binary(max_size=60))
def test_python_bytes(data: bytes) -> None:
    assert isinstance(parse_python("a.py", data), (PythonSource, Problem))


@RELAXED
@given(text=st.lists(DEPLOYMENT_PARTS, max_size=30).map("".join), kind=st.sampled_from(KINDS))
def test_documents(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "a").write_bytes(text.encode())
    file = SourceFile("a", kind, Role.PRODUCTION, 0)
    assert isinstance(read_document(tmp_path, file), (Document, Problem))


@RELAXED
@given(st.text(alphabet="*!/[]ab.\\ #?-\n", max_size=30))
def test_ignore_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").mkdir(exist_ok=True)
    (tmp_path / "a" / "b.py").touch()
    (tmp_path / ".gitignore").write_text(text)
    assert discover(tmp_path, []).problems == ()


@RELAXED
@given(st.text(max_size=60))
def test_masking(text: str) -> None:
    assert isinstance(mask_secrets(text), str)
