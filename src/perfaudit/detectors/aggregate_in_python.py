"""Find rows that are loaded to be added up or compared, which the database could do."""

from collections.abc import Iterator

from perfaudit.core.finding import Match, TraceStep
from perfaudit.core.report import Opportunity
from perfaudit.program.entity_queries import entity_queries
from perfaudit.program.folded_rows import Fold, folds_of
from perfaudit.program.program import Program

WORDS = {
    "sum": "adds up",
    "max": "takes the greatest of",
    "min": "takes the least of",
    "len": "counts some of",
}


def detect(program: Program) -> Iterator[Match | Opportunity]:
    """Yield each query for whole rows, and a match for each whose rows are only folded."""
    for query in entity_queries(program):
        function = query.source.function
        place = query.location
        yield Opportunity(place, program.exposure_of(function).kind)
    for function in program.functions:
        if function.kind in ("function", "lambda"):
            for fold in folds_of(program, function):
                yield _match(program, fold)


def _match(program: Program, fold: Fold) -> Match:
    function = fold.function
    exposure = program.exposure_of(function)
    query = fold.listed.query
    return Match(
        function.place(fold.call),
        {
            "call": f"{fold.name}()",
            "does": WORDS[fold.name],
            "query": query.name,
            "columns": ", ".join(fold.columns) or "none",
        },
        trace=(*exposure.chain, TraceStep(query.location, f"{query.name} loads the rows")),
        function=function.qualname,
        endpoint=exposure.endpoint,
        exposure=exposure.kind,
        role=function.role,
    )
