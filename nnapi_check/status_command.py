"""The command that counts what the registry holds. It imports PyTorch only where that is asked for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from nnapi_check.analyzer.ops.installed_ops import TorchComparison, compare_with_torch, installed_ops
from nnapi_check.coverage_db.known_schemas import SCHEMAS_FILE, SchemaList, read_schema_list, schema_list_text
from nnapi_check.coverage_db.queries import Registry
from nnapi_check.coverage_db.status import RegistryStatus
from nnapi_check.coverage_db.writing.output import write_whole
from nnapi_check.reports.json_format import json_text
from nnapi_check.reports.registry_text import status_text
from nnapi_check.reports.status_text import torch_lines


def output(registry: Registry, form: str, *, with_torch: bool, whole: bool) -> str:
    """The registry's status, and with it the installed PyTorch's where that is asked for."""
    found = registry.status()
    compared = _compared(registry) if with_torch else None
    if form == "json":
        return json_text(_document(found, compared))
    lines = [status_text(found, whole=whole)]
    if compared is not None:
        lines += ["", *torch_lines(compared)]
    return "\n".join(lines)


def _document(found: RegistryStatus, compared: TorchComparison | None) -> dict[str, object]:
    document = {"operations": found.rows("operations"), "ops": found.rows("ops"), **asdict(found)}
    return document if compared is None else {**document, "torch": asdict(compared)}


def _compared(registry: Registry) -> TorchComparison:
    cards = [card.op for card in registry.cards()]
    listed = read_schema_list()
    return compare_with_torch(installed_ops({*cards, *listed.schemas}), cards, listed)


def write_list(registry: Registry, path: Path = SCHEMAS_FILE) -> int:
    """Write the list of the installed PyTorch's schemas anew, and give the number of its ops."""
    installed = installed_ops([card.op for card in registry.cards()])
    text = schema_list_text(SchemaList(installed.version, installed.schemas))
    write_whole(path, text.encode("utf-8"))
    return len(installed.schemas)
