"""Lets ``python -m tidegate`` do what the ``tidegate`` command does."""

from tidegate.cli import main

if __name__ == "__main__":
    main()
