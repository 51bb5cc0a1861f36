"""``nnapi-check``, which ``python -m nnapi_check`` is as well."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. An interrupt ends it without a word, also while it is still being imported."""
    try:
        from nnapi_check.cli import main as command

        command(prog_name="nnapi-check")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
