"""Steps that are small programs: branches and loops inside each other, with counts, breaks and several tensors."""

from __future__ import annotations

from benchmarks.random_chains.drawing import Draw, Drawer
from benchmarks.random_chains.steps import Rounding, Step

DEEPEST = 3
X, Y, I, K = "{made}", "{made}_y", "{made}_i", "{made}_k"  # noqa: E741 - two tensors, and two whole numbers

_OF_TENSORS = (
    *("{a}.relu()", "torch.tanh({a})", "{a} * 0.5 + 0.1", "{a} - {b} * 0.25", "torch.sigmoid({a}) + {b}"),
    *("torch.maximum({a}, {b})", "{a} + {i}", "{a} * {k} * 0.5", "{a} * {a} * 0.1", "-{a}", "torch.zeros_like({a})"),
    *("torch.where({a} > 0.1, {a}, {b})", "torch.clamp({a}, -1.5, 2.0)", "{b}"),
)
_OF_ROWS = ("{a}.softmax(-1)", "{a}.mean(-1, keepdim=True) + {b} * 0.3", "{a}.flip(-1)")
_OF_IMAGES = ("F.max_pool2d({a}, 3, 1, 1)", "F.avg_pool2d({a}, 3, 1, 1)")
_COUNTS = ("{i} += 1", "{i} = {i} + 2", "{k} = {k} - 1", "{k} = {i} + {k}")


class _Program:
    """The lines of a program while they are drawn. ``count`` is what the program calls its first number."""

    def __init__(self, draw: Draw, rank: int, count: str) -> None:
        self._draw, self._count = draw, count
        self._values = (*_OF_TENSORS, *(_OF_ROWS if rank else ()), *(_OF_IMAGES if rank == 4 else ()))
        self._loops = 0

    def block(self, indent: str, depth: int, counters: tuple[str, ...]) -> list[str]:
        """Some lines, with what stands inside them."""
        return [
            line for _ in range(self._draw.random.randint(1, 3)) for line in self._statement(indent, depth, counters)
        ]

    def _statement(self, indent: str, depth: int, counters: tuple[str, ...]) -> list[str]:
        random, inner = self._draw.random, indent + "    "
        kind = random.random() if depth < DEEPEST else 0.0
        if kind < 0.45:
            return [f"{indent}{random.choice((X, Y))} = {self._value(counters)}"]
        if kind < 0.53:
            return [indent + _named(random.choice(_COUNTS))]
        if kind < 0.75:
            lines = [f"{indent}if {self._test(counters)}:", *self.block(inner, depth + 1, counters)]
            return lines + (
                [f"{indent}else:", *self.block(inner, depth + 1, counters)] if random.random() < 0.6 else []
            )
        counter = f"{{made}}_n{self._loops}"
        self._loops += 1
        if kind < 0.88:
            times = random.choice((self._count, f"min({K}, 4)", f"min({I}, 3)", "2"))
            lines = [f"{indent}for {counter} in range({times}):", *self.block(inner, depth + 1, (*counters, counter))]
            if random.random() < 0.3:
                lines += [f"{inner}if {self._test((*counters, counter))}:", f"{inner}    break"]
            return lines
        grows = f"{counter} < 4 and bool({X}.abs().sum() > {random.uniform(0.5, 20):.2f})"
        test = random.choice((f"{counter} < {random.randint(1, 3)}", f"{counter} < {self._count}", grows))
        lines = [f"{indent}{counter} = 0", f"{indent}while {test}:"]
        return [*lines, *self.block(inner, depth + 1, (*counters, counter)), f"{inner}{counter} += 1"]

    def _value(self, counters: tuple[str, ...]) -> str:
        more = tuple(f"{{a}} * 0.9 + {counter}" for counter in counters[-1:])
        first, second = (self._draw.random.choice((X, Y)) for _ in range(2))
        return _named(self._draw.random.choice((*self._values, *more)), first, second)

    def _test(self, counters: tuple[str, ...]) -> str:
        random = self._draw.random
        tests = (
            *(f"bool({X}.sum() > {random.uniform(-2, 2):.3f})", f"{I} > {random.randint(0, 3)}"),
            *(f"bool({Y}.max() > {X}.mean() + {random.uniform(0, 1):.3f})", f"{K} < {random.randint(0, 4)}"),
            *(f"bool({X}.max() > 0.5) and {I} < {random.randint(1, 4)}", f"{self._count} == {random.randint(0, 3)}"),
            *(f"not bool({Y}.min() > -0.5) or {K} > {random.randint(0, 3)}",),
            *(f"{counter} > {random.randint(0, 2)}" for counter in counters[-1:]),
        )
        return random.choice(tests)


def program(draw: Draw) -> Step:
    """A tensor that a program computes of another one, and of a number that the run tells or the program states."""
    value = draw.pick()
    rank = len(draw.shape(value))
    # A number that the run tells is kept in a name of its own, as conditions read it again and again.
    count = draw.random.choice(("int({0}.max().clamp(0.0, 3.0).to(torch.int64))", str(draw.random.randint(0, 3))))
    drawn = _Program(draw, rank, "{made}_c")
    head = [f"{X} = {{0}} * 1.0", f"{Y} = {{0}} * 0.5", f"{{made}}_c = {count}", f"{I} = 0", f"{K} = {{made}}_c + 1"]
    last = draw.random.choice((f"{X} = {X} + {Y}", f"{X} = {Y}", ""))
    lines = [*head, *drawn.block("", 0, ()), *([last] if last else [])]
    return draw.step("\n".join(lines), [value], rounding=Rounding.RANGE)


def _named(template: str, a: str = X, b: str = Y) -> str:
    for name, written in (("{a}", a), ("{b}", b), ("{i}", I), ("{k}", K)):
        template = template.replace(name, written)
    return template


PROGRAMS: tuple[Drawer, ...] = (program,)
