"""Count the queries of an application in Django: see ``query_counting.py``."""

import os
import sys
from collections.abc import Callable
from typing import Any

from query_counting import Counts, Request, answer


def start() -> Callable[[Request], Counts]:
    """Return what counts the queries of a request. The rows are as before when it is done."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    from clinic.factories import populate
    from django.contrib.auth.models import User
    from django.core.cache import cache
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.test import Client

    call_command("migrate", run_syncdb=True, verbosity=0)
    User.objects.create_superuser("admin", password="admin")
    loaded: list[tuple[int, int]] = []

    def counts(request: Request) -> Counts:
        if loaded[-1:] != [request.sizes]:
            call_command("flush", interactive=False, verbosity=0)
            User.objects.create_superuser("admin", password="admin")
            populate(*request.sizes)
            loaded.append(request.sizes)
        found = Counts()

        def note(execute: Any, sql: str, *given: Any) -> Any:
            found.add(sql)
            return execute(sql, *given)

        client = Client()
        if request.path.startswith("/admin/"):
            client.force_login(User.objects.get())
        cache.clear()
        with transaction.atomic():
            with connection.execute_wrapper(note):
                response = client.generic(request.method, request.path)
                b"".join(response.streaming_content) if response.streaming else response.content
            transaction.set_rollback(True)
        found.status = response.status_code
        return found

    return counts


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    answer(start)
