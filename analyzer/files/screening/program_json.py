"""The description of an exported program (the JSON in a ``.pt2`` file), and what of it PyTorch's reader may see.

PyTorch's reader evaluates sizes as Python, resolves names of functions by attributes, executes guards, and writes
Python source from the names of values. So every text in the description is held against what may stand in its place,
and what is not needed (guards, most of what is told of each node) is left out.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable
from typing import TypeAlias

from nnapi_check.analyzer.files.screening.known_ops import may_be_left, may_be_traced, words
from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.screening.symbolic_expression import check_expression

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_MAX_SIZE = 256 << 20
_MAX_DEPTH = 60
_MAX_TREE_DEPTH = 30
_WANTED = "a program as torch.export.save writes it"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_PATH = re.compile(r"[\w.\-]*", re.ASCII)
_WORDS = re.compile(r"[\w.,:;+\-*/=<> ()\[\]{}|@&!?#%^~$]*")
_OP = re.compile(r"torch\.ops\.([A-Za-z_]\w*)\.([A-Za-z_]\w*)\.([A-Za-z_]\w*)", re.ASCII)
_SPACE = re.compile(rb"torch\.ops\.(\w+)\.")
_OF_SUBCLASSES = "torch.ops.export.access_subclass_inner_tensor.default"
_HIGHER_ORDER = frozenset(
    f"torch.ops.higher_order.{name}"
    for name in words("cond while_loop map_impl scan associative_scan wrap_with_set_grad_enabled wrap_with_autocast")
)
_ON_NUMBERS = frozenset(
    f"_operator.{name}"
    for name in words("add sub mul floordiv truediv mod neg pos abs eq ne lt le gt ge and_ or_ not_ getitem")
) | words("""
    torch.sym_float torch.sym_int torch.sym_ite torch.sym_max torch.sym_min torch.sym_not torch.sym_sqrt torch.sym_sum
    torch._sym_sqrt math.ceil math.floor math.trunc math.sqrt
    """)
_TREES = frozenset(
    {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", "collections.deque", None}
)
_GUARD = re.compile(r"(?:(?!__)[\w.,'\"\[\]() <>=!+\-*/%&|~])*", re.ASCII)
_CALL = re.compile(r"(?<!\w)(\w++)\(")
_IN_GUARDS = words("""
    size stride storage_offset Max Min Mod Eq Ne and or not if max min ceil floor
    sym_max sym_min sym_float sym_int sym_ite sym_not sym_sqrt
    """)
_FRAME = re.compile(r'^ *File "(?P<file>[^"\x00-\x1f\x7f]{1,1000})", line (?P<line>\d{1,9})\b', re.MULTILINE)
_NAMES = frozenset({"name", "as_name", "forward_arg_names"})
_PATHS = frozenset({"parameter_name", "buffer_name", "tensor_constant_name", "user_input_name", "fqn", "path_name"})
_TABLES_OF_VALUES = frozenset({"tensor_values", "sym_int_values", "sym_bool_values", "sym_float_values"})
_OF_OBJECTS = frozenset({"custom_obj", "as_custom_obj"})


def read_json(data: bytes) -> Json:
    """The JSON in ``data``. Raises ``ValueError`` where it is none."""
    if len(data) > _MAX_SIZE:
        raise ValueError(f"a description of {len(data):,} bytes is longer than any")
    try:
        found: Json = json.loads(data)
    except RecursionError as error:
        raise ValueError("a description is nested too deep") from error
    return found


def spaces_of_ops(text: bytes) -> frozenset[str]:
    """The spaces of names whose ops a description may call, and perhaps others that its texts name."""
    return frozenset(found.decode() for found in _SPACE.findall(text))


def screened_program(program: Json) -> Json:
    """The description without what is not needed. Raises `SuspectError` for what could do more than describe."""
    return _screened(program, "", 0)


def screened_payload(config: Json, sizes: Callable[[str], int]) -> Json:
    """The list of tensors in a ``.pt2`` file, where ``sizes`` gives the bytes of each. Raises `SuspectError`."""
    found = _screened(config, "", 0)
    table = found.get("config") if isinstance(found, dict) else None
    for name, entry in table.items() if isinstance(table, dict) else ():
        if not _PATH.fullmatch(name):
            raise SuspectError(f"a tensor named {name[:80]!r}", _WANTED)
        path = entry.get("path_name") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(path, str) or not path or "/" in path or path.startswith("."):
            raise SuspectError("a tensor that is nowhere", _WANTED)
        if entry.get("use_pickle") is not False or not path.startswith(("weight_", "tensor_")):
            raise SuspectError(f"an object in a pickle ({path[:80]})", "tensors")
        if not sizes(path) and not _is_empty(entry):
            raise SuspectError(f"a tensor without elements that has some ({path[:80]})", _WANTED)
    return found


def _is_empty(entry: dict[str, Json]) -> bool:
    meta = entry.get("tensor_meta")
    sizes = meta.get("sizes") if isinstance(meta, dict) else None
    return isinstance(sizes, list) and {"as_int": 0} in sizes


def _screened(value: Json, key: str, depth: int) -> Json:
    if depth > _MAX_DEPTH:
        raise SuspectError(f"a program nested more than {_MAX_DEPTH} deep", _WANTED)
    match value:
        case str():
            return _screened_text(value, key)
        case list():
            return [_screened(item, key, depth + 1) for item in value]
        case dict():
            return {name: _screened_entry(name, item, key, depth) for name, item in value.items()}
        case _:
            return value


def _screened_entry(name: str, item: Json, key: str, depth: int) -> Json:
    if name == "guards_code":
        _check_guards(item)
        return []
    if name == "metadata":
        return _origin(item)
    if name in _OF_OBJECTS or (name == "custom_obj_values" and item):
        raise SuspectError("an object of a class of its own", "tensors and numbers only")
    if key in _TABLES_OF_VALUES:
        _check_name(name)
    elif not _WORDS.fullmatch(name):
        raise SuspectError(f"an entry named {name[:80]!r}", _WANTED)
    return _screened(item, name, depth + 1)


def _origin(metadata: Json) -> Json:
    """Where a node came from: the files and lines of its stack, and the path of the innermost module."""
    told = metadata if isinstance(metadata, dict) else {}
    stack, modules = told.get("stack_trace"), told.get("nn_module_stack")
    found: dict[str, Json] = {}
    if isinstance(stack, str):
        frames = (f'File "{frame["file"]}", line {frame["line"]}, in forward' for frame in _FRAME.finditer(stack))
        found["stack_trace"] = "\n".join(frames)
    # Each module is written as a key, its path and its class, of which keys alone hold commas.
    innermost = modules.rpartition(";")[2].rsplit(",", 2) if isinstance(modules, str) else []
    if len(innermost) == len(("key", "path", "class")) and _PATH.fullmatch(innermost[1]):
        found["nn_module_stack"] = f"module,{innermost[1]},"
    return found


def _screened_text(text: str, key: str) -> str:  # One branch for each place.
    if key in _NAMES:
        _check_name(text)
    elif key in ("target", "as_operator"):
        _check_target(text)
    elif key == "expr_str":
        check_expression(text)
    elif key in ("in_spec", "out_spec"):
        _check_tree_text(text)
    elif key in _PATHS:
        if not _PATH.fullmatch(text):
            raise SuspectError(f"a path {text[:80]!r}", _WANTED)
    elif not _WORDS.fullmatch(text) or len(text) > 1000:
        raise SuspectError(f"a text {text[:80]!r}", _WANTED)
    return text


def _check_guards(guards: Json) -> None:
    """Raise for guards that do more than compare sizes. Those that do not are left out all the same."""
    for guard in guards if isinstance(guards, list) else [guards]:
        if not isinstance(guard, str) or not _GUARD.fullmatch(guard) or not set(_CALL.findall(guard)) <= _IN_GUARDS:
            raise SuspectError(f"a guard that does more than compare sizes ({str(guard)[:80]})", _WANTED)


def _check_name(text: str) -> None:
    # PyTorch writes Python source with these names.
    if text and (not _IDENTIFIER.fullmatch(text) or keyword.iskeyword(text)):
        raise SuspectError(f"a value named {text[:80]!r}", "names of letters, digits and underscores")


def _check_target(text: str) -> None:
    op = _OP.fullmatch(text)
    if text in _HIGHER_ORDER or text in _ON_NUMBERS:
        return
    if op is not None and (may_be_traced(op[1], op[2], op[3]) or may_be_left(op[1], op[2])):
        return
    if text == _OF_SUBCLASSES:
        wanted = "plain tensors (torchao.utils.unwrap_tensor_subclass(model) before torch.export.export)"
        raise SuspectError("tensors of a class of its own", wanted)
    raise SuspectError(f"a call of {text[:80]!r}", "calls of ops that only compute")


def _check_tree_text(text: str) -> None:
    if not text:
        return
    try:
        found = read_json(text.encode())
    except ValueError as error:
        raise SuspectError("an order of inputs that is damaged", _WANTED) from error
    if not isinstance(found, list) or len(found) != 2 or found[0] != 1:
        raise SuspectError("an order of inputs that is damaged", _WANTED)
    _check_tree(found[1], 0)


def _check_tree(tree: Json, depth: int) -> None:
    if not isinstance(tree, dict) or depth > _MAX_TREE_DEPTH:
        raise SuspectError("an order of inputs that is damaged", _WANTED)
    kind, context, children = tree.get("type"), tree.get("context"), tree.get("children_spec")
    if not (kind is None or isinstance(kind, str)) or kind not in _TREES or not isinstance(children, list):
        raise SuspectError(f"inputs or outputs in a {str(kind)[:80]}", "tuples, lists and dictionaries")
    if context is not None and not _is_plain(context):
        raise SuspectError("an order of inputs that is damaged", _WANTED)
    for child in children:
        _check_tree(child, depth + 1)


def _is_plain(context: Json) -> bool:
    """Whether the context of a tree is nothing, a number, or a list of keys."""
    if isinstance(context, str):
        try:
            context = read_json(context.encode())
        except ValueError:
            return False
    keys = context if isinstance(context, list) else [context]
    return all(key is None or isinstance(key, int) or (isinstance(key, str) and _WORDS.fullmatch(key)) for key in keys)
