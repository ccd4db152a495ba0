"""Text that an audited project may hold to deceive or to break a report."""

from dataclasses import replace

from sample_report import sample_finding, sample_report

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.core.problem import Problem
from perfaudit.core.report import EndpointCard, Report, Strength

HOSTILE = {
    "terminal sequence": "\x1b[2J\x1b[31mred\x1b]8;;http://evil.example\x07link",
    "eight-bit sequence": "\x9b31mred",
    "carriage return": "harmless\rFORGED",
    "lines": "one\n## FORGED heading\n\n<!-- ",
    "backspace and bell": "abc\x08\x08\x07",
    "direction": "user\u202e\u2066// admin\u2069\u2066",
    "hidden": "a\u200bb\ufeffc\u2028d\U000e0041",
    "rich markup": "[bold red]FORGED[/bold red] [link=http://evil.example]x[/link] :boom:",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)> &lt;",
    "markdown": "`code` ``two`` ```\n```\n**bold** [text](javascript:alert(1)) ![i](http://x)",
    "table": "a | b || \\| c",
    "sarif link": "[click](0) \\[esc\\] {0} {{1}}",
    "half a pair": "caf\udce9.py \ud800",
    "format": "%s %(x)s {x} $PATH `whoami`",
    "other scripts": "naïve 日本語 🧨 e\u0301",
    "empty": "",
    "long": "x" * 5000,
}

FORBIDDEN = [
    *(chr(code) for code in range(0x20) if chr(code) != "\n"),
    *(chr(code) for code in range(0x7F, 0xA0)),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\u2028\u2029\ufeff",
    "\U000e0041",
    "\ud800",
    "\udce9",
]
"""What no report may hold, whatever it was made of."""


def hostile_report(text: str) -> Report:
    """Return a report with the text in every place that comes from the audited code."""
    location = Location(f"app/{text}.py", 3, 2, 3, 9)
    finding = sample_finding(
        location=location,
        message=text,
        function=text,
        endpoint=text,
        trace=(
            TraceStep(location, text),
            TraceStep(Location("app/end.py", 1), f"{text} {text}"),
        ),
        cost=text,
        fix=text,
        words={"table": text},
        snippet=f"  {text}",
    )
    rules_own_fix = replace(finding, fix="", fingerprint="f" * 32, location=Location("b.py", 1))
    problem = Problem(text, 1, "syntax", text)
    report = sample_report(
        findings=(finding, rules_own_fix),
        suppressed=(replace(finding, suppressed=text),),
        problems=(problem, Problem("", 0, "internal", text)),
    )
    card = EndpointCard(
        method="GET",
        path=text,
        handler=text,
        location=location,
        queries=text,
        degree=1,
        http_calls=text,
        blocking=(text,),
        cached=False,
        dispatch="event-loop",
        resolved=0.5,
    )
    return replace(
        report,
        project=replace(report.project, root=text),
        coverage=replace(report.coverage, unresolved={text: 3}),
        endpoints=(card,),
        strengths=(Strength("database", text, 2),),
    )
