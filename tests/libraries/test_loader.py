"""A fault in a library file is an error that names the file, the line and the cure."""

from pathlib import Path

import pytest

from perfaudit import data
from perfaudit.core.errors import DataError, UsageError
from perfaudit.libraries import load_libraries

HEAD = "library: shop\ndocs: https://example.org\npackages: [shop]\n"

FAULTS = {
    "unknown key of the file": (
        "funtions: {}\n",
        4,
        'unknown key "funtions": did you mean "functions"?',
    ),
    "unknown key of a behaviour": (
        "functions:\n  shop.buy: {}\n  shop.sell: {effect: [sleep]}\n",
        6,
        'unknown key "effect": did you mean "effects"?',
    ),
    "unknown effect": (
        "functions:\n  shop.buy: {effects: [db.qery]}\n",
        5,
        'unknown effect "db.qery": did you mean "db.query"?',
    ),
    "duplicate key": (
        "functions:\n  shop.buy: {}\n  shop.sell: {}\n  shop.buy: {}\n",
        7,
        'the key "shop.buy" is already on line 5',
    ),
    "a name given twice by braces": (
        'functions:\n  shop.buy: {}\n  "shop.{sell,buy}": {}\n',
        6,
        '"shop.buy" is given twice',
    ),
    "bad type expression": (
        "types:\n  shop.Cart:\n    methods:\n      first: {returns: 'list[str'}\n",
        7,
        '"]" is missing',
    ),
    "type parameter that the type does not have": (
        "types:\n  shop.Cart:\n    attributes: {first: T}\n",
        6,
        '"T" is not a type',
    ),
    "unknown word in a type": (
        "functions:\n  shop.buy: {returns: maybe(arg0)}\n",
        5,
        '"maybe(...)" is not one of',
    ),
    "bad brace": ('functions:\n  "shop.{buy,sell": {}\n', 5, "the braces of"),
    "empty brace": ('functions:\n  "shop.{buy,}": {}\n', 5, '"shop." is not a dotted name'),
    "unquoted brace key": ("functions:\n  {a,b}: {}\n", 5, "quote keys with braces"),
    "twin that is no dotted name": (
        "functions:\n  shop.buy: {twin: [shop.abuy, 'shop buy']}\n",
        5,
        'the twin "shop buy" is not a dotted name',
    ),
    "offloader without a place for the function": (
        "offloader: {pattern: 'await run()', imports: [shop], rank: 1}\n",
        4,
        "the pattern needs `{function}`",
    ),
    "offloader without a rank": (
        "offloader: {pattern: 'await run({function})', imports: [shop]}\n",
        4,
        "an offloader needs `rank`",
    ),
    "threads that are no number": (
        "framework: {threads: many}\n",
        4,
        '"many" is not a whole number',
    ),
    "permissions without the setting": (
        "framework:\n  permissions: {attribute: allow, key: ALLOW, open: [Anybody]}\n",
        5,
        "permissions need `setting`",
    ),
    "unknown place in a fix": (
        "queries: {defer: 'Add .defer({column}).'}\n",
        4,
        'unknown place "{column}": did you mean "columns"?',
    ),
    "brace that does not close in a fix": (
        "queries: {count: 'Ask for {it.'}\n",
        4,
        "expected '}' before end of string",
    ),
    "unknown key of a service": (
        "service: {name: shop, word: [shop]}\n",
        4,
        'unknown key "word": did you mean "words"?',
    ),
    "flag that is not a boolean": (
        "functions:\n  shop.buy: {blocking: yes}\n",
        5,
        'true or false was expected, not "yes"',
    ),
    "text instead of a list": (
        "functions:\n  shop.buy: {effects: sleep}\n",
        5,
        "a list was expected",
    ),
    "unknown place of a callback": (
        "functions:\n  shop.buy:\n    runs: [{argument: 0, where: threads}]\n",
        6,
        'did you mean "thread"?',
    ),
    "unknown event": (
        "types:\n  shop.Cart:\n    on:\n      iterates: {}\n",
        7,
        'unknown event "iterates"',
    ),
    "timeout without a default": (
        "functions:\n  shop.buy: {timeout: {keyword: timeout}}\n",
        5,
        "a timeout needs",
    ),
    "call route without a handler": (
        "framework:\n  routes:\n    shop.App.add: {form: call}\n",
        6,
        "needs `handler`",
    ),
    "unknown capability": (
        "provides:\n  rate-limits: [shop.Limiter]\n",
        5,
        'did you mean "rate-limit"?',
    ),
    "unknown column type": (
        "schema:\n  column_types: {shop.Json: jsonb}\n",
        5,
        'did you mean "json"?',
    ),
    "anchor": ("functions: &f\n  shop.buy: {}\n", 4, "anchors and aliases"),
    "not YAML": ("functions:\n  shop.buy: {effects: [}\n", 5, "not YAML"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_names_file_line_and_cure(fault: str, tmp_path: Path) -> None:
    body, line, message = FAULTS[fault]
    path = tmp_path / "shop.yaml"
    path.write_text(HEAD + body, "utf-8")

    with pytest.raises(DataError) as raised:
        load_libraries([tmp_path])

    assert message in str(raised.value)
    assert (raised.value.path, raised.value.line) == (str(path), line)


def test_file_without_a_required_key(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("library: shop\npackages: [shop]\n", "utf-8")
    with pytest.raises(DataError, match='the key "docs" is missing'):
        load_libraries([tmp_path])


def test_file_that_is_not_named_after_its_library(tmp_path: Path) -> None:
    (tmp_path / "store.yaml").write_text(HEAD, "utf-8")
    with pytest.raises(DataError, match='write "store"'):
        load_libraries([tmp_path])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"library: \xff", "not UTF-8"),
        (b"#" * 1_000_001, "larger than 1 MB"),
        (b"a: " + b"[" * 60 + b"]" * 60, "nested deeper"),
    ],
)
def test_file_that_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_libraries([tmp_path])


def test_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        load_libraries([tmp_path / "nowhere"])


def test_rules_of_an_installed_package_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "files", lambda package: tmp_path)
    assert (data.rules_root() / "libraries").is_dir()
    (tmp_path / "rules_data").mkdir()
    assert data.rules_root() == tmp_path / "rules_data"


def test_two_files_of_one_folder_may_not_define_the_same_name(tmp_path: Path) -> None:
    for name in ("shop", "store"):
        text = HEAD.replace("library: shop", f"library: {name}")
        (tmp_path / f"{name}.yaml").write_text(text + "functions: {shop.buy: {}}\n", "utf-8")
    with pytest.raises(DataError, match='the function "shop.buy" is also in shop.yaml'):
        load_libraries([tmp_path])


def test_words_that_yaml_takes_for_booleans_stay_words(tmp_path: Path) -> None:
    body = "types:\n  shop.Cart:\n    on: {len: {effects: [db.query]}}\n    methods: {yes: {}}\n"
    (tmp_path / "shop.yaml").write_text(HEAD + body, "utf-8")
    libraries = load_libraries([tmp_path])
    counted = libraries.on("shop.Cart", "len")
    assert counted is not None
    assert counted.effects == ("db.query",)
    assert libraries.method("shop.Cart", "yes") is not None
