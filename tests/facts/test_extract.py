"""What one file says: each fact in the smallest code that shows it."""

import ast
import textwrap

import msgspec
import pytest

from perfaudit.facts import types as t
from perfaudit.facts.extract import MAX_DEPTH, MAX_TEXT, extract_facts


def facts_of(code: str) -> t.FileFacts:
    text = textwrap.dedent(code)
    return extract_facts("app.py", text, ast.parse(text))


def module_of(code: str) -> t.Function:
    return facts_of(code).functions[0]


def function_of(code: str, name: str = "f") -> t.Function:
    return next(each for each in facts_of(code).functions if each.name == name)


def contexts_of(function: t.Function, context: int) -> list[str]:
    """Return the kinds of the blocks around something, innermost first."""
    kinds = []
    while context != -1:
        kinds.append(function.contexts[context].kind)
        context = function.contexts[context].parent
    return kinds


def spelled(function: t.Function, value: t.Expr | None) -> str:
    """Return an expression as a short text: calls in place, what is opaque as ``?``."""

    def show(part: t.Expr | None) -> str:
        return spelled(function, part)

    match value:
        case t.Name(id=name):
            return name
        case t.Attr(base=base, name=name):
            return f"{show(base)}.{name}"
        case t.CallRef(index=index):
            call = function.calls[index]
            arguments = [show(each) for each in call.arguments]
            arguments += [f"{name}={show(each)}" for name, each in call.keywords]
            return f"{show(call.callee)}({', '.join(arguments)})"
        case t.Item(base=base, key=key):
            return f"{show(base)}[{show(key)}]"
        case t.Slice(lower=lower, upper=upper):
            return f"{show(lower)}:{show(upper)}"
        case t.Const(value=content):
            return repr(content)
        case t.Text(parts=parts):
            return "f" + "+".join(repr(p) if isinstance(p, str) else show(p) for p in parts)
        case t.Seq(kind=kind, items=items):
            return f"{kind}({', '.join(map(show, items))})"
        case t.Mapping(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            entries = [f"{show(key) or '**'}: {show(each)}" for key, each in pairs]
            return "{" + ", ".join(entries) + "}"
        case t.Await(value=inner):
            return f"await {show(inner)}"
        case t.Element(iterable=iterable):
            return f"each {show(iterable)}"
        case t.Entered(value=inner):
            return f"entered {show(inner)}"
        case t.Either(kind=kind, options=options):
            return f"({f' {kind} '.join(map(show, options))})"
        case t.Binary(operator=operator, left=left, right=right):
            return f"({show(left)} {operator} {show(right)})"
        case t.Compare(operator=operator, left=left, right=right):
            return f"({show(left)} {operator} {show(right)})"
        case t.Not(value=inner):
            return f"not {show(inner)}"
        case t.Inverted(value=inner):
            return f"~{show(inner)}"
        case t.Comp(kind=kind, element=element):
            return f"{kind} of {show(element)}"
        case t.Star(value=inner):
            return f"*{show(inner)}"
        case t.Lambda():
            return "lambda"
        case t.Opaque():
            return "?"
    return ""


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("a", "a"),
        ("a.b.c", "a.b.c"),
        ("a.b().c(1, x=d)[0].e", "a.b().c(1, x=d)[0].e"),
        ("a[1:n]", "a[1:n]"),
        ("a(*b, **c)", "a(*b, **=c)"),
        ("f'{a}/{b.c}'", "fa+'/'+b.c"),
        ("f'{a!r:>{width}}'", "fa"),
        ("'x' + a", "f'x'+a"),
        ("a + 'x' + b.c", "fa+'x'+b.c"),
        ("'SELECT %s' % a", "('SELECT %s' Mod a)"),
        ("a + b", "(a Add b)"),
        ("-1", "-1"),
        ("[a, *b]", "list(a, *b)"),
        ("{'a': b, **c}", "{'a': b, **: c}"),
        ("a or b", "(a or b)"),
        ("a and b", "(a and b)"),
        ("a if b else c", "(a if c)"),
        ("not a", "not a"),
        ("~a(b)", "~a(b)"),
        ("a < b < c", "(a Lt b)"),
        ("lambda: a", "lambda"),
        ("[x.y for x in a]", "list of x.y"),
        ("{x: x.y for x in a}", "dict of x.y"),
        ("(x for x in a)", "generator of x"),
        ("1 + 2j", "(1 Add None)"),
        ("b'secret'", "None"),
        ("...", "None"),
        ("2 ** 70", "(2 Pow 70)"),
        ("1180591620717411303424", "None"),
    ],
)
def test_an_expression_is_the_way_to_its_value(code: str, path: str) -> None:
    module = module_of(f"value = {code}")

    assert spelled(module, module.binds[-1].value) == path


def test_a_call_has_its_place_in_code_points() -> None:
    code = "ключ = {'é': 1}; 日本 = get('🧨', ключ)\n"
    call = module_of(code).calls[0]
    begin = code.index("get(") + 1

    assert (call.line, call.column, call.end_line, call.end_column) == (
        1,
        begin,
        1,
        begin + len("get('🧨', ключ)"),
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_columns_count_code_points_whatever_ends_a_line(end: str) -> None:
    text = f"x = 1{end}é = a(){end}"
    call = extract_facts("app.py", text, ast.parse(text)).functions[0].calls[0]

    assert (call.line, call.column) == (2, 5)


def test_form_feeds_and_unicode_line_ends_do_not_shift_columns() -> None:
    text = "x = 'a\u2028b\x0cc'\n\x0cé = a()\n"
    call = extract_facts("app.py", text, ast.parse(text)).functions[0].calls[0]

    assert (call.line, text.split("\n")[1][call.column - 1 :]) == (2, "a()")


def test_a_call_over_lines_ends_after_its_bracket() -> None:
    call = module_of("get(\n    'é',\n)\n").calls[0]

    assert (call.line, call.column, call.end_line, call.end_column) == (1, 1, 3, 2)


def test_calls_run_from_the_inside_out() -> None:
    module = module_of("a(b(), c=d()).e(f())")

    assert [spelled(module, t.CallRef(index)) for index in range(len(module.calls))] == [
        "b()",
        "d()",
        "a(b(), c=d())",
        "f()",
        "a(b(), c=d()).e(f())",
    ]
    sequences = [call.sequence for call in module.calls]
    assert sequences == sorted(set(sequences))


def test_the_value_is_made_before_the_name_is_bound() -> None:
    module = module_of("a = b()\na.c = a\n")
    call, first, second = module.calls[0], *module.binds

    assert call.sequence < first.sequence < second.sequence
    assert spelled(module, second.target) == "a.c"


@pytest.mark.parametrize(
    ("statement", "awaited", "discarded"),
    [
        ("a()", False, True),
        ("await a()", True, True),
        ("x = a()", False, False),
        ("x = await a()", True, False),
        ("b(a())", False, False),
        ("return await a()", True, False),
        ("x = [await a() for y in z]", True, False),
        ("x = (await b).a()", False, False),
        ("(await a()).b", True, False),
    ],
)
def test_a_call_knows_whether_it_is_awaited_or_thrown_away(
    statement: str, awaited: bool, discarded: bool
) -> None:
    function = function_of(f"async def f():\n    {statement}\n")
    call = next(call for call in function.calls if spelled(function, call.callee).endswith("a"))

    assert (call.awaited, call.discarded) == (awaited, discarded)


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("for x in y:\n    a()", ["for"]),
        ("for x in a():\n    pass", []),
        ("for x in y:\n    pass\nelse:\n    a()", ["loop-else"]),
        ("while a():\n    pass", ["while"]),
        ("while x:\n    pass\nelse:\n    a()", ["loop-else"]),
        ("if a():\n    pass", []),
        ("if x:\n    a()", ["if"]),
        ("if x:\n    pass\nelse:\n    a()", ["else"]),
        ("if x:\n    pass\nelif y:\n    a()", ["if", "else"]),
        ("if x:\n    pass\nelif a():\n    pass", ["else"]),
        ("with a():\n    pass", []),
        ("with x:\n    a()", ["with"]),
        ("with x, y:\n    a()", ["with", "with"]),
        ("with x, a():\n    pass", ["with"]),
        ("try:\n    a()\nfinally:\n    pass", ["try"]),
        ("try:\n    pass\nexcept E:\n    a()", ["except"]),
        ("try:\n    pass\nexcept* E:\n    a()", ["except"]),
        ("try:\n    pass\nexcept a():\n    pass", []),
        ("try:\n    pass\nexcept E:\n    pass\nelse:\n    a()", []),
        ("try:\n    pass\nfinally:\n    a()", ["finally"]),
        ("match x:\n    case 1:\n        a()", ["match"]),
        ("match a():\n    case 1:\n        pass", []),
        ("match x:\n    case 1 if a():\n        pass", ["match"]),
        ("[a() for x in y]", ["comprehension"]),
        ("[x for x in a()]", []),
        ("[x for y in z for x in a()]", ["comprehension"]),
        ("[x for x in y if a()]", ["comprehension"]),
        ("[a() for x in y for z in x]", ["comprehension", "comprehension"]),
        ("{a(): 1 for x in y}", ["comprehension"]),
        ("b(a() for x in y)", ["comprehension"]),
        ("a() if x else y", ["if"]),
        ("y if x else a()", ["else"]),
        ("y if a() else z", []),
        ("for x in y:\n    if x:\n        with z:\n            a()", ["with", "if", "for"]),
    ],
)
def test_a_call_stands_in_its_blocks(code: str, kinds: list[str]) -> None:
    module = module_of(code)
    call = next(call for call in module.calls if spelled(module, call.callee) == "a")

    assert contexts_of(module, call.context) == kinds


def test_asynchronous_blocks_say_so() -> None:
    function = function_of(
        """
        async def f():
            async for x in y:
                async with z as w:
                    a([v async for v in u if b()])
        """
    )
    kinds = {
        spelled(function, call.callee): contexts_of(function, call.context)
        for call in function.calls
    }

    assert kinds["a"] == ["async with", "async for"]
    assert kinds["b"] == ["async comprehension", "async with", "async for"]


def test_a_loop_knows_what_it_goes_over_and_binds() -> None:
    module = module_of("for a, (b, *c) in d.items():\n    pass\n")
    loop = module.contexts[0]

    assert spelled(module, loop.subject) == "d.items()"
    assert spelled(module, loop.target) == "tuple(a, tuple(b, c))"
    assert [
        (spelled(module, bind.target), spelled(module, bind.value)) for bind in module.binds
    ] == [
        ("a", "each d.items()[0]"),
        ("b", "each d.items()[1][0]"),
        ("c", "each d.items()[1][1:]"),
    ]
    assert (loop.line, loop.end_line) == (1, 2)


def test_the_test_of_a_while_runs_in_the_loop() -> None:
    module = module_of("while a.b():\n    pass\n")

    assert spelled(module, module.contexts[0].subject) == "a.b()"
    assert module.calls[0].sequence > module.contexts[0].sequence


@pytest.mark.parametrize(
    ("code", "binds"),
    [
        ("a = b = c", [("a", "c", "assign"), ("b", "c", "assign")]),
        ("a, b = c", [("a", "c[0]", "assign"), ("b", "c[1]", "assign")]),
        ("[a, *b] = c", [("a", "c[0]", "assign"), ("b", "c[1:]", "assign")]),
        (
            "a, *b, d = c",
            [("a", "c[0]", "assign"), ("b", "c[1:-1]", "assign"), ("d", "c[-1]", "assign")],
        ),
        ("a.b[0] = c", [("a.b[0]", "c", "assign")]),
        ("a: int = b", [("a", "b", "annotated")]),
        ("a: int", [("a", "", "annotated")]),
        ("a += b", [("a", "(a Add b)", "augmented")]),
        ("(a := b)", [("a", "b", "walrus")]),
        ("with a as b: pass", [("b", "entered a", "with")]),
        ("with a as (b, c): pass", [("b", "entered a[0]", "with"), ("c", "entered a[1]", "with")]),
        ("for a in b: pass", [("a", "each b", "for")]),
        ("[a for a in b]", [("a", "each b", "for")]),
        ("try: pass\nexcept E as a: pass", [("a", "?", "except")]),
        ("match a:\n    case b: pass", [("b", "a", "match")]),
        ("match a:\n    case C(x=b): pass", [("b", "a.x", "match")]),
        ("match a:\n    case [b, c]: pass", [("b", "a[0]", "match"), ("c", "a[1]", "match")]),
        ("match a:\n    case {**b}: pass", [("b", "?", "match")]),
        ("match a:\n    case [*b]: pass", [("b", "?", "match")]),
    ],
)
def test_a_name_receives_its_value(code: str, binds: list[tuple[str, str, str]]) -> None:
    module = module_of(code)

    assert [
        (spelled(module, bind.target), spelled(module, bind.value), bind.kind)
        for bind in module.binds
    ] == binds


@pytest.mark.parametrize(
    ("code", "column"),
    [
        ("try: pass\nexcept E as a: pass", 1),
        ("match x:\n case ('é', a): pass", 13),
        ("x = 1\né = a = 2", 1),
        ("x = 1\né, a = b", 1),
        ("with x:\n é.b = a()", 2),
    ],
)
def test_a_bound_name_has_a_place(code: str, column: int) -> None:
    bind = next(bind for bind in module_of(code).binds if bind.line == 2)

    assert bind.column == column


def test_the_longest_chain_is_read_once() -> None:
    module = module_of("x = a.b.c[0].d\na.e.f()\ng(a.h)\n")

    assert [spelled(module, read.value) for read in module.reads] == ["a.b.c[0].d", "a.h"]


def test_a_target_is_not_read() -> None:
    module = module_of("a.b = c.d\ndel a.e\na.f += 1\n")

    assert [spelled(module, read.value) for read in module.reads] == ["c.d"]


def test_functions_are_numbered_and_know_where_they_stand() -> None:
    facts = facts_of(
        """
        def outer():
            def inner(): pass
            class Local:
                async def method(self): pass
            return lambda: 0
        """
    )

    assert [
        (each.name, each.qualname, each.kind, each.parent, each.is_async)
        for each in facts.functions
    ] == [
        ("", "<module>", "module", -1, False),
        ("outer", "outer", "function", 0, False),
        ("inner", "outer.<locals>.inner", "function", 1, False),
        ("Local", "outer.<locals>.Local", "class", 1, False),
        ("method", "outer.<locals>.Local.method", "function", 3, True),
        ("<lambda>", "outer.<locals>.<lambda>", "lambda", 1, False),
    ]


def test_a_function_knows_the_block_that_defines_it() -> None:
    module, function = facts_of("if x:\n    def f(): pass\n").functions

    assert contexts_of(module, function.context) == ["if"]


def test_decorators_defaults_and_annotations_belong_to_the_outside() -> None:
    facts = facts_of("@a.b(c())\ndef f(x: d.E = g(), *args: h, y=1, **rest) -> 'i.J | None': k()\n")
    module, function = facts.functions

    assert [spelled(module, each) for each in function.decorators] == ["a.b(c())"]
    assert [
        (p.name, p.kind, spelled(module, p.annotation), spelled(module, p.default))
        for p in function.params
    ] == [
        ("x", "positional", "d.E", "g()"),
        ("args", "*args", "h", ""),
        ("y", "keyword", "", "1"),
        ("rest", "**kwargs", "", ""),
    ]
    assert spelled(module, function.returns) == "(i.J BitOr None)"
    assert [spelled(function, call.callee) for call in function.calls] == ["k"]
    assert (function.line, function.body_line) == (2, 2)


@pytest.mark.parametrize(
    ("annotation", "meaning"),
    [
        ("A", "A"),
        ("'A'", "A"),
        ("'a.B[C]'", "a.B[C]"),
        ("list['A']", "list[A]"),
        ("dict[str, 'A']", "dict[tuple(str, A)]"),
        ("'A' | None", "(A BitOr None)"),
        ("Callable[['A'], B]", "Callable[tuple(list(A), B)]"),
        ("Literal['A', 'b c']", "Literal[?]"),
        ("typing.Literal['A']", "typing.Literal[?]"),
        ("Annotated[A, Depends(b)]", "Annotated[tuple(A, Depends(b))]"),
        ("'not python ('", "?"),
        ("''", "?"),
        ("'1'", "?"),
        ("'a()'", "?"),
        ("None", "None"),
    ],
)
def test_an_annotation_may_be_a_text(annotation: str, meaning: str) -> None:
    module = module_of(f"x: {annotation}\n")

    assert spelled(module, module.binds[0].annotation) == meaning


@pytest.mark.parametrize(
    ("body", "results", "is_generator"),
    [
        ("return a", [("return", "a")], False),
        ("return", [("return", "")], False),
        ("yield a", [("yield", "a")], True),
        ("x = yield", [("yield", "")], True),
        ("yield from a()", [("yield from", "a()")], True),
        ("def g(): yield 1", [], False),
        ("lambda: (yield 1)", [], False),
    ],
)
def test_what_a_function_gives(
    body: str, results: list[tuple[str, str]], is_generator: bool
) -> None:
    function = function_of(f"def f():\n    {body}\n")

    assert [(each.kind, spelled(function, each.value)) for each in function.results] == results
    assert function.is_generator is is_generator


def test_a_lambda_gives_its_body() -> None:
    function = function_of("x = lambda a, b=c: a.d()\n", "<lambda>")

    assert [spelled(function, each.value) for each in function.results] == ["a.d()"]
    assert [param.name for param in function.params] == ["a", "b"]


def test_exits_know_their_blocks() -> None:
    function = function_of(
        """
        def f():
            for x in y:
                if x:
                    break
                continue
            raise E(g()) from h
        """
    )

    assert [(each.kind, contexts_of(function, each.context)) for each in function.exits] == [
        ("break", ["if", "for"]),
        ("continue", ["for"]),
        ("raise", []),
    ]
    assert [spelled(function, call.callee) for call in function.calls] == ["g", "E"]


@pytest.mark.parametrize(
    ("code", "imported"),
    [
        ("import a", ("a", None, "a", 0)),
        ("import a.b", ("a.b", None, "a", 0)),
        ("import a.b as c", ("a.b", "", "c", 0)),
        ("from a import b", ("a", "b", "b", 0)),
        ("from a.b import c as d", ("a.b", "c", "d", 0)),
        ("from . import a", ("", "a", "a", 1)),
        ("from ..a import b", ("a", "b", "b", 2)),
        ("from a import *", ("a", "*", "*", 0)),
    ],
)
def test_an_import_says_what_it_binds(code: str, imported: tuple[object, ...]) -> None:
    (item,) = module_of(code).imports

    assert (item.module, item.name, item.bound, item.level) == imported


def test_a_class_has_bases_keywords_and_a_body() -> None:
    facts = facts_of(
        "@a\nclass C(b.D, E[int], metaclass=F):\n    x: int = 1\n    def g(self): pass\n"
    )
    module, (node,) = facts.functions[0], facts.classes

    assert (node.name, node.qualname, node.parent) == ("C", "C", 0)
    assert [spelled(module, base) for base in node.bases] == ["b.D", "E[int]"]
    assert [(name, spelled(module, value)) for name, value in node.keywords] == [("metaclass", "F")]
    assert [spelled(module, each) for each in node.decorators] == ["a"]
    body = facts.functions[node.body]
    assert (body.kind, [spelled(body, bind.target) for bind in body.binds]) == ("class", ["x"])
    assert [each.parent for each in facts.functions if each.name == "g"] == [node.body]


def test_outer_names_are_those_declared() -> None:
    assert function_of("def f():\n    global a, b\n    nonlocal_ = 1\n").outer_names == ("a", "b")


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("__all__ = ['a', 'b']", ("a", "b")),
        ("__all__ = ('a',)", ("a",)),
        ("__all__ = names()", ()),
        ("def f():\n    __all__ = ['a']", ()),
        ("a = 1", ()),
    ],
)
def test_exports(code: str, names: tuple[str, ...]) -> None:
    assert facts_of(code).exported == names


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("q = 'SELECT a FROM t'", ["SELECT a FROM t"]),
        (
            "q = '''\n  -- all\n  with x as (select 1) select * from x'''",
            ["\n  -- all\n  with x as (select 1) select * from x"],
        ),
        ("q = f'select * from {table} where a = {b}'", ["select * from {} where a = {}"]),
        ("q = 'DELETE FROM t' + where", ["DELETE FROM t", "DELETE FROM t{}"]),
        ("q = 'insert into t' ' values (1)'", ["insert into t values (1)"]),
        ("f('CREATE TABLE t (a int)')", ["CREATE TABLE t (a int)"]),
        ("q = 'selection of fruit'", []),
        ("q = 'updated'", []),
        ("'''Select this docstring from others.'''", []),
        ("q = 'insert coin into slot'", []),
        ("q = b'SELECT a FROM t'", []),
    ],
)
def test_texts_that_begin_like_sql(code: str, texts: list[str]) -> None:
    assert [each.text for each in facts_of(code).sql] == texts


def test_a_sql_text_has_its_place_and_function() -> None:
    facts = facts_of("def f():\n    é = 'SELECT a FROM t'\n")

    assert [(each.function, each.line, each.column) for each in facts.sql] == [(1, 2, 9)]


def test_conditional_parts_of_a_chain_share_the_else() -> None:
    module = module_of("if a:\n    x()\nelif b:\n    y()\nelif c:\n    z()\nelse:\n    w()\n")
    depths = {
        spelled(module, call.callee): contexts_of(module, call.context) for call in module.calls
    }

    assert depths == {
        "x": ["if"],
        "y": ["if", "else"],
        "z": ["if", "else", "else"],
        "w": ["else", "else", "else"],
    }


def test_a_long_chain_of_branches_is_followed() -> None:
    arms = "".join(f"elif a == {number}:\n    b()\n" for number in range(2000))

    assert len(module_of(f"if a:\n    b()\n{arms}").calls) == 2001


def test_what_nests_too_deep_is_opaque_and_the_rest_is_kept() -> None:
    deep = "[" * (MAX_DEPTH // 2 + 20) + "a()" + "]" * (MAX_DEPTH // 2 + 20)
    module = module_of(f"x = {'-' * (MAX_DEPTH + 10)}a\ny = b({deep})\n")

    assert [bind.target for bind in module.binds] == [t.Name("x"), t.Name("y")]
    assert [spelled(module, call.callee) for call in module.calls][-1] == "b"


def test_a_long_text_is_cut() -> None:
    module = module_of(f"x = {'é' * (MAX_TEXT + 5)!r}\n")
    value = module.binds[0].value

    assert isinstance(value, t.Const)
    assert value.value == "é" * MAX_TEXT


@pytest.mark.parametrize(
    ("text", "lines"), [("", 0), ("a", 1), ("a\n", 1), ("a\n\n", 2), ("a\nb", 2)]
)
def test_lines_are_counted(text: str, lines: int) -> None:
    assert facts_of(text).lines == lines


def test_facts_survive_being_stored() -> None:
    facts = facts_of(
        """
        import a, b.c as d
        from .e import *
        __all__ = ["f"]
        class G(a.H, k=1):
            x: "I" = 1
        @d.j
        async def f(l, *m, n=1, **o) -> "p[q]":
            async with r as s, t:
                async for u in v:
                    try: await w(*x, **y)
                    except z as aa: raise
                    else: return [bb async for cc in dd if ee]
            match ff:
                case {"a": gg, **hh}: yield f"SELECT {ii}"
            lambda: {1: -2.5, **jj}
            kk[1:2] = ll if mm else not (nn or oo < 1)
            global pp
            del pp; qq = "\\ud800"
        """
    )
    encoded = msgspec.msgpack.encode(facts)

    assert msgspec.msgpack.decode(encoded, type=t.FileFacts) == facts


def test_facts_hold_no_tree() -> None:
    def parts(value: object) -> list[object]:
        if isinstance(value, msgspec.Struct):
            return [p for name in value.__struct_fields__ for p in parts(getattr(value, name))]
        if isinstance(value, tuple):
            return [p for each in value for p in parts(each)]
        return [value]

    kinds = {
        type(part) for part in parts(facts_of("@a\nclass B(c):\n    def d(self): e(f'{g}')\n"))
    }
    assert kinds <= {str, int, float, bool, type(None)}
