"""The committed list of PyTorch's ops and their schemas, against which cards and an installed PyTorch are held.

It holds the Core ATen set and every op that has a card. It knows nothing of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.errors import UserError

SCHEMAS_FILE = Path(__file__).parent / "torch_schemas.txt"
_HEADING = "# Schemas of the Core ATen set and of every op with a card, as PyTorch {version} has them."


class SchemaListError(UserError):
    """The list cannot be read or written."""


@dataclass(frozen=True, slots=True)
class SchemaList:
    """Schemas by op, of one version of PyTorch."""

    version: str
    schemas: Mapping[str, str]


def read_schema_list(path: Path = SCHEMAS_FILE) -> SchemaList:
    """The list at ``path``: a heading that names the version, and a line for each op."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaListError(f"{path} cannot be read: {error}") from error
    before, _, after = _HEADING.partition("{version}")
    if not lines or not (lines[0].startswith(before) and lines[0].endswith(after)):
        raise SchemaListError(f"{path}, line 1: wants {_HEADING!r}")
    schemas: dict[str, str] = {}
    for number, line in enumerate(lines[1:], 2):
        op, _, schema = line.partition(" ")
        if not schema or op in schemas:
            raise SchemaListError(f"{path}, line {number}: wants an op that is new and its schema, found {line!r}")
        schemas[op] = schema
    return SchemaList(lines[0][len(before) : len(lines[0]) - len(after)], schemas)


def schema_list_text(listed: SchemaList) -> str:
    """The text of a list, by op."""
    lines = [_HEADING.format(version=listed.version)]
    lines += [f"{op} {schema}" for op, schema in sorted(listed.schemas.items())]
    return "\n".join(lines) + "\n"
