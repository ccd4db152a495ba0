"""Make a table by its library, on a server, with an index that its class says: prints its name.

Reads what to make from standard input, as JSON: ``server`` (the folder of its socket), ``library``,
``table``, ``columns`` (attribute, name, type, nullable) and ``form``, what the class says.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

Column = tuple[str, str, str, bool]


def django_index(server: str, table: str, columns: list[Column], form: str) -> str:
    """Return the name of the index that Django makes."""
    import django
    from django.conf import settings
    from django.db import connection, models
    from django.db.models import Q

    database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres"}
    settings.configure(DATABASES={"default": {**database, "HOST": server}})
    django.setup()
    fields: dict[str, Callable[..., Any]] = {
        "integer": models.BigIntegerField,
        "number": models.DecimalField,
        "boolean": models.BooleanField,
        "time": models.DateTimeField,
        "json": models.JSONField,
    }
    on, wanted = _on_column(form)
    made = {
        attribute: fields.get(kind, models.TextField)(
            db_column=name, null=nullable, **(_keyword(form) if attribute == wanted else {})
        )
        for attribute, name, kind, nullable in columns
    }
    words: dict[str, Any] = {"app_label": "app", "db_table": table}
    if not on:
        words["indexes"] = [eval(form, {"models": models, "Q": Q})]
    meta = type("Meta", (), words)
    model = type("Made", (models.Model,), {"__module__": "made", "Meta": meta, **made})
    with connection.schema_editor() as editor:
        editor.create_model(model)
    with connection.cursor() as cursor:
        return _newest(connection.introspection.get_constraints(cursor, table))


def _newest(constraints: dict[str, dict[str, Any]]) -> str:
    """Return the one index that is no key, and not the one that only serves LIKE."""
    names = [
        name
        for name, told in constraints.items()
        if told["index"] and not told["primary_key"] and not name.endswith("_like")
    ]
    (name,) = names
    return name


def sqlalchemy_index(server: str, table: str, columns: list[Column], form: str) -> str:
    """Return the name of the index that SQLAlchemy makes."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql

    types: dict[str, Any] = {
        "integer": sa.BigInteger(),
        "number": sa.Numeric(),
        "boolean": sa.Boolean(),
        "time": sa.DateTime(timezone=True),
        "json": postgresql.JSONB(),
        "uuid": sa.Uuid(),
    }
    on, wanted = _on_column(form)
    made: list[Any] = [
        sa.Column(
            name,
            types.get(kind, sa.Text()),
            nullable=nullable,
            **(_keyword(form) if attribute == wanted else {}),
        )
        for attribute, name, kind, nullable in columns
    ]
    if not on:
        made.append(eval(form, {"Index": sa.Index, "text": sa.text}))
    engine = sa.create_engine(f"postgresql+psycopg://postgres@/postgres?host={server}")
    held = sa.MetaData()
    whole = sa.Table(table, held, sa.Column("made_key", sa.Integer, primary_key=True), *made)
    held.create_all(engine)
    engine.dispose()
    (index,) = whole.indexes
    return str(index.name)


def _on_column(form: str) -> tuple[bool, str]:
    """Return whether an option of one column is meant, and of which."""
    _, on, column = form.rpartition(" on ")
    return bool(on), column


def _keyword(form: str) -> dict[str, bool]:
    return {form.partition("=")[0]: True}


MAKERS = {"django": django_index, "sqlalchemy": sqlalchemy_index, "sqlmodel": sqlalchemy_index}

if __name__ == "__main__":
    told = json.load(sys.stdin)
    make = MAKERS[told["library"]]
    print(make(told["server"], told["table"], told["columns"], told["form"]))
