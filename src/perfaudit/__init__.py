"""perfaudit: a static performance auditor for Python."""

__version__ = "0.1.0"
