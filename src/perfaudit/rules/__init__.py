"""Rule files, loaded and run."""

from perfaudit.rules.engine import Judgement, judge
from perfaudit.rules.loader import load_rule, load_rules
from perfaudit.rules.strengths import strengths_of

__all__ = ["Judgement", "judge", "load_rule", "load_rules", "strengths_of"]
