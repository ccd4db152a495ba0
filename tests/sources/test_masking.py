import pytest

from perfaudit.sources import mask_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('x = "postgresql://app:hunter2@db/app"', 'x = "postgresql://app:***@db/app"'),
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        ("amqp://a:p@ss/word@host", "amqp://a:***@host"),
        ("redis://:a1@h1 redis://:b2@h2", "redis://:***@h1 redis://:***@h2"),
        ("https://0123456789abcdef0123@sentry.io/1", "https://***@sentry.io/1"),
        ('connect(password="hunter2")', 'connect(password="***")'),
        ("connect(password='it\\'s', x=1)", "connect(password='***', x=1)"),
        ('token: "abc def"', 'token: "***"'),
        ("api_key = 'abc'", "api_key = '***'"),
        ('API_KEY: str = "abc"', 'API_KEY: str = "***"'),
        ('{"client_secret": "abc"}', '{"client_secret": "***"}'),
        ('os.environ["DB_PASSWORD"] = "abc"', 'os.environ["DB_PASSWORD"] = "***"'),
        ('os.getenv("SECRET_KEY", "abc")', 'os.getenv("SECRET_KEY", "***")'),
        ('if password == "abc":', 'if password == "***":'),
        ("PASSWORD=hunter2", "PASSWORD=***"),
        ("  POSTGRES_PASSWORD: hunter2", "  POSTGRES_PASSWORD: ***"),
        ("host=db password=hunter2 user=app", "host=db password=*** user=app"),
        ("https://api/x?api_key=abc123&page=2", "https://api/x?api_key=***&page=2"),
        ("aws_secret_access_key = wJalrXUtnFEMI", "aws_secret_access_key = ***"),
        ("key AKIAIOSFODNN7EXAMPLE here", "key *** here"),
        ('{"Authorization": "Bearer abcdef123456"}', '{"Authorization": "Bearer ***"}'),
        ('get(u, auth=("user", "hunter2"))', 'get(u, auth=("user", "***"))'),
        ("HTTPBasicAuth(user, 'hunter2')", "HTTPBasicAuth(user, '***')"),
        ('server.login("user", "hunter2")', 'server.login("user", "***")'),
        ("Authorization: Basic dXNlcjpwYXNz=", "Authorization: Basic ***"),
        ("x = 'ghp_0123456789abcdefghijABCDEFGHIJ012345'", "x = '***'"),
        ("client('sk-proj-0123456789abcdef0123')", "client('***')"),
        ("h = 'eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ'", "h = '***'"),
    ],
)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "rows = await connection.fetch('SELECT id FROM users WHERE id = $1', user_id)",
        "cursor.execute('SELECT * FROM t WHERE token = %s', (token,))",
        "User.objects.filter(token=token).first()",
        "connect(password=settings.DB_PASSWORD, host=host)",
        "password = os.environ['DB_PASSWORD']",
        "token = create_token(user)",
        "token = tokens[0]",
        "def login(password: str, token: str | None = None):",
        'url = f"postgresql://{user}:{password}@{host}/app"',
        "postgresql://app:${DB_PASSWORD}@db/app",
        "POSTGRES_PASSWORD: ${DB_PASSWORD}",
        'api_key = ""',
        "max_tokens=4096, tokens = 12",
        "for token in tokenize(text): count[token] += 1",
        "https://example.com:8080/path and a@b.example",
        "the bearer credentials and basic authentication of the token",
        'author("a", "b"), auth=(user, password)',
        "monkey = 'banana'; keyboard: 'x'",
        "SELECT password, token FROM users",
        "def f(path: str) -> None: ...",
    ],
)
def test_code_without_secrets_stays(text: str) -> None:
    assert mask_secrets(text) == text


def test_masking_twice_changes_nothing() -> None:
    once = mask_secrets('connect("redis://:abc@h", password="x", token=abc)')
    assert mask_secrets(once) == once


@pytest.mark.parametrize("part", ["password", "a://", "token:", "x" * 50, "a://:", '"', "= "])
def test_long_lines_end(part: str) -> None:
    assert mask_secrets(part * (20_000 // len(part)))
