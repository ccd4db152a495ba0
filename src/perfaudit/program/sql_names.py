"""Names as SQL writes them."""

RESERVED = frozenset(
    {
        *("user", "order", "group", "table", "column", "index", "key", "select", "from", "where"),
        *("references", "check", "default", "primary", "grant", "values", "case", "end", "limit"),
        *("to", "desc"),
    }
)
"""Words that are names only in quotes."""


def quoted(name: str, quote: str = '"') -> str:
    """Return a name as SQL writes it, in quotes where it must be."""
    plain = name.replace("_", "a").replace(".", "a")
    is_plain = plain.isalnum() and not name[:1].isdigit() and name == name.lower()
    return name if is_plain and name not in RESERVED else f"{quote}{name}{quote}"
