"""The JSON schema of reports, made from the dataclasses that hold them.

python -m nnapi_check.reports.schema            print it
python -m nnapi_check.reports.schema --write    write it to reports/schema/report-1.json
python -m nnapi_check.reports.schema --check    exit with 1 where that file is stale
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Union, get_args, get_origin, get_type_hints

from nnapi_check.coverage_db.writing.output import write_text
from nnapi_check.reports.json_format import SCHEMA_VERSION
from nnapi_check.reports.views import ModelReport

SCHEMA_FILE = Path(__file__).parent / "schema" / f"report-{SCHEMA_VERSION}.json"

Schema = Mapping[str, object]

_PLAIN: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    # A number that JSON cannot write, such as an infinite error, is null.
    float: {"type": ["number", "null"]},
    type(None): {"type": "null"},
}


def report_schema() -> Schema:
    """The schema of a whole report."""
    definitions: dict[str, Schema] = {}
    body = _object(ModelReport, definitions)
    properties = {"schema_version": {"const": SCHEMA_VERSION}, **_mapping(body["properties"])}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Report of nnapi-check, version {SCHEMA_VERSION}",
        **body,
        "properties": properties,
        "required": list(properties),
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def schema_text() -> str:
    """The schema as it stands in the repository."""
    return json.dumps(report_schema(), indent=2) + "\n"


def _object(kind: type, definitions: dict[str, Schema]) -> dict[str, object]:
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} is no dataclass, so it has no schema")
    hints = get_type_hints(kind)
    found: dict[str, object] = {"type": "object"}
    if kind.__doc__:
        found["description"] = " ".join(kind.__doc__.split())
    found["properties"] = {field.name: _schema(hints[field.name], definitions) for field in fields(kind)}
    found["required"] = [field.name for field in fields(kind)]
    found["additionalProperties"] = False
    return found


def _schema(kind: object, definitions: dict[str, Schema]) -> Schema:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if get_origin(kind) in (Union, types.UnionType):
        return {"anyOf": [_schema(part, definitions) for part in get_args(kind)]}
    if get_origin(kind) is tuple:
        (item, _) = get_args(kind)
        return {"type": "array", "items": _schema(item, definitions)}
    if not isinstance(kind, type):
        raise TypeError(f"{kind} has no schema")
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}
        definitions[kind.__name__] = _object(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _mapping(item: object) -> Mapping[str, object]:
    if not isinstance(item, Mapping):
        raise TypeError(f"{item!r} is no mapping")
    return item


def main(arguments: Sequence[str]) -> int:
    """Print, write or check the schema."""
    match list(arguments):
        case []:
            sys.stdout.write(schema_text())
        case ["--write"]:
            SCHEMA_FILE.parent.mkdir(exist_ok=True)
            write_text(SCHEMA_FILE, schema_text())
        case ["--check"]:
            if not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text(encoding="utf-8") != schema_text():
                sys.stderr.write(f"{SCHEMA_FILE} is stale; run `python -m nnapi_check.reports.schema --write`.\n")
                return 1
        case _:
            sys.stderr.write("usage: python -m nnapi_check.reports.schema [--write | --check]\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
