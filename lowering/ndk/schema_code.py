"""The code that reads and writes the structure of a model file, as FlatBuffers' compiler makes it of the schema.

    python -m nnapi_check.lowering.ndk.schema_code --write

needs ``flatc`` of the version that the runtime carries. Without ``--write``, it says whether the code is up to date.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
SCHEMA = FOLDER / "model_file.fbs"
HEADER = FOLDER / "runtime" / "src" / "model_file_generated.h"
MODULE = FOLDER / "model_file_generated.py"
STUBS = MODULE.with_suffix(".pyi")
VERSION = "25.12.19"

_CPP = ("--cpp", "--cpp-std", "c++11")
_PYTHON = ("--python", "--python-typing", "--gen-onefile", "--gen-object-api")
_DOCSTRING = '"""Reads and writes the structure of a model file. Made by schema_code.py; do not edit."""\n\n'


def has_compiler() -> bool:
    """Whether ``flatc`` is there, in the version that the runtime carries."""
    try:
        answer = subprocess.run(["flatc", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.strip() == f"flatc version {VERSION}"


def made() -> dict[Path, str]:
    """What the compiler makes of the schema, by the files that hold it."""
    with tempfile.TemporaryDirectory() as folder:
        for options in (_CPP, _PYTHON):
            subprocess.run(["flatc", *options, "-o", folder, str(SCHEMA)], check=True)
        found = {path: (Path(folder) / path.name).read_text(encoding="utf-8") for path in (HEADER, MODULE, STUBS)}
    return found | {MODULE: _DOCSTRING + found[MODULE]}


def main() -> int:
    """Write the code, or say what is stale."""
    if not has_compiler():
        print(f"flatc of version {VERSION} is not there.", file=sys.stderr)
        return 2
    stale = [path for path, text in made().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--write" in sys.argv[1:]:
        for path, text in made().items():
            path.write_text(text, encoding="utf-8")
        return 0
    for path in stale:
        print(f"{path} is stale.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
