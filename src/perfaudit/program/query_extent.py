"""How much of a table a query speaks of: all rows, or those of somebody or something."""

from perfaudit.program.relational import NULL, Query


def is_whole(query: Query) -> bool:
    """Return whether no condition hangs on who asks or for what: constants tell few rows apart."""
    if query.via_relation or query.joins:
        return False
    return all(
        condition.constant is not None or condition.operator == NULL
        for condition in query.conditions
    )
