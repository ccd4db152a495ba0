"""Turn one parsed file into its facts: one walk, no library knowledge."""

import ast
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from perfaudit.facts import types as t
from perfaudit.facts.scope import Scope
from perfaudit.facts.sql_anchors import anchors_of

MAX_TEXT = 20_000
MAX_DEPTH = 150
_SQL_START = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*"
    r"(?:select|insert\s+into|update|delete\s+from|create|alter|with|merge|replace\s+into|drop|truncate)\b",
    re.IGNORECASE,
)
_SQL_PART = re.compile(
    r"\s*(?:WHERE|AND|OR|FROM|SET|VALUES|LIMIT|HAVING|RETURNING|UNION|ON"
    r"|(?:(?:INNER|CROSS|FULL|LEFT|RIGHT)\s+)?(?:OUTER\s+)?JOIN|(?:ORDER|GROUP)\s+BY)\s"
)
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_NONE = t.Const(None, "NoneType")
_COMPREHENSIONS: dict[type[ast.expr], str] = {
    ast.ListComp: "list",
    ast.SetComp: "set",
    ast.DictComp: "dict",
    ast.GeneratorExp: "generator",
}


def extract_facts(path: str, text: str, tree: ast.Module) -> t.FileFacts:
    """Return what the file says.

    Raises RecursionError where its statements nest too deep to follow.
    """
    walk = _Walk(text)
    walk.enter_scope("", "<module>", "module", tree, context=-1)
    walk.statements(tree.body)
    walk.leave_scope()
    return t.FileFacts(
        path=path,
        lines=walk.line_count,
        functions=tuple(scope.freeze() for scope in walk.scopes),
        classes=tuple(walk.classes),
        sql=tuple(walk.sql),
        exported=walk.exported,
    )


class _Walk:
    """The state of one walk over one tree."""

    def __init__(self, text: str) -> None:
        self.scopes: list[Scope] = []
        self.classes: list[t.Class] = []
        self.sql: list[t.SqlText] = []
        self.exported: tuple[str, ...] = ()
        self.scope = Scope.outermost()
        self.depth = 0
        self.line_count = text.count("\n") + (not text.endswith("\n") and bool(text))
        self.text = text
        self.ascii = text.isascii()
        self.wide_lines: dict[int, bytes] = {}
        if not self.ascii:
            self.wide_lines = {
                number: line.encode("utf-8", "surrogatepass")
                for number, line in enumerate(_LINE_BREAK.split(text), start=1)
                if not line.isascii()
            }

    # Places

    def column(self, line: int, offset: int) -> int:
        wide = self.wide_lines.get(line)
        if wide is None:
            return offset + 1
        return len(wide[:offset].decode("utf-8", "ignore")) + 1

    @cached_property
    def lines(self) -> list[str]:
        return _LINE_BREAK.split(self.text)

    # Scopes

    def enter_scope(
        self,
        name: str,
        qualname: str,
        kind: str,
        node: Any,
        *,
        context: int,
        is_async: bool = False,
    ) -> Scope:
        line = getattr(node, "lineno", 1)
        body = getattr(node, "body", None)
        first, last = (body[0], body[-1]) if isinstance(body, list) and body else (node, node)
        scope = Scope(
            index=len(self.scopes),
            name=name,
            qualname=qualname,
            kind=kind,
            parent=self.scope,
            outer_context=context,
            is_async=is_async,
            line=line,
            column=self.column(line, getattr(node, "col_offset", 0)),
            # A module has no end of its own: what stands behind its last statement says nothing.
            end_line=getattr(node, "end_lineno", None) or getattr(last, "end_lineno", None) or line,
            body_line=getattr(first, "lineno", line),
        )
        self.scopes.append(scope)
        self.scope = scope
        return scope

    def leave_scope(self) -> None:
        self.scope = self.scope.parent or self.scope

    # Expressions

    def value(self, node: ast.expr) -> t.Expr:
        """Return the expression, recording the calls and the reads in it."""
        handler = _EXPRESSIONS.get(type(node))
        if handler is None:
            return t.Opaque(type(node).__name__)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.depth -= 1
            return t.Opaque("too deep")
        try:
            return handler(self, node)
        finally:
            self.depth -= 1

    def path(self, node: ast.expr) -> t.Expr:
        """Return the expression without recording its outermost attribute or item as a read."""
        kind = type(node)
        if kind is ast.Attribute:
            return self.attribute(node)  # type: ignore[arg-type]
        if kind is ast.Subscript:
            return self.subscript(node)  # type: ignore[arg-type]
        return self.value(node)

    def name(self, node: ast.Name) -> t.Expr:
        return t.Name(node.id)

    def attribute(self, node: ast.Attribute) -> t.Expr:
        names = [node.attr]
        base = node.value
        while type(base) is ast.Attribute:
            names.append(base.attr)
            base = base.value
        result = t.Name(base.id) if type(base) is ast.Name else self.path(base)
        for attr in reversed(names):
            result = t.Attr(result, attr)
        return result

    def attribute_value(self, node: ast.Attribute) -> t.Expr:
        result = self.attribute(node)
        self.read(result, node)
        return result

    def subscript(self, node: ast.Subscript) -> t.Expr:
        base = self.path(node.value)
        return t.Item(base, self.value(node.slice))

    def subscript_value(self, node: ast.Subscript) -> t.Expr:
        result = self.subscript(node)
        self.read(result, node)
        return result

    def read(self, value: t.Expr, node: ast.expr) -> None:
        scope = self.scope
        end_line = node.end_lineno or node.lineno
        scope.sequence += 1
        scope.reads.append(
            t.Read(
                value,
                scope.context,
                scope.sequence,
                node.lineno,
                self.column(node.lineno, node.col_offset),
                end_line,
                self.column(end_line, node.end_col_offset or 0),
            )
        )

    def constant(self, node: ast.Constant) -> t.Expr:
        value = node.value
        kind = type(value).__name__
        if isinstance(value, str):
            text = storable(value)
            if len(text) > 7 and (_SQL_START.match(text) or _SQL_PART.match(text)):
                self.add_sql(text, node)
            return t.Const(text, kind)
        if isinstance(value, bool | float):
            return t.Const(value, kind)
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            return t.Const(value, kind)
        return t.Const(None, kind)

    def joined_text(self, node: ast.JoinedStr) -> t.Expr:
        parts: list[str | t.Expr] = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(storable(str(part.value)))
            elif isinstance(part, ast.FormattedValue):
                parts.append(self.value(part.value))
                if isinstance(part.format_spec, ast.JoinedStr):
                    for spec in part.format_spec.values:
                        if isinstance(spec, ast.FormattedValue):
                            self.value(spec.value)
            else:
                parts.append(t.Opaque(type(part).__name__))
        self.note_sql(parts, node)
        return t.Text(tuple(parts))

    def note_sql(self, parts: list[str | t.Expr], node: ast.expr) -> None:
        first = parts[0] if parts else None
        if isinstance(first, str) and (_SQL_START.match(first) or _SQL_PART.match(first)):
            text = "".join(part if isinstance(part, str) else "{}" for part in parts)
            self.add_sql(text, node)

    def add_sql(self, text: str, node: ast.expr) -> None:
        column = self.column(node.lineno, node.col_offset)
        end_line = node.end_lineno or node.lineno
        end = self.column(end_line, node.end_col_offset or 0) - 1
        lines = self.lines[node.lineno - 1 : end_line]
        if lines:
            lines[-1] = lines[-1][:end]
            lines[0] = lines[0][column - 1 :]
        anchors = anchors_of("\n".join(lines), node.lineno, column, text)
        self.sql.append(t.SqlText(text, self.scope.index, node.lineno, column, anchors))

    def sequence(self, node: Any) -> t.Expr:
        kind = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}[type(node)]
        return t.Seq(kind, tuple(self.value(item) for item in node.elts))

    def mapping(self, node: ast.Dict) -> t.Expr:
        keys = tuple(None if key is None else self.value(key) for key in node.keys)
        return t.Mapping(keys, tuple(self.value(value) for value in node.values))

    def await_(self, node: ast.Await) -> t.Expr:
        if isinstance(node.value, ast.Call):
            return t.Await(self.call(node.value, awaited=True))
        return t.Await(self.value(node.value))

    def bool_operation(self, node: ast.BoolOp) -> t.Expr:
        kind = "or" if isinstance(node.op, ast.Or) else "and"
        options: list[t.Expr] = []
        for operand in node.values:
            # Only what calls is worth a block: it runs only where those before do not decide.
            is_block = bool(options) and _calls(operand)
            if is_block:
                before = options[0] if len(options) == 1 else t.Either(kind, tuple(options), None)
                self.push(kind, before, None, operand)
            options.append(self.value(operand))
            if is_block:
                self.pop()
        return t.Either(kind, tuple(options), None)

    def conditional(self, node: ast.IfExp) -> t.Expr:
        test = self.value(node.test)
        self.push("if", test, None, node.body)
        body = self.value(node.body)
        self.pop()
        self.push("else", test, None, node.orelse)
        orelse = self.value(node.orelse)
        self.pop()
        return t.Either("if", (body, orelse), test)

    def binary(self, node: ast.BinOp) -> t.Expr:
        operands: list[tuple[str, ast.BinOp]] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp):
            operands.append((type(left.op).__name__, left))
            left = left.left
        result = self.value(left)
        length = 1
        for operator, operation in reversed(operands):
            right = self.value(operation.right)
            joined = self.concatenate(result, right, operation) if operator == "Add" else None
            length += 1
            if joined is not None:
                result = joined
            elif length > MAX_DEPTH:
                result = t.Opaque("too deep")
            else:
                result = t.Binary(operator, result, right)
        if isinstance(result, t.Text):
            self.note_sql(list(result.parts), node)
        return result

    def concatenate(self, left: t.Expr, right: t.Expr, node: ast.BinOp) -> t.Expr | None:
        """Return a Text where one side is a literal text, else None."""
        left_parts = text_parts(left)
        right_parts = text_parts(right)
        if left_parts is None and right_parts is None:
            return None
        parts = (left_parts or (left,)) + (right_parts or (right,))
        return t.Text(parts) if len(parts) < 200 else t.Opaque("long text")

    def compare(self, node: ast.Compare) -> t.Expr:
        left = self.value(node.left)
        rights = [self.value(right) for right in node.comparators]
        return t.Compare(type(node.ops[0]).__name__, left, rights[0])

    def unary(self, node: ast.UnaryOp) -> t.Expr:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return t.Not(value)
        if isinstance(node.op, ast.Invert):
            return t.Inverted(value)
        if (
            isinstance(node.op, ast.USub)
            and isinstance(value, t.Const)
            and isinstance(value.value, int | float)
            and value.kind != "bool"
        ):
            return t.Const(-value.value, value.kind)
        return value

    def starred(self, node: ast.Starred) -> t.Expr:
        return t.Star(self.value(node.value))

    def slice(self, node: ast.Slice) -> t.Expr:
        return t.Slice(
            *(
                None if part is None else self.value(part)
                for part in (node.lower, node.upper, node.step)
            )
        )

    def walrus(self, node: ast.NamedExpr) -> t.Expr:
        value = self.value(node.value)
        self.bind(node.target, value, "walrus")
        return value

    def yield_(self, node: ast.Yield) -> t.Expr:
        self.result("yield", node)
        return t.Opaque("sent value")

    def yield_from(self, node: ast.YieldFrom) -> t.Expr:
        self.result("yield from", node)
        return t.Opaque("generator result")

    def call(self, node: ast.Call, *, awaited: bool = False, discarded: bool = False) -> t.Expr:
        asked = _attribute_asked(node)
        if asked:
            return self.attribute_asked(node, asked)
        callee = self.path(node.func)
        arguments = tuple([self.value(argument) for argument in node.args])
        keywords = tuple(
            [(keyword.arg or "**", self.value(keyword.value)) for keyword in node.keywords]
        )
        scope = self.scope
        scope.sequence += 1
        line = node.lineno
        end_line = node.end_lineno or line
        column = node.col_offset + 1
        end_column = (node.end_col_offset or 0) + 1
        if not self.ascii:
            column = self.column(line, node.col_offset)
            end_column = self.column(end_line, node.end_col_offset or 0)
        scope.calls.append(
            t.Call(
                callee,
                arguments,
                keywords,
                scope.context,
                scope.sequence,
                line,
                column,
                end_line,
                end_column,
                awaited,
                discarded,
            )
        )
        return t.CallRef(len(scope.calls) - 1)

    def attribute_asked(self, node: ast.Call, name: str) -> t.Expr:
        """Return the attribute that ``getattr(book, "author", None)`` reads."""
        result = t.Attr(self.path(node.args[0]), name)
        for default in node.args[2:]:
            self.value(default)
        self.read(result, node)
        return result

    def lambda_(self, node: ast.Lambda) -> t.Expr:
        params = self.params(node.args)
        scope = self.enter_scope(
            "<lambda>",
            self.inner_qualname("<lambda>"),
            "lambda",
            node,
            context=self.scope.context,
        )
        scope.params = params
        value = self.value(node.body)
        scope.sequence += 1
        scope.results.append(t.Return("return", value, -1, scope.sequence, node.lineno))
        self.leave_scope()
        return t.Lambda(scope.index)

    def comprehension(self, node: Any) -> t.Expr:
        pushed = 0
        for generator in node.generators:
            iterable = self.value(generator.iter)
            kind = "async comprehension" if generator.is_async else "comprehension"
            self.push(kind, iterable, target_expr(generator.target), node)
            pushed += 1
            self.bind(generator.target, t.Element(iterable, bool(generator.is_async)), "for")
            for test in generator.ifs:
                self.push("assert", self.value(test), None, test)
                self.pop()
        context = self.scope.context
        key = None
        if isinstance(node, ast.DictComp):
            key = self.value(node.key)
            element = self.value(node.value)
        else:
            element = self.value(node.elt)
        for _ in range(pushed):
            self.pop()
        return t.Comp(_COMPREHENSIONS[type(node)], element, key, context)

    # Contexts

    def push(self, kind: str, subject: t.Expr | None, target: t.Expr | None, node: Any) -> None:
        scope = self.scope
        scope.sequence += 1
        line = node.lineno
        end_line = node.end_lineno or line
        scope.contexts.append(
            t.Context(kind, scope.context, subject, target, line, end_line, scope.sequence)
        )
        scope.context = len(scope.contexts) - 1

    def pop(self) -> None:
        self.scope.context = self.scope.contexts[self.scope.context].parent

    def block(
        self,
        kind: str,
        subject: t.Expr | None,
        target: t.Expr | None,
        body: list[ast.stmt],
        node: Any,
    ) -> None:
        self.push(kind, subject, target, node)
        self.statements(body)
        self.pop()

    # Statements

    def statements(self, body: list[ast.stmt]) -> None:
        for statement in body:
            handler = _STATEMENTS.get(type(statement))
            if handler is not None:
                handler(self, statement)

    def expression_statement(self, node: ast.Expr) -> None:
        value = node.value
        if isinstance(value, ast.Constant):
            return
        if isinstance(value, ast.Call):
            self.call(value, discarded=True)
        elif isinstance(value, ast.Await) and isinstance(value.value, ast.Call):
            self.call(value.value, awaited=True, discarded=True)
        else:
            self.value(value)

    def assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.bind(target, value, "assign")
            if (
                isinstance(target, ast.Name)
                and target.id == "__all__"
                and self.scope.kind == "module"
            ):
                self.exported = literal_names(node.value)

    def annotated_assign(self, node: ast.AnnAssign) -> None:
        value = None if node.value is None else self.value(node.value)
        self.bind(node.target, value, "annotated", self.annotation(node.annotation))

    def type_alias(self, node: Any) -> None:
        self.bind(node.name, self.annotation(node.value), "assign")

    def augmented_assign(self, node: ast.AugAssign) -> None:
        right = self.value(node.value)
        left = self.path(node.target)
        self.bind(node.target, t.Binary(type(node.op).__name__, left, right), "augmented")

    def bind(
        self, target: ast.expr, value: t.Expr | None, kind: str, annotation: t.Expr | None = None
    ) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for part, key in zip(target.elts, part_keys(target.elts), strict=True):
                inner = part.value if isinstance(part, ast.Starred) else part
                self.bind(inner, None if value is None else t.Item(value, key), kind)
            return
        if isinstance(target, ast.Starred):
            target = target.value
        scope = self.scope
        expression = t.Name(target.id) if isinstance(target, ast.Name) else self.path(target)
        scope.sequence += 1
        scope.binds.append(
            t.Bind(
                expression,
                value,
                annotation,
                kind,
                scope.context,
                scope.sequence,
                target.lineno,
                self.column(target.lineno, target.col_offset),
            )
        )

    def return_(self, node: ast.Return) -> None:
        self.result("return", node)
        self.exit("return", node)

    def result(self, kind: str, node: Any) -> None:
        value = None if node.value is None else self.value(node.value)
        scope = self.scope
        if kind != "return":
            scope.is_generator = True
        scope.sequence += 1
        scope.results.append(t.Return(kind, value, scope.context, scope.sequence, node.lineno))

    def exit(self, kind: str, node: ast.stmt) -> None:
        scope = self.scope
        scope.sequence += 1
        scope.exits.append(t.Exit(kind, scope.context, scope.sequence, node.lineno))

    def jump(self, node: ast.stmt) -> None:
        self.exit("break" if isinstance(node, ast.Break) else "continue", node)

    def raise_(self, node: ast.Raise) -> None:
        if node.exc is not None:
            self.value(node.exc)
        if node.cause is not None:
            self.value(node.cause)
        self.exit("raise", node)

    def assert_(self, node: ast.Assert) -> None:
        self.push("assert", self.value(node.test), None, node)
        self.pop()
        if node.msg is not None:
            self.value(node.msg)

    def delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.path(target)

    def outer(self, node: Any) -> None:
        self.scope.outer_names.extend(node.names)

    def if_(self, node: ast.If) -> None:
        opened = 0
        arm: ast.If | None = node
        while arm is not None:
            test = self.value(arm.test)
            self.block("if", test, None, arm.body, arm)
            rest = arm.orelse
            if not rest:
                break
            self.push("else", test, None, rest[0])
            opened += 1
            if len(rest) == 1 and isinstance(rest[0], ast.If):
                arm = rest[0]
            else:
                self.statements(rest)
                arm = None
        for _ in range(opened):
            self.pop()

    def for_(self, node: Any) -> None:
        iterable = self.value(node.iter)
        is_async = isinstance(node, ast.AsyncFor)
        self.push("async for" if is_async else "for", iterable, target_expr(node.target), node)
        self.bind(node.target, t.Element(iterable, is_async), "for")
        self.statements(node.body)
        self.pop()
        if node.orelse:
            self.block("loop-else", None, None, node.orelse, node)

    def while_(self, node: ast.While) -> None:
        self.push("while", None, None, node)
        opened = self.scope.context
        test = self.value(node.test)
        held = self.scope.contexts[opened]
        self.scope.contexts[opened] = t.Context(
            held.kind, held.parent, test, None, held.line, held.end_line, held.sequence
        )
        self.statements(node.body)
        self.pop()
        if node.orelse:
            self.block("loop-else", None, None, node.orelse, node)

    def with_(self, node: Any) -> None:
        is_async = isinstance(node, ast.AsyncWith)
        for item in node.items:
            subject = self.value(item.context_expr)
            target = None if item.optional_vars is None else target_expr(item.optional_vars)
            self.push("async with" if is_async else "with", subject, target, node)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, t.Entered(subject, is_async), "with")
        self.statements(node.body)
        for _ in node.items:
            self.pop()

    def try_(self, node: Any) -> None:
        self.block("try", None, None, node.body, node)
        for handler in node.handlers:
            caught = None if handler.type is None else self.value(handler.type)
            self.push("except", caught, None, handler)
            if handler.name:
                self.bind_name(handler.name, t.Opaque("exception"), "except", handler)
            self.statements(handler.body)
            self.pop()
        if node.orelse:
            self.statements(node.orelse)
        if node.finalbody:
            self.block("finally", None, None, node.finalbody, node)

    def bind_name(self, name: str, value: t.Expr, kind: str, node: Any) -> None:
        scope = self.scope
        scope.sequence += 1
        scope.binds.append(
            t.Bind(
                t.Name(name),
                value,
                None,
                kind,
                scope.context,
                scope.sequence,
                node.lineno,
                self.column(node.lineno, node.col_offset),
            )
        )

    def match(self, node: ast.Match) -> None:
        subject = self.value(node.subject)
        for case in node.cases:
            self.push("match", subject, self.pattern_class(case.pattern), case.pattern)
            self.bind_pattern(case.pattern, subject)
            if case.guard is not None:
                self.value(case.guard)
            self.statements(case.body)
            self.pop()

    def pattern_class(self, pattern: ast.pattern) -> t.Expr | None:
        """Return the class that a pattern asks for, or the tuple of them, or None."""
        if isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
            return self.pattern_class(pattern.pattern)
        if isinstance(pattern, ast.MatchClass):
            return self.path(pattern.cls)
        if isinstance(pattern, ast.MatchOr):
            found = [self.pattern_class(part) for part in pattern.patterns]
            known = [part for part in found if part is not None]
            return t.Seq("tuple", tuple(known)) if len(known) == len(found) else None
        return None

    def bind_pattern(self, pattern: ast.pattern, value: t.Expr) -> None:
        """Bind the names of a pattern to the parts of the value that they stand for."""
        name = getattr(pattern, "name", None) or getattr(pattern, "rest", None)
        if isinstance(name, str):
            whole = isinstance(pattern, ast.MatchAs)
            self.bind_name(name, value if whole else t.Opaque("pattern"), "match", pattern)
        for part, inner in pattern_parts(pattern, value):
            self.bind_pattern(part, inner)

    def import_(self, node: ast.Import) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            module = alias.name
            name = "" if alias.asname else None
            self.scope.imports.append(t.Import(module, name, bound, 0, node.lineno))

    def import_from(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self.scope.imports.append(
                t.Import(
                    node.module or "",
                    alias.name,
                    alias.asname or alias.name,
                    node.level,
                    node.lineno,
                )
            )

    def inner_qualname(self, name: str) -> str:
        outer = self.scope
        if outer.kind == "module":
            return name
        if outer.kind == "class":
            return f"{outer.qualname}.{name}"
        return f"{outer.qualname}.<locals>.{name}"

    def function(self, node: Any) -> None:
        decorators = tuple(self.path(decorator) for decorator in node.decorator_list)
        params = self.params(node.args)
        returns = None if node.returns is None else self.annotation(node.returns)
        scope = self.enter_scope(
            node.name,
            self.inner_qualname(node.name),
            "function",
            node,
            context=self.scope.context,
            is_async=isinstance(node, ast.AsyncFunctionDef),
        )
        scope.decorators = decorators
        scope.params = params
        scope.returns = returns
        self.statements(node.body)
        self.leave_scope()

    def params(self, arguments: ast.arguments) -> tuple[t.Param, ...]:
        params: list[t.Param] = []
        positional = arguments.posonlyargs + arguments.args
        first_default = len(positional) - len(arguments.defaults)
        for index, argument in enumerate(positional):
            default = None
            if index >= first_default:
                default = self.value(arguments.defaults[index - first_default])
            params.append(self.param(argument, "positional", default))
        if arguments.vararg is not None:
            params.append(self.param(arguments.vararg, "*args", None))
        for argument, default_node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            default = None if default_node is None else self.value(default_node)
            params.append(self.param(argument, "keyword", default))
        if arguments.kwarg is not None:
            params.append(self.param(arguments.kwarg, "**kwargs", None))
        return tuple(params)

    def param(self, argument: ast.arg, kind: str, default: t.Expr | None) -> t.Param:
        annotation = None if argument.annotation is None else self.annotation(argument.annotation)
        return t.Param(argument.arg, kind, annotation, default)

    def class_(self, node: ast.ClassDef) -> None:
        decorators = tuple(self.path(decorator) for decorator in node.decorator_list)
        bases = tuple(self.path(base) for base in node.bases)
        keywords = tuple(
            (keyword.arg or "**", self.value(keyword.value)) for keyword in node.keywords
        )
        qualname = self.inner_qualname(node.name)
        parent = self.scope.index
        scope = self.enter_scope(node.name, qualname, "class", node, context=self.scope.context)
        self.classes.append(
            t.Class(
                node.name,
                qualname,
                parent,
                scope.index,
                bases,
                keywords,
                decorators,
                node.lineno,
                node.end_lineno or node.lineno,
            )
        )
        self.statements(node.body)
        self.leave_scope()

    def annotation(self, node: ast.expr) -> t.Expr:
        """Return an annotation as an expression; text annotations are parsed."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                parsed = ast.parse(node.value.strip(), mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return t.Opaque("annotation")
            if isinstance(parsed, ast.Constant | ast.Call):
                return t.Opaque("annotation")
            return self.annotation(parsed)
        if isinstance(node, ast.Subscript):
            base = self.annotation(node.value)
            if isinstance(base, t.Name | t.Attr) and last_name(base) == "Literal":
                return t.Item(base, t.Opaque("literal"))
            return t.Item(base, self.annotation(node.slice))
        if isinstance(node, ast.Tuple | ast.List):
            kind = "tuple" if isinstance(node, ast.Tuple) else "list"
            return t.Seq(kind, tuple(self.annotation(item) for item in node.elts))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return t.Binary("BitOr", self.annotation(node.left), self.annotation(node.right))
        return self.path(node)


# Unbound, so that a walk holds no ring of references to itself.
_EXPRESSIONS: dict[type[ast.expr], Callable[[_Walk, Any], t.Expr]] = {
    ast.Name: _Walk.name,
    ast.Attribute: _Walk.attribute_value,
    ast.Call: _Walk.call,
    ast.Constant: _Walk.constant,
    ast.Subscript: _Walk.subscript_value,
    ast.JoinedStr: _Walk.joined_text,
    ast.List: _Walk.sequence,
    ast.Tuple: _Walk.sequence,
    ast.Set: _Walk.sequence,
    ast.Dict: _Walk.mapping,
    ast.Await: _Walk.await_,
    ast.BoolOp: _Walk.bool_operation,
    ast.IfExp: _Walk.conditional,
    ast.BinOp: _Walk.binary,
    ast.Compare: _Walk.compare,
    ast.UnaryOp: _Walk.unary,
    ast.Lambda: _Walk.lambda_,
    ast.ListComp: _Walk.comprehension,
    ast.SetComp: _Walk.comprehension,
    ast.GeneratorExp: _Walk.comprehension,
    ast.DictComp: _Walk.comprehension,
    ast.Starred: _Walk.starred,
    ast.NamedExpr: _Walk.walrus,
    ast.Yield: _Walk.yield_,
    ast.YieldFrom: _Walk.yield_from,
    ast.Slice: _Walk.slice,
}
_STATEMENTS: dict[type[ast.stmt], Callable[[_Walk, Any], None]] = {
    ast.Expr: _Walk.expression_statement,
    ast.Assign: _Walk.assign,
    ast.AnnAssign: _Walk.annotated_assign,
    ast.AugAssign: _Walk.augmented_assign,
    ast.Return: _Walk.return_,
    ast.If: _Walk.if_,
    ast.For: _Walk.for_,
    ast.AsyncFor: _Walk.for_,
    ast.While: _Walk.while_,
    ast.With: _Walk.with_,
    ast.AsyncWith: _Walk.with_,
    ast.Try: _Walk.try_,
    ast.FunctionDef: _Walk.function,
    ast.AsyncFunctionDef: _Walk.function,
    ast.ClassDef: _Walk.class_,
    ast.Import: _Walk.import_,
    ast.ImportFrom: _Walk.import_from,
    ast.Raise: _Walk.raise_,
    ast.Assert: _Walk.assert_,
    ast.Delete: _Walk.delete,
    ast.Global: _Walk.outer,
    ast.Nonlocal: _Walk.outer,
    ast.Break: _Walk.jump,
    ast.Continue: _Walk.jump,
    ast.Match: _Walk.match,
}
if hasattr(ast, "TryStar"):
    _STATEMENTS[ast.TryStar] = _Walk.try_
if hasattr(ast, "TypeAlias"):
    _STATEMENTS[ast.TypeAlias] = _Walk.type_alias


def annotation_of(text: str) -> t.Expr:
    """Return the expression of an annotation that stands in a text."""
    walk = _Walk("")
    walk.enter_scope("", "<module>", "module", ast.Module([], []), context=-1)
    return walk.annotation(ast.Constant(text))


def _attribute_asked(node: ast.Call) -> str:
    """Return the attribute that a call of ``getattr`` reads, where its default says nothing."""
    if not isinstance(node.func, ast.Name) or node.func.id != "getattr" or node.keywords:
        return ""
    if not 2 <= len(node.args) <= 3 or any(isinstance(part, ast.Starred) for part in node.args):
        return ""
    name = node.args[1]
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return ""
    if not name.value.isidentifier() or not all(_is_nothing(part) for part in node.args[2:]):
        return ""
    return name.value


def _is_nothing(node: ast.expr) -> bool:
    """Return whether a default is empty, so that what is read tells all that a caller gets."""
    match node:
        case ast.Constant(value=value):
            return not value
        case ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]):
            return True
    return False


def _calls(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Call) for part in ast.walk(node))


def part_keys(parts: list[ast.expr]) -> list[t.Expr]:
    """Return the keys of the parts of an unpacked value: behind a ``*`` they count from the end."""
    keys: list[t.Expr] = []
    behind = False
    for index, part in enumerate(parts):
        left = len(parts) - index
        if isinstance(part, ast.Starred):
            behind = True
            upper = None if left == 1 else t.Const(1 - left, "int")
            keys.append(t.Slice(t.Const(index, "int"), upper, None))
        else:
            keys.append(t.Const(-left if behind else index, "int"))
    return keys


def pattern_parts(pattern: ast.pattern, value: t.Expr) -> list[tuple[ast.pattern, t.Expr]]:
    """Return the direct parts of a pattern, each with what it is matched against."""
    match pattern:
        case ast.MatchAs(pattern=inner) if inner is not None:
            return [(inner, value)]
        case ast.MatchOr(patterns=patterns):
            return [(part, value) for part in patterns]
        case ast.MatchClass(patterns=patterns, kwd_attrs=names, kwd_patterns=named):
            found = [(part, t.Opaque("pattern")) for part in patterns]
            return found + [
                (part, t.Attr(value, name)) for name, part in zip(names, named, strict=True)
            ]
        case ast.MatchSequence(patterns=patterns) if not any(
            isinstance(part, ast.MatchStar) for part in patterns
        ):
            return [
                (part, t.Item(value, t.Const(index, "int"))) for index, part in enumerate(patterns)
            ]
        case ast.MatchSequence(patterns=patterns) | ast.MatchMapping(patterns=patterns):
            return [(part, t.Opaque("pattern")) for part in patterns]
    return []


def storable(text: str) -> str:
    """Return text that msgpack can hold, shortened where it is very long."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def text_parts(value: t.Expr) -> tuple[str | t.Expr, ...] | None:
    """Return the parts of a literal text, or None for anything else."""
    if isinstance(value, t.Text):
        return value.parts
    if isinstance(value, t.Const) and isinstance(value.value, str):
        return (value.value,)
    return None


def target_expr(node: ast.expr) -> t.Expr:
    """Return a loop's or ``as`` target; parts that are not names are opaque."""
    if isinstance(node, ast.Name):
        return t.Name(node.id)
    if isinstance(node, ast.Tuple | ast.List):
        return t.Seq("tuple", tuple(target_expr(item) for item in node.elts))
    if isinstance(node, ast.Starred):
        return target_expr(node.value)
    return t.Opaque("target")


def literal_names(node: ast.expr) -> tuple[str, ...]:
    """Return the texts of a list or tuple display."""
    if not isinstance(node, ast.List | ast.Tuple):
        return ()
    return tuple(
        item.value
        for item in node.elts
        if isinstance(item, ast.Constant) and isinstance(item.value, str)
    )


def last_name(value: t.Expr) -> str:
    """Return the last name of a dotted expression, or an empty text."""
    if isinstance(value, t.Attr):
        return value.name
    return value.id if isinstance(value, t.Name) else ""
