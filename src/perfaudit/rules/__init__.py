"""Rule files, loaded and run.

What runs them is ``engine`` and ``strengths``, which need the analysis and are not loaded here.
"""

from perfaudit.rules.loader import load_rule, load_rules

__all__ = ["load_rule", "load_rules"]
