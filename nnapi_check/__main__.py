"""``python -m nnapi_check`` is ``nnapi-check``."""

from nnapi_check.cli import main

main(prog_name="nnapi-check")
