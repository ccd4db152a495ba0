"""Rule files, loaded and run."""

from perfaudit.rules.loader import load_rule, load_rules

__all__ = ["load_rule", "load_rules"]
