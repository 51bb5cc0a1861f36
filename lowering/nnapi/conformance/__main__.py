"""``python -m nnapi_check.lowering.nnapi.conformance FILE.jsonl ...`` runs conformance vectors."""

import sys

from nnapi_check.lowering.nnapi.conformance.runner import main

if __name__ == "__main__":
    sys.exit(main())
