"""Programs of lists, tables and objects under several names, drawn at random, with branches and loops around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

KEYS = ("a", "b")
_DEEPEST = 3


@dataclass(slots=True)
class _Drawn:
    """The lines of a program while they are drawn, and the names that it has of each kind."""

    random: Random
    lines: list[str] = field(default_factory=list)
    tensors: list[str] = field(default_factory=lambda: ["x", "y"])
    lists: list[str] = field(default_factory=list)
    grids: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    made: int = 0
    depth: int = 0

    def say(self, line: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + line)

    def name(self, kind: str) -> str:
        """A name that nothing has yet."""
        self.made += 1
        return f"{kind}{self.made}"

    def tensor(self) -> str:
        """What is a tensor of the usual shape."""
        found = [*self.tensors[-3:], *(f"{held}[{self.place()}]" for held in self.lists)]
        found += [*(f'{held}["{self.random.choice(KEYS)}"]' for held in self.tables), *(f"{b}.t" for b in self.boxes)]
        return self.random.choice(found)

    def place(self) -> str:
        """A place that every list has, now and then one that the run tells."""
        return self.random.choice(("0", "0", "-1", "-1", "int(x.abs().sum()) % 2 - 1"))

    def container(self) -> str:
        """A list: by its name, or taken out of a list of lists."""
        taken = [f"{held}[{self.random.choice(('0', '1', 'int(y.abs().sum()) % 2'))}]" for held in self.grids]
        return self.random.choice([*self.lists, *taken])

    def step(self) -> None:
        """Some lines that do one thing."""
        ways = [self._compute, self._compute, self._list_write, self._list_write, self._table, self._box, self._name]
        ways += [self._overwrite]
        ways += [self._branch, self._loop] if self.depth < _DEEPEST else []
        self.random.choice(ways)()

    def _compute(self) -> None:
        name = self.name("t")
        ways = ("torch.matmul({}, self.weight)", "torch.relu({})", "torch.tanh({} + {})", "{} * 0.5 - {}")
        self.say(f"{name} = {self.random.choice(ways).format(self.tensor(), self.tensor())}")
        self.tensors.append(name)

    def _overwrite(self) -> None:
        """Write to a tensor, or to all of a list, in place."""
        write = self.random.choice(("add_(0.5)", "mul_(0.9)", "relu_()", "sub_(y)", "clamp_(max=1.0)"))
        if self.random.random() < 0.4:
            item = self.name("t")
            self.say(f"for {item} in {self.container()}:")
            self.say(f"    {item}.{write}")
        else:
            self.say(f"{self.tensor()}.{write}")

    def _list_write(self) -> None:
        held = self.container()
        ways = ("append({})", "insert(0, {})", "extend([{}])", "reverse()")
        if self.random.random() < 0.3:
            self.say(f"{held}[{self.place()}] = {self.tensor()}")
        elif self.random.random() < 0.2:
            self.say(f"if len({held}) > 1:")
            self.say(f"    {held}.pop({self.random.choice(('', '0'))})")
        else:
            self.say(f"{held}.{self.random.choice(ways).format(self.tensor())}")

    def _table(self) -> None:
        self.say(f'{self.random.choice(self.tables)}["{self.random.choice(KEYS)}"] = {self.tensor()}')

    def _box(self) -> None:
        box = self.random.choice(self.boxes)
        self.say(self.random.choice((f"{box}.t = {self.tensor()}", f"{box}.grown({self.tensor()})", f"{box}.n += 2")))

    def _name(self) -> None:
        """One more name of a container, or another container under an old name."""
        kind, names = self.random.choice((("l", self.lists), ("d", self.tables), ("b", self.boxes)))
        other = self.container() if kind == "l" else self.random.choice(names)
        if self.random.random() < 0.5:
            self.say(f"{self.random.choice(names)} = {other}")
            return
        name = self.name(kind)
        fresh = {"l": "[{}]", "d": '{{"a": {}, "b": x}}', "b": "Box({}, 1)"}[kind].format(self.tensor())
        self.say(f"{name} = {self.random.choice((other, fresh))}")
        names.append(name)

    def _block(self) -> None:
        before = [list(names) for names in (self.tensors, self.lists, self.grids, self.tables, self.boxes)]
        self.depth += 1
        for _ in range(self.random.randint(1, 3)):
            self.step()
        self.depth -= 1
        self.tensors, self.lists, self.grids, self.tables, self.boxes = before

    def _branch(self) -> None:
        known = f"len({self.container()}) > {self.random.randint(1, 3)}"
        of_a_run = f"bool({self.tensor()}.sum() > {self.random.choice((-1.0, 0.0, 1.0))})"
        self.say(f"if {self.random.choice((known, of_a_run))}:")
        self._block()
        if self.random.random() < 0.5:
            self.say("else:")
            self._block()

    def _loop(self) -> None:
        counter = self.name("i")
        self.say(f"for {counter} in range({self.random.choice(('2', '2', 'int(y.abs().sum()) % 3'))}):")
        self._block()


def drawn_body(seed: int) -> str:
    """The body of a ``forward`` of two tensors of shape [4, 6], the same for the same seed."""
    drawn = _Drawn(Random(seed))
    drawn.say(drawn.random.choice(("l0 = [x, y]", "l0 = [x * 2, y - 1]")))
    drawn.say(drawn.random.choice(("k0 = [y]", "k0 = [y + x]")))
    drawn.say("g0 = [l0, k0]")
    drawn.say('d0 = {"a": y, "b": x}')
    drawn.say("b0 = Box(x, 1)")
    drawn.lists, drawn.grids, drawn.tables, drawn.boxes = ["l0", "k0"], ["g0"], ["d0"], ["b0"]
    for _ in range(drawn.random.randint(4, 10)):
        drawn.step()
    sums = [f"torch.cat({held})" for held in drawn.lists]
    found = [*sums, *(f'{held}["a"] + {held}["b"]' for held in drawn.tables), *(f"{b}.t * {b}.n" for b in drawn.boxes)]
    chosen = drawn.random.sample(found, min(len(found), 3))
    drawn.say(f"return ({', '.join(f'torch.matmul({value}, self.weight)' for value in chosen)},)")
    return "\n".join(drawn.lines)
