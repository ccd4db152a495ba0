"""How much of a table a query speaks of: all rows, or those of somebody or something."""

from perfaudit.program.relational import NULL, RANGE, Query


def is_whole(query: Query) -> bool:
    """Return whether no condition hangs on who asks or for what: constants tell few rows apart."""
    if query.via_relation or query.joins:
        return False
    return all(
        condition.constant is not None or condition.operator == NULL
        for condition in query.conditions
    )


def is_open(query: Query) -> bool:
    """Return whether conditions leave as many rows as there may ever be: none but constants, and
    what is before or after something."""
    sides: dict[str, int] = {}
    for condition in query.conditions:
        if condition.operator == RANGE:
            sides[condition.column.name] = sides.get(condition.column.name, 0) + 1
        elif condition.constant is None and condition.operator != NULL:
            return False
    if query.via_relation or query.joins or query.optional:
        return False
    return all(number == 1 for number in sides.values())
