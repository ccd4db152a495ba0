"""Write type parameters as older code does: ``class Box[T]`` has a ``TypeVar`` and ``Generic``."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

DECLARES = re.compile(r"(?:def|class)[ \t]+(?P<name>\w+)[ \t]*(?P<open>\[)")
"""It need not begin a word, which would be asked at each place of the text: only what is declared
there is looked for."""
OPENERS, CLOSERS = "([{", ")]}"
MAX_LENGTH = 2000
"""How much of a text is read as one list of parameters."""
MAKER = "TypeVar of typing"
BASE = "Generic of typing"
"""Names that no source can have."""

Declaring = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class _Parameter(NamedTuple):
    name: str
    bound: str
    default: str


def with_type_variables(tree: ast.Module, text: str) -> ast.Module:
    """Return the tree, with a type variable for each type parameter; it is changed in place."""
    declared: dict[tuple[int, str], list[_Parameter]] = {}
    line, counted = 1, 0
    for found in DECLARES.finditer(text):
        line += text.count("\n", counted, found.start())
        counted = found.start()
        declared[line, found["name"]] = list(_parameters(text, found))
    if not declared:
        return tree
    made: list[ast.stmt] = []
    for node in reversed(list(ast.walk(tree))):
        if isinstance(node, Declaring):
            _declare(node, declared.get((node.lineno, node.name), []), made)
    if made:
        names = [ast.alias("TypeVar", MAKER), ast.alias("Generic", BASE)]
        imported = _placed(ast.ImportFrom("typing", names, 0), made[0])
        start = next((n for n, item in enumerate(tree.body) if not _comes_first(item)), 0)
        tree.body[start:start] = [imported, *made]
    return tree


def _declare(node: Declaring, parameters: list[_Parameter], made: list[ast.stmt]) -> None:
    """Give a class or function its own type variables, which ``made`` gets."""
    names = {item.name: f"{item.name} of {node.name}:{node.lineno}" for item in parameters}
    if not names:
        return
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in names:
            part.id = names[part.id]
    for item in parameters:
        target = ast.Name(names[item.name], ast.Store())
        made.append(_placed(ast.Assign([target], _variable(item)), node))
    if isinstance(node, ast.ClassDef):
        items: list[ast.expr] = [ast.Name(name, ast.Load()) for name in names.values()]
        base = ast.Subscript(ast.Name(BASE, ast.Load()), ast.Tuple(items, ast.Load()), ast.Load())
        node.bases.append(ast.fix_missing_locations(ast.copy_location(base, node)))


def _variable(item: _Parameter) -> ast.Call:
    """Return the call that makes a type variable; what bounds it may be defined below."""
    arguments: list[ast.expr] = [ast.Constant(item.name)]
    keywords = []
    if item.bound.startswith("("):
        arguments += [ast.Constant(part) for part in _split(item.bound[1:-1]) if part]
    elif item.bound:
        keywords.append(ast.keyword("bound", ast.Constant(item.bound)))
    if item.default:
        keywords.append(ast.keyword("default", ast.Constant(item.default)))
    return ast.Call(ast.Name(MAKER, ast.Load()), arguments, keywords)


def _placed(statement: ast.stmt, node: ast.stmt) -> ast.stmt:
    statement.lineno, statement.col_offset = node.lineno, node.col_offset
    statement.end_lineno, statement.end_col_offset = node.lineno, node.col_offset
    return ast.fix_missing_locations(statement)


def _comes_first(item: ast.stmt) -> bool:
    is_text = isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
    return is_text or (isinstance(item, ast.ImportFrom) and item.module == "__future__")


def _parameters(text: str, found: re.Match[str]) -> Iterator[_Parameter]:
    start, depth = found.end(), 1
    end = start
    limit = min(len(text), start + MAX_LENGTH)
    while end < limit and depth:
        depth += (text[end] in OPENERS) - (text[end] in CLOSERS)
        end += 1
    for part in _split(text[start : end - 1]):
        declared, _, default = part.partition("=")
        name, _, bound = declared.partition(":")
        if name.strip().isidentifier():
            yield _Parameter(name.strip(), bound.strip(), default.strip())


def _split(text: str) -> Iterator[str]:
    """Yield what stands between the commas that are in no brackets."""
    depth = start = 0
    for place, letter in enumerate(text):
        depth += (letter in OPENERS) - (letter in CLOSERS)
        if letter == "," and not depth:
            yield text[start:place].strip()
            start = place + 1
    yield text[start:].strip()
