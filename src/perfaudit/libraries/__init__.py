"""What third-party libraries do, read from ``rules/libraries/*.yaml``."""

from perfaudit.libraries.loader import load_libraries
from perfaudit.libraries.lookup import Libraries

__all__ = ["Libraries", "load_libraries"]
