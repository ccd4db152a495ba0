import pytest

from perfaudit.core.levels import Role
from perfaudit.sources import role_of


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("tests/api.py", Role.TEST),
        ("src/app/tests/factories.py", Role.TEST),
        ("app/test_views.py", Role.TEST),
        ("app/views_test.py", Role.TEST),
        ("app/tests.py", Role.TEST),
        ("conftest.py", Role.TEST),
        ("shop/pytest/orders.py", Role.TEST),
        ("app/pytest_plugin.py", Role.TEST),
        ("app/testing/client.py", Role.TEST),
        ("Tests/api.py", Role.TEST),
        ("selenium_tests/pages.py", Role.TEST),
        ("unittests/pages.py", Role.TEST),
        ("shop/load-tests/orders.py", Role.TEST),
        ("tests/migrations/0001_initial.py", Role.TEST),
        ("shop/migrations/0001_initial.py", Role.MIGRATION),
        ("alembic/versions/abc_add_index.py", Role.MIGRATION),
        ("app/alembic/env.py", Role.MIGRATION),
        ("shop/management/commands/rebuild.py", Role.COMMAND),
        ("scripts/load.py", Role.SCRIPT),
        ("bin/serve.py", Role.SCRIPT),
        ("tools/release.py", Role.SCRIPT),
        ("benchmarks/rows.py", Role.SCRIPT),
        ("setup.py", Role.SCRIPT),
        ("manage.py", Role.SCRIPT),
        ("noxfile.py", Role.SCRIPT),
        ("examples/basic/app.py", Role.EXAMPLE),
        ("docs/conf.py", Role.EXAMPLE),
        ("samples/app.py", Role.EXAMPLE),
        ("demo/app.py", Role.EXAMPLE),
        ("src/sandbox/app.py", Role.EXAMPLE),
        ("shop/project_template/project_name/settings.py", Role.EXAMPLE),
        ("shop/project_templates/plain/urls.py", Role.EXAMPLE),
        ("cookiecutter-shop/hooks/load.py", Role.EXAMPLE),
        ("{{ shop.name }}/app.py", Role.EXAMPLE),
        ("shop/{{name}}.py", Role.EXAMPLE),
        ("sandbox/management/commands/rebuild.py", Role.EXAMPLE),
    ],
)
def test_role(path: str, role: Role) -> None:
    assert role_of(path) is role


@pytest.mark.parametrize(
    "path",
    [
        "app/contest.py",
        "latest/views.py",
        "app/testimonials.py",
        "app/contests/views.py",
        "means_test_api/views.py",
        "contests/views.py",
        "lab_tests/views.py",
        "ab_tests/api.py",
        "app/attest.py",
        "app/protest/views.py",
        "app/testable.py",
        "app/tasks.py",
        "app/binary.py",
        "app/versions/api.py",
        "app/env.py",
        "app/tools/release.py",
        "app/demo/views.py",
        "app/project_templating.py",
        "app/sandboxes/views.py",
        "app/management/views.py",
        "app/commands/rebuild.py",
        "app/migration.py",
        "app/documents/views.py",
        "app/examples.py",
        "app/scripts.py",
        "app/demos_api.py",
        "app/toolset/run.py",
        "app/mysetup.py",
        "main.py",
    ],
)
def test_near_miss_is_production(path: str) -> None:
    assert role_of(path) is Role.PRODUCTION
