"""Findings and what was inspected, turned into scores, a grade and what-ifs."""

from perfaudit.scoring.score import grade, score, survey, total
from perfaudit.scoring.weights import Cap, Category, ScoringTable, load_weights
from perfaudit.scoring.whatif import improvements, scorecard, without

__all__ = [
    "Cap",
    "Category",
    "ScoringTable",
    "grade",
    "improvements",
    "load_weights",
    "score",
    "scorecard",
    "survey",
    "total",
    "without",
]
