"""``python -m nnapi_check`` is ``nnapi-check``."""

from __future__ import annotations

from nnapi_check.cli import main

if __name__ == "__main__":
    main(prog_name="nnapi-check")
