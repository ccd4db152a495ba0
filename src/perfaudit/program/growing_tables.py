"""Which tables grow while the program serves: their rows are made by requests and jobs."""

import re

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.program.exposure import SERVED
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.statements import statements
from perfaudit.program.tables import Table
from perfaudit.program.values import ClassType, Instance, options_of

UNSERVED = frozenset({Role.TEST, Role.MIGRATION, Role.SCRIPT})
MAKERS = frozenset(
    {
        *("create", "acreate", "get_or_create", "update_or_create", "bulk_create", "abulk_create"),
        *("aget_or_create", "aupdate_or_create", "insert", "insert_many", "bulk_save_objects"),
        *("bulk_insert_mappings", "values"),
    }
)
INSERT = re.compile(r"\s*insert\s+(?:or\s+\w+\s+)?into\s+([\w.\"`]+)", re.IGNORECASE)
SMALL = re.compile(
    r"(?:^|_)(?:organi[sz]ations?|tenants?|teams?|workspaces?|departments?|plans?|roles?|groups?|"
    r"sites?|languages?|countr(?:y|ies)|regions?|currenc(?:y|ies)|brandings?|features?|flags?|"
    r"webhooks?|domains?|models?|levels?|servers?|clusters?|gateways?|projects?|rates?|tags?|labels?)$"
    r"|(?:settings?|config(?:uration)?s?|options?|option_collections?|types?|status(?:es)?|"
    r"categor(?:y|ies)|templates?|providers?|plugins?|integrations?|permissions?|priorit(?:y|ies)|"
    r"choices?|components?|mail_?accounts?|path)$"
)
"""Names of tables with few rows as a rule, though requests may add some."""
PEOPLE = re.compile(r"(?:user|customer|member|contact|subscriber|visitor|account)s?$")


def is_small(table: Table) -> bool:
    """Return whether a table has few rows as a rule, as its name says."""
    return SMALL.search(table.name.lower().rpartition(".")[2]) is not None


def growing_tables(program: Program) -> frozenset[str]:
    """Return the names of the tables whose rows requests or jobs make. Ask it ``once``."""
    found: set[str] = set()
    for function in program.functions:
        if function.role in UNSERVED:
            continue
        if program.kind_of_exposure(function) not in SERVED:
            continue
        for call in function.facts.calls:
            at = (call.sequence, call.context)
            for node in _made(program, function, call, at):
                table = program.schema.table_of(node)
                if table is not None:
                    found.add(table.name)
    for site in program.once(statements):
        function = site.function
        if function.role in UNSERVED or program.kind_of_exposure(function) not in SERVED:
            continue
        made = INSERT.match(site.sql or "")
        table = program.schema.find(made.group(1)) if made is not None else None
        if table is not None and not table.is_view:
            found.add(table.name)
    return frozenset(found)


def _made(
    program: Program, function: FunctionNode, call: t.Call, at: tuple[int, int]
) -> list[ClassNode]:
    """Return the classes of which a call makes a row."""
    callee = call.callee
    if isinstance(callee, t.Attr) and callee.name in MAKERS:
        value = program.types.evaluate(function, callee.base, at)
        return [
            row.node
            for option in options_of(value)
            for given in getattr(option, "arguments", ())
            for row in options_of(given)
            if isinstance(row, Instance)
        ]
    spoken_of: t.Expr | None = None
    if _last(callee)[:1].isupper():
        spoken_of = callee
    elif _last(callee) == "insert" and call.arguments:
        spoken_of = call.arguments[0]
    if spoken_of is None:
        return []
    found = program.types.evaluate(function, spoken_of, at)
    return [option.node for option in options_of(found) if isinstance(option, ClassType)]


def _last(value: t.Expr) -> str:
    return value.name if isinstance(value, t.Attr) else getattr(value, "id", "")


def grows_by_use(table: Table) -> bool:
    """Return whether rows surely come with use: they belong to other rows, or are people."""
    has_parent = any(item.references for item in table.columns.values()) or any(
        relation.kind == "many_to_one" and not relation.reverse
        for relation in table.relations.values()
    )
    return has_parent or PEOPLE.search(table.name.lower()) is not None
