"""Small changes to Python source, each of which a good test should notice.

Left alone are words for people (strings), annotations, and promises that no test should have to break:
``strict=True``, and the arguments of decorators.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_FUNCTIONS = (ast.FunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. ``first`` and ``last`` are the lines of the statement in which it lies, ``column`` that of the node.

    ``is_top_level`` says that the statement runs at import, so that every test may notice. ``number`` counts the
    mutants of the file.
    """

    path: Path
    first: int
    last: int
    column: int
    is_top_level: bool
    kind: str
    before: str
    after: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}:{self.first}:{self.column} {self.kind}: {self.before} -> {self.after}"


@dataclass(slots=True)
class _Place:
    """A node, the field of its parent that holds it, and the statement around it."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    statement: ast.stmt
    is_top_level: bool


def find_mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    for number, (place, kind, changed) in enumerate(_all_changes(ast.parse(path.read_text()))):
        yield Mutant(
            path=path,
            first=place.statement.lineno,
            last=_last_line(place.statement),
            column=getattr(place.node, "col_offset", 0),
            is_top_level=place.is_top_level,
            kind=kind,
            before=_words(place.node),
            after=_words(changed),
            number=number,
        )


def source_of(mutant: Mutant) -> str:
    """The file's source with the one change."""
    tree = ast.parse(mutant.path.read_text())
    for number, (place, _, changed) in enumerate(_all_changes(tree)):
        if number == mutant.number:
            _put(place, changed)
            return ast.unparse(ast.fix_missing_locations(tree))
    raise ValueError(f"{mutant} is not in its file")


def _all_changes(tree: ast.Module) -> Iterator[tuple[_Place, str, ast.AST]]:
    for place in _places(tree):
        for kind, changed in _changes(place.node):
            yield place, kind, changed


def _last_line(statement: ast.stmt) -> int:
    """Of a statement with a body, the lines of its head."""
    match statement:
        case ast.If() | ast.While() | ast.For() | ast.With() | ast.Try():
            return max(statement.lineno, statement.body[0].lineno - 1)
        case ast.Match():
            return statement.cases[0].pattern.lineno
        case _:
            return statement.end_lineno or statement.lineno


def _put(place: _Place, node: ast.AST) -> None:
    if place.index is None:
        setattr(place.parent, place.field, node)
    else:
        getattr(place.parent, place.field)[place.index] = node


def _words(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())[:90]


def _places(tree: ast.Module) -> Iterator[_Place]:
    for statement in tree.body:
        yield from _below(statement, statement, is_top_level=True)


def _below(parent: ast.AST, statement: ast.stmt, *, is_top_level: bool) -> Iterator[_Place]:
    for field, index, child in _children(parent):
        inner = child if isinstance(child, ast.stmt) else statement
        # A lambda at the top of a module is as good as any function there: all tests may reach it.
        is_top = is_top_level and not isinstance(parent, ast.FunctionDef)
        yield _Place(parent, field, index, child, inner, is_top)
        yield from _below(child, inner, is_top_level=is_top)


def _children(parent: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(parent):
        if _is_left_alone(parent, field):
            continue
        if isinstance(value, ast.AST):
            yield field, None, value
        elif isinstance(value, list):
            yield from ((field, index, item) for index, item in enumerate(value) if isinstance(item, ast.AST))


def _is_left_alone(parent: ast.AST, field: str) -> bool:
    match parent:
        case ast.JoinedStr():
            return True
        case ast.keyword(arg="strict"):
            return True
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Raise():
            return True
        case _:
            return field in {"annotation", "returns", "decorator_list", "type_params", "bases"}


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(left, [operator], [right]):
            yield "comparison", ast.Compare(left, [_COMPARISONS[type(operator)]()], [right])
        case ast.BinOp(left, operator, right) if type(operator) in _ARITHMETIC and not _is_union(node):
            yield "arithmetic", ast.BinOp(left, _ARITHMETIC[type(operator)](), right)
        case ast.AugAssign(target, operator, value) if type(operator) in _ARITHMETIC:
            yield "arithmetic", ast.AugAssign(target, _ARITHMETIC[type(operator)](), value)
        case ast.BoolOp(ast.And(), values):
            yield "boolean", ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            yield "boolean", ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield "boolean" if isinstance(node.op, ast.Not) else "arithmetic", operand
        case ast.Constant(bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(int() as value):
            yield "constant", ast.Constant(value + 1)
        case ast.Constant(float() as value):
            yield "constant", ast.Constant(value * 1.5 + 1.0)
        case ast.Return(ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "return", ast.Return(ast.Constant(None))
        case ast.If(test, body, orelse) if _is_plain(test):
            yield "boolean", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse) if _is_plain(test):
            yield "boolean", ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case _:
            return


def _is_plain(test: ast.expr) -> bool:
    """Whether no other mutation turns the condition around."""
    return not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp)


def _is_union(node: ast.BinOp) -> bool:
    """Whether ``|`` joins types, which is a word for the checker or for ``isinstance``."""
    return isinstance(node.op, ast.BitOr) and any(_is_type(side) for side in (node.left, node.right))


def _is_type(side: ast.expr) -> bool:
    match side:
        case ast.Constant(None) | ast.Subscript():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return (name[:1].isupper() and not name.isupper()) or name in {"int", "float", "bool", "str", "bytes"}
        case ast.BinOp():
            return _is_union(side)
        case _:
            return False
