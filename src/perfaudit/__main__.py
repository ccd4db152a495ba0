"""``python -m perfaudit``."""

from perfaudit.cli import main

if __name__ == "__main__":
    main()
