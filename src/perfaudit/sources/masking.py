"""Hide secrets in a line that is shown."""

import re
from functools import lru_cache

MASK = "***"
NAME = (
    r"(?<![A-Za-z0-9_.-])[A-Za-z0-9_.-]{0,80}(?:password|passwd|passphrase|pwd|secret|token|"
    r"(?:api|access|private|secret|auth|encryption|signing|account)[_-]?key|credentials?)"
    r"(?:[_-](?:id|key|value|hash|base64))?"
)
QUOTED_VALUE = re.compile(
    rf"""(?P<head>(?:\(\s*["']{NAME}["']\s*,|["']?{NAME}["']?\]?"""
    r"""(?:\s*:\s*[\w.|\[\] ]{1,60}?)?\s*(?:=>|[=!]=|:=|[:=]))\s*[rbu]{0,2})"""
    r"""(?P<quote>["'])(?P<value>(?:[^\\\n]|\\.)*?)(?P=quote)""",
    re.IGNORECASE,
)
BARE_VALUE = re.compile(
    rf"""(?P<head>["']?(?P<name>{NAME})["']?\s*(?:=|:(?!:))[ \t]*)"""
    r"""(?P<value>[^\s"'`,;&=)\]}(\[][^\s"'`,;&)\]}(\[]*)(?P<after>[(\["'`]?)""",
    re.IGNORECASE,
)
URL = re.compile(
    r"""(?P<head>\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@"'<>]{0,200}:)"""
    r"""(?P<value>(?:(?!://)[^\s"'<>]){1,500})(?=@)""",
    re.IGNORECASE,
)
URL_KEY = re.compile(r"""(?<=://)[^\s/:@"'<>{}$]{16,200}(?=@)""")
PAIR = re.compile(
    r"""(?P<head>\b\w{0,40}(?:auth|login)\s*[=(]\s*\(?\s*"""
    r"""(?:"[^"\n]{0,200}"|'[^'\n]{0,200}'|[\w.]{1,100})\s*,\s*)"""
    r"""(?P<quote>["'])(?P<value>(?:[^\\\n]|\\.)*?)(?P=quote)""",
    re.IGNORECASE,
)
SCHEME = re.compile(
    r"""(?P<head>\b(?:Bearer|Basic)\s+)(?=[^\s"']*[0-9=])[a-z0-9._~+/=-]{8,}""", re.IGNORECASE
)
TOKEN = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,255}|\bgithub_pat_[A-Za-z0-9_]{20,255}"
    r"|\bglpat-[A-Za-z0-9_-]{16,255}|\bxox[abprs]-[A-Za-z0-9-]{10,255}"
    r"|\b[sr]k[-_](?:live_|test_|ant-|proj-)?(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,255}"
    r"|\bAIza[A-Za-z0-9_-]{35}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|(?<=PRIVATE KEY-----)[^-]+"
)
# What stands for a secret is not one: a name, a placeholder, a type, an empty value.
STAND_IN = re.compile(
    r"""\$?\{.*|\$\w+|%s|%\(.*|<.*|\?|:\w+|\$\d+|\*+"""
    r"""|(?:self|cls|os|env|environ|settings|config|conf|request|args|app|secrets)\..+"""
    r"""|none|null|true|false|str|int|bytes|bool|any|secretstr|optional|\d{1,3}|""",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def mask_secrets(text: str) -> str:
    """Return the text with passwords, tokens and keys written as ``***``."""
    masked = URL.sub(_mask_value, text)
    masked = URL_KEY.sub(MASK, masked)
    masked = SCHEME.sub(rf"\g<head>{MASK}", masked)
    masked = PAIR.sub(_mask_quoted, masked)
    masked = QUOTED_VALUE.sub(_mask_quoted, masked)
    masked = BARE_VALUE.sub(_mask_bare, masked)
    return TOKEN.sub(MASK, masked)


def _mask_value(found: re.Match[str]) -> str:
    return found["head"] + (found["value"] if STAND_IN.fullmatch(found["value"]) else MASK)


def _mask_quoted(found: re.Match[str]) -> str:
    quote = found["quote"]
    return f"{found['head']}{quote}{_shown(found['value'])}{quote}"


def _mask_bare(found: re.Match[str]) -> str:
    value, after = found["value"], found["after"]
    name = found["name"].rpartition(".")[2]
    is_code = after in ("(", "[") or value.rpartition(".")[2] == name
    is_prefix = after in ('"', "'") and len(value) <= 2
    return found["head"] + (value if is_code or is_prefix else _shown(value)) + after


def _shown(value: str) -> str:
    return value if STAND_IN.fullmatch(value) else MASK
