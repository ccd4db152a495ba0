"""Text from audited code on one line that acts on nothing: no terminal, no runner of workflows."""

import re

INVISIBLE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff"  # halves of pairs: what is left of bytes that are no UTF-8
    "\U000e0000-\U000e007f"  # tags: invisible letters
    "]"
)
# What runners of workflows take for a command in the log of a job, the second one at its start.
RUNNER_COMMAND = re.compile(
    "#(?=#[A-Za-z]*\\[)"
    "|:(?=:(?:add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|notice|remove-matcher"
    "|save-state|set-env|set-output|stop-commands|warning)\\b)",
    re.IGNORECASE,
)


def visible(text: str) -> str:
    """Return the text on one line, with every character that acts or hides written as an escape."""
    return RUNNER_COMMAND.sub(_escape, INVISIBLE.sub(_escape, text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code <= 0xFF:
        return {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
