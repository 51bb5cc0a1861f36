"""Programs of views, in-place writes, branches and loops, drawn at random, as text of Python that PyTorch scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

ROWS, COLUMNS = 4, 6
_START = {"x": (ROWS, COLUMNS), "y": (ROWS, COLUMNS)}

Shape = tuple[int, ...]


@dataclass(slots=True)
class Program:
    """A program under construction: its lines, and the shapes of the tensors that it has."""

    random: Random
    lines: list[str] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=lambda: dict(_START))
    indent: int = 1
    made: int = 0
    in_loops: bool = False
    turns: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.indent + line)

    def name(self, shape: Shape) -> str:
        """A new name for a tensor."""
        self.made += 1
        self.shapes[f"t{self.made}"] = shape
        return f"t{self.made}"

    def some(self, wanted: Callable[[Shape], bool] = lambda shape: True) -> str | None:
        """The name of a tensor of a wanted shape, rather a late one."""
        names = [name for name, shape in self.shapes.items() if wanted(shape)]
        if not names:
            return None
        return self.random.choice(names[-4:] if self.random.random() < 0.6 else names)

    def like(self, shape: Shape) -> str:
        """An expression of this shape, or a number."""
        other = self.some(lambda found: found == shape)
        return other if other is not None and self.random.random() < 0.7 else "0.5"


def _compute(program: Program) -> None:
    name = program.some()
    if name is None:
        return
    shape = program.shapes[name]
    if shape[-1] == COLUMNS and len(shape) > 1 and program.random.random() < 0.4:
        expression = f"torch.matmul({name}, self.weight)"
    else:
        ways = [f"torch.relu({name})", f"torch.tanh({name})", f"{name} * 0.5", f"{name} + {program.like(shape)}"]
        expression = program.random.choice(ways)
    program.say(f"{program.name(shape)} = {expression}")


def _view(program: Program) -> None:
    name = program.some(lambda shape: len(shape) > 0 and min(shape) > 0)
    if name is None:
        return
    shape = program.shapes[name]
    axis = program.random.randrange(len(shape))
    size = shape[axis]
    start = program.random.randrange(size)
    step = program.random.choice([1, 1, 2])
    length = len(range(start, size, step))
    cut = ", ".join([":"] * axis + [f"{start}::{step}"])
    ways: list[tuple[str, Shape]] = [
        (f"{name}[{cut}]", (*shape[:axis], length, *shape[axis + 1 :])),
        (f"{name}.narrow({axis}, {start}, 1)", (*shape[:axis], 1, *shape[axis + 1 :])),
        (f"{name}.unsqueeze({axis})", (*shape[:axis], 1, *shape[axis:])),
        (f"{name}.reshape(-1)", (_count(shape),)),
        (f"{name}.detach()", shape),
    ]
    if len(shape) > 1:
        ways.append((f"{name}.select({axis}, {start})", (*shape[:axis], *shape[axis + 1 :])))
        ways.append((f"{name}.transpose(0, 1)", (shape[1], shape[0], *shape[2:])))
    if size % 2 == 0:
        half = (*shape[:axis], size // 2, *shape[axis + 1 :])
        ways.append((f"{name}.chunk(2, {axis})[{program.random.randrange(2)}]", half))
    expression, found = program.random.choice(ways)
    if len(found) <= 4:
        program.say(f"{program.name(found)} = {expression}")


def _count(shape: Shape) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _write(program: Program) -> None:
    name = program.some(lambda shape: len(shape) > 0 and min(shape) > 0)
    if name is None:
        return
    shape = program.shapes[name]
    other = program.like(shape)
    index = program.random.randrange(shape[0])
    ways = [
        f"{name}.add_({other})",
        f"{name}.mul_(0.5)",
        f"{name}.zero_()",
        f"{name}.fill_(0.25)",
        f"{name}.relu_()",
        f"{name}.clamp_(-0.5, 0.5)",
        f"{name}.masked_fill_({name} > 0.2, 0.1)",
        f"{name}[{index}] = 0.5",
        f"{name}[{index}::2] += 0.25",
        f"{name}[{index}:] *= 0.5",
        f"{name}.index_put_([torch.tensor([0, {index}])], torch.tensor(0.75))",
    ]
    if other != "0.5":
        ways += [f"{name}.copy_({other})"] * 2
    if shape == (ROWS, COLUMNS):
        ways += [f"self.held.mul_(0.5).add_({name}[0])", f"{name} += self.held"]
    program.say(program.random.choice(ways))


def _write_in_a_turn(program: Program) -> None:
    """A write at a place that the run alone knows."""
    name = program.some(lambda shape: len(shape) > 1 and min(shape) > 0)
    if name is None or not program.turns:
        _write(program)
        return
    rows, columns, *_ = program.shapes[name]
    turn, part = program.turns[-1], program.like(program.shapes[name][1:])
    ways = [
        f"{name}[{turn} % {rows}] = {part}",
        f"{name}[{turn} % {rows}] += {part}",
        f"{name}[:, {turn} % {columns}] *= 0.5",
        f"{name}[{turn} % {rows}, 0] = 0.5",
        f"{name} += {program.like(program.shapes[name])}",
    ]
    program.say(program.random.choice(ways))


def _turns(program: Program) -> None:
    """A loop over a count of the run, mostly beside a tensor that nothing else holds."""
    read, copied = program.some(), program.some()
    if read is None or copied is None:
        return
    if program.random.random() < 0.7:
        made = program.random.choice([f"torch.zeros_like({copied})", f"{copied} * 0.5", f"{copied}.clone()"])
        program.say(f"{program.name(program.shapes[copied])} = {made}")
    outer = dict(program.shapes)
    program.made += 1
    program.say(f"for i{program.made} in range(int({read}.abs().sum().clamp(0.0, 3.0))):")
    program.turns.append(f"i{program.made}")
    _block(program)
    program.turns.pop()
    program.shapes = outer


def _branch(program: Program) -> None:
    name = program.some()
    if name is None:
        return
    outer = dict(program.shapes)
    program.say(f"if bool({name}.sum() > {program.random.choice([-1.0, 0.0, 1.0])}):")
    _block(program)
    program.shapes = dict(outer)
    if program.random.random() < 0.5:
        program.say("else:")
        _block(program)
        program.shapes = dict(outer)


def _loop(program: Program) -> None:
    name = program.some()
    if name is None:
        return
    outer = dict(program.shapes)
    count = program.random.choice(["2", f"int({name}.abs().sum().clamp(0.0, 3.0))"])
    program.made += 1
    program.say(f"for i{program.made} in range({count}):")
    _block(program)
    program.shapes = outer
    carried = program.some(lambda shape: shape == (ROWS, COLUMNS))
    program.indent += 1
    program.say(f"{carried} = torch.tanh({carried} + 0.5)")
    program.indent -= 1


def _list(program: Program) -> None:
    first, second = program.some(), program.some()
    if first is None or second is None:
        return
    program.made += 1
    held = f"l{program.made}"
    program.say(f"{held} = [{first}, {second}]")
    program.say(f"{held}[0].mul_(0.5)")
    program.say(f"{program.name(program.shapes[second])} = {held}[1] * 1.5")


def _block(program: Program) -> None:
    program.indent += 1
    for _ in range(program.random.randint(1, 3)):
        _step(program)
    program.say("pass")
    program.indent -= 1


def _step(program: Program) -> None:
    steps: Sequence[Callable[[Program], None]] = [_compute] * 4 + [_view] * 4 + [_write] * 5 + [_list]
    if program.in_loops:
        steps = [_compute] * 3 + [_view] * 3 + [_write_in_a_turn] * 5 + [_list]
    if program.indent < 4:
        steps = [*steps, _branch, *([_turns] * 3 if program.in_loops else [_loop])]
    program.random.choice(steps)(program)


def program_text(seed: int, *, in_loops: bool = False) -> str:
    """The text of a module with a ``forward`` of two tensors, the same for the same seed.

    ``in_loops`` draws more loops, and writes at places that a run alone knows.
    """
    program = Program(Random(seed), indent=2, in_loops=in_loops)
    program.say("t0 = torch.matmul(x, self.weight)")
    program.shapes["t0"] = (ROWS, COLUMNS)
    for _ in range(program.random.randint(3, 9)):
        _step(program)
    names = list(program.shapes)
    returned = program.random.sample(names, min(len(names), program.random.randint(1, 4)))
    return "\n".join(
        [
            "import torch",
            "from torch import nn",
            "",
            "class Drawn(nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
            f'        self.register_buffer("weight", torch.arange({COLUMNS * COLUMNS}.0).cos().reshape({COLUMNS}, -1))',
            f'        self.register_buffer("held", torch.linspace(-1.0, 1.0, {COLUMNS}))',
            "",
            "    def forward(self, x: torch.Tensor, y: torch.Tensor):",
            *program.lines,
            f"        return ({', '.join(returned)},)",
            "",
        ]
    )
