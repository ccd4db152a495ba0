"""Whether a condition finds few rows: what its column holds, as type and name say it."""

import re

from perfaudit.facts import types as t
from perfaudit.program.relational import Condition
from perfaudit.program.tables import Column, Table

FEW_VALUES = re.compile(
    r"(?:^|_)(?:is|has|can|allow\w*|enabl\w*|disabl\w*|activ\w*|archiv\w*|deleted|visible|public|"
    r"private|status|state|type|kind|level|role|category|mode|priority|lang|language|locale|"
    r"country|currency|gender|region|provider|platform|channel|source|format|method|scope|group|"
    r"version|year|month|day|direction|severity|environment|env|tier|plan|step|stage|reason|unit|"
    r"protocol|action|result|backend|driver|processor|service|domain|namespace|model|class|"
    r"position|order|rank|flag|verified|enabled|default|required|read|seen|sent|processed|done)"
    r"(?:$|_(?:at|on|by)$)|(?:_(?:type|status|state|kind|flag|mode|level|code_type))$"
)
"""Names of columns with few different values: an index does not tell their rows apart."""
TELLING_TYPES = frozenset({"text", "uuid", "integer", "other"})
CHOICES = frozenset({"choices", "enum"})
TELLING = re.compile(
    r"(?:^|_)(?:id|ids|uuid|guid|uid|key|token|hash|digest|checksum|email|mail|slug|handle|"
    r"username|login|phone|number|code|reference|ref|path|url|uri|name|identifier|secret|"
    r"fingerprint|sha|sha1|sha256|md5|ip|address|serial|barcode|isbn|sku|nonce|hostname|filename)$"
)
"""Names of columns whose values tell rows apart."""


def tells_rows_apart(condition: Condition) -> bool:
    """Return whether a condition of equality surely finds few of many rows."""
    column = condition.column
    if column.type not in TELLING_TYPES or FEW_VALUES.search(column.name):
        return False
    if column.type == "uuid":
        return True
    return TELLING.search(column.name) is not None and not _has_choices(condition.table, column)


def _has_choices(table: Table, column: Column) -> bool:
    """Return whether the class of a table lists the values of a column."""
    if table.node is None:
        return False
    for attribute, known in table.columns.items():
        if known is not column:
            continue
        for bind in table.node.body.binds.get(attribute, ()):
            if isinstance(bind.value, t.CallRef):
                call = table.node.body.facts.calls[bind.value.index]
                if any(name in CHOICES for name, _ in call.keywords):
                    return True
                for given in call.arguments:
                    if isinstance(given, t.CallRef):
                        inner = table.node.body.facts.calls[given.index].callee
                        if getattr(inner, "name", getattr(inner, "id", "")).endswith("Enum"):
                            return True
    return False
