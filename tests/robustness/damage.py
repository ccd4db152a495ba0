"""Ways to damage a file, each the same for the same seed."""

import ast
import random
from collections.abc import Callable, Sequence

Damage = Callable[[bytes, random.Random], bytes]

FOREIGN = (b"\x00", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x1a", b"\x0c", b"\r")
BRACKETS = b"()[]{}"
DEEP = 400


def cut(data: bytes, chance: random.Random) -> bytes:
    """Return the file up to some byte."""
    return data[: chance.randrange(len(data) + 1)]


def flip_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return the file with a few bytes replaced by any others."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def shuffle_lines(data: bytes, chance: random.Random) -> bytes:
    """Return the file with its lines in another order."""
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def swap_neighbours(data: bytes, chance: random.Random) -> bytes:
    """Return the file with a few neighbouring lines swapped."""
    lines = data.splitlines(keepends=True)
    for _ in range(min(3, len(lines) - 1)):
        at = chance.randrange(len(lines) - 1)
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return b"".join(lines)


def break_indentation(data: bytes, chance: random.Random) -> bytes:
    """Return the file with the indentation of some lines changed."""
    return b"".join(
        chance.choice((b" ", b"\t", b"        ")) + line.lstrip(b" ")
        if chance.random() < 0.05
        else line
        for line in data.splitlines(keepends=True)
    )


def insert_foreign_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return the file with bytes in it that no Python file should have."""
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(FOREIGN) + data[at:]


def mix_encodings(data: bytes, chance: random.Random) -> bytes:
    """Return the file in two encodings, or in another one than it says."""
    half = len(data) // 2
    text = data.decode("utf-8", "replace")
    return chance.choice(
        (
            data[:half] + "é日".encode("utf-16-le") + data[half:],
            data[:half] + b"# caf\xe9\n" + data[half:],
            text.encode("utf-16"),
            b"# -*- coding: latin-1 -*-\n" + data + "# é日\n".encode(),
            b"# coding: no-such-encoding\n" + data,
            text.encode("utf-32"),
            data.replace(b"\n", b"\r"),
            data.replace(b"\n", b"\r\n", 3),
        )
    )


def unbalance_brackets(data: bytes, chance: random.Random) -> bytes:
    """Return the file with a bracket more or less."""
    places = [at for at, byte in enumerate(data) if byte in BRACKETS]
    if places and chance.random() < 0.5:
        at = chance.choice(places)
        return data[:at] + data[at + 1 :]
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes([chance.choice(BRACKETS)]) + data[at:]


def nest_deeply(data: bytes, chance: random.Random) -> bytes:
    """Return the file with something nested deeper than anyone writes."""
    depth = chance.randrange(20, DEEP)
    nested = chance.choice(
        (
            "x = " + "(" * depth + ")" * depth,
            "x = " + "[" * depth + "]" * depth,
            "x = " + "f(" * depth + ")" * depth,
            "x = a" + ".b" * depth * 10,
            "x = a" + "()" * depth * 5,
            "x = " + "-" * depth + "1",
            "x = " + " + ".join(["a"] * depth * 10),
            "x = " + "lambda: " * depth + "0",
            "\n".join(" " * level + "if a:" for level in range(min(depth, 90)))
            + "\n"
            + " " * 90
            + "b",
            "\n".join(
                "if a:\n    b()" if not level else "elif a:\n    b()" for level in range(depth)
            ),
            "\n".join(" " * level + "def f():" for level in range(min(depth, 90)))
            + "\n"
            + " " * 90
            + "f()",
        )
    )
    return data + b"\n" + nested.encode() + b"\n"


def rearrange(data: bytes, chance: random.Random) -> bytes:
    """Return other valid Python: names, calls, statements and kinds of functions are exchanged."""
    tree = ast.parse(data)
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)] or ["x"]
    attributes = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)] or ["y"]
    values = [node for node in ast.walk(tree) if isinstance(node, ast.Call | ast.Attribute)]
    changed = _Rearranged(chance, names, attributes, values).visit(tree)
    try:
        return ast.unparse(ast.fix_missing_locations(changed)).encode()
    except (ValueError, RecursionError):
        return data


class _Rearranged(ast.NodeTransformer):
    """Exchanges a few parts of a tree for other parts of it."""

    def __init__(
        self,
        chance: random.Random,
        names: Sequence[str],
        attributes: Sequence[str],
        values: Sequence[ast.expr],
    ) -> None:
        self.chance = chance
        self.names = names
        self.attributes = attributes
        self.values = values

    def visit(self, node: ast.AST) -> ast.AST:
        node = self.generic_visit(node)
        if isinstance(node, ast.stmt) and hasattr(node, "body"):
            self.chance.shuffle(node.body) if self.chance.random() < 0.1 else None
        if self.chance.random() > 0.06:
            return node
        return self.exchanged(node)

    def exchanged(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Name):
            return ast.Name(self.chance.choice(self.names), node.ctx)
        if isinstance(node, ast.Attribute):
            node.attr = self.chance.choice(self.attributes)
        elif isinstance(node, ast.Call) and self.values:
            part = self.chance.choice(("args", "func", "none", "star"))
            if part == "args":
                node.args, node.keywords = [self.chance.choice(self.values)], []
            elif part == "func":
                node.func = self.chance.choice(self.values)
            elif part == "star":
                node.args = [ast.Starred(self.chance.choice(self.values), ast.Load())]
            else:
                node.args, node.keywords = [], []
        elif isinstance(node, ast.Constant):
            return ast.Constant(
                self.chance.choice((None, "", "SELECT {", 1, -1, b"", 1.5, 2**70, ...))
            )
        elif isinstance(node, ast.FunctionDef):
            return ast.AsyncFunctionDef(**dict(ast.iter_fields(node)))
        elif isinstance(node, ast.ClassDef):
            node.bases = [ast.Name(node.name, ast.Load())]
        return node


DAMAGES: tuple[Damage, ...] = (
    cut,
    flip_bytes,
    shuffle_lines,
    swap_neighbours,
    break_indentation,
    insert_foreign_bytes,
    mix_encodings,
    unbalance_brackets,
    nest_deeply,
    rearrange,
)
