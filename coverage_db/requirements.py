"""Requirements: conditions with their reasons. Those of several families stand once, and cards list them by name.

``coverage_db/requirements.toml`` holds those of several families, the table ``requirements`` of a family's file those
of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.card_text import CardTable, mapping, read_toml
from nnapi_check.coverage_db.checks import CardError, Check, parse_check, wording
from nnapi_check.coverage_db.user_documents import shown

_OTHER_WAY = "Nothing: another way is for such calls."


@dataclass(frozen=True, slots=True)
class Requirement:
    """A condition with its reason. It is demanded at feature levels up to ``until`` (all, where None).

    ``wanted`` says it in words where those of the check would be long.
    One that ``selects`` only says which calls its way is for: others have their own, so there is nothing to fix.
    """

    id: str
    check: Check
    because: str
    fix: str
    reason: str = ""
    until: int | None = None
    selects: bool = False
    wanted: str = ""

    @property
    def condition(self) -> str:
        """What is demanded, in words: those of the card, or the check's own."""
        return self.wanted or wording(self.check)


def read_common(path: Path) -> Mapping[str, Mapping[str, object]]:
    """The requirements of several families, by the names under which cards list them."""
    tables = read_toml(path) if path.is_file() else {}
    return {name: mapping(table, f"{path.name}, {name}") for name, table in tables.items()}


def parse_shared(raw: object, where: str, common: Mapping[str, Mapping[str, object]]) -> dict[str, Requirement]:
    """The requirements that a family's cards may name: its own, and the ``common`` ones as it states them."""
    own = {name: mapping(table, f"{where}, {name}") for name, table in mapping(raw, where).items()}
    found: dict[str, Requirement] = {}
    for name in {**common, **own}:
        table = {**common.get(name, {}), **own.get(name, {})}
        if name in common and "check" in own.get(name, {}):
            raise CardError(f"{where}, {name}: families share a requirement of that name, whose check is another")
        if name in own or "because" in table:
            found[name] = parse_requirement({"id": name, **table}, where, {})
    return found


def parse_requirement(raw: object, where: str, shared: Mapping[str, Requirement]) -> Requirement:
    """Read a requirement from its table, or take the one of ``shared`` that it is the name of."""
    if isinstance(raw, str):
        if raw not in shared:
            raise CardError(f"{where}: this family shares no requirement {raw!r}; it has {sorted(shared)}")
        return shared[raw]
    table = CardTable(raw, f"{where}, requires")
    id_ = table.text("id")
    table.where = where = f"{where}, requirement {id_}"
    selects = table.take("selects", False)
    if not isinstance(selects, bool):
        raise CardError(f"{where}: `selects` is true or false, found {shown(selects)}")
    requirement = Requirement(
        id=id_,
        check=parse_check(table.take("check"), where),
        because=table.text("because"),
        fix=_fix(table, selects=selects),
        selects=selects,
        wanted=table.optional_text("wanted") or "",
        reason=table.optional_text("reason") or "",
        until=table.optional_int("until"),
    )
    table.close()
    return requirement


def _fix(table: CardTable, *, selects: bool) -> str:
    if not selects:
        return table.text("fix")
    # That of a shared requirement is for the families where it does not only select.
    table.take("fix")
    return _OTHER_WAY
