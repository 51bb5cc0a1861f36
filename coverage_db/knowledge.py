"""All of the registry's text in one value: what a database is built from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.card_reading import load_cards
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.differences import Difference, Reason, load_differences, load_reasons
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.levels import load_levels
from nnapi_check.coverage_db.platform_facts import (
    load_enumerations,
    load_functions,
    load_imports,
    load_types,
)
from nnapi_check.coverage_db.spec import Enumeration, FunctionFacts, ImportRecord, Level, OperationFacts, TypeFacts
from nnapi_check.coverage_db.targets import Target, load_targets

TEXT_DIRECTORY = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of NNAPI, of PyTorch's ops, and of what the two mean differently."""

    levels: tuple[Level, ...]
    types: tuple[TypeFacts, ...]
    enumerations: tuple[Enumeration, ...]
    targets: tuple[Target, ...]
    operations: tuple[OperationFacts, ...]
    cards: tuple[Card, ...]
    differences: tuple[Difference, ...]
    reasons: tuple[Reason, ...]
    imports: tuple[ImportRecord, ...] = ()
    functions: tuple[FunctionFacts, ...] = ()


def load_knowledge(directory: Path = TEXT_DIRECTORY) -> Knowledge:
    """Read all text below ``directory``, which is laid out as ``coverage_db`` is.

    Differences and reasons are empty where their file is not there; cards that name one are then refused when
    the database is built. Raises ``TextError`` or ``CardError`` where text is malformed.
    """
    nnapi = directory / "nnapi"
    differences, reasons = directory / "differences.toml", directory / "reasons.toml"
    return Knowledge(
        levels=load_levels(nnapi / "levels.toml"),
        types=load_types(nnapi / "types.toml"),
        enumerations=load_enumerations(nnapi / "enumerations.toml"),
        targets=load_targets(nnapi / "targets.toml"),
        operations=tuple(load_operations(nnapi / "operations").values()),
        cards=tuple(load_cards(directory / "ops").values()),
        differences=tuple(load_differences(differences).values()) if differences.exists() else (),
        reasons=tuple(load_reasons(reasons).values()) if reasons.exists() else (),
        imports=load_imports(nnapi / "imports.toml"),
        functions=load_functions(nnapi / "functions.toml"),
    )
