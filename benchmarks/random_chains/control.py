"""Steps of several lines: writes into a tensor and into views of it, conditions and loops."""

from __future__ import annotations

from benchmarks.random_chains.drawing import Draw, Drawer
from benchmarks.random_chains.steps import Data, Rounding, Step, Written


def written_slice(draw: Draw) -> Step:
    """A slice of a copy that is written to, by an operator or an assignment."""
    value = draw.pick((1, 2, 3, 4))
    index = ", ".join(draw.random.choice((":", "1:", "::2", "-1", "0", ":-1", "None")) for _ in draw.shape(value)[:-1])
    index = draw.random.choice((index or "0", "...", f"..., {draw.random.randrange(draw.shape(value)[-1])}", "0"))
    change = draw.random.choice(("+= {p0}", "*= 1.5", "= 0.25", "-= {0}.mean()", f"= -{{made}}[{index}]", "/= 2.0"))
    copy = draw.random.choice(("{0}.clone()", "{0} * 1.0", "F.relu({0})"))
    parameters = [Data((1,))] if "{p0}" in change else []
    template = f"{{made}} = {copy}\n{{made}}[{index}] {change}"
    return draw.step(template, [value], parameters=parameters, rounding=Rounding.RANGE)


def written_view(draw: Draw) -> Step:
    """A view of a copy, written to by an in-place op, after which the copy is read."""
    value = draw.pick((2, 3, 4))
    rank = len(draw.shape(value))
    arguments: dict[str, Written] = {"dim": draw.axis(rank)}
    view = draw.random.choice(
        ("{made}.select({dim}, 0)", "{made}.transpose({dim}, 0)", "{made}.narrow({dim}, 0, 1)", "{made}.flatten()")
    )
    write = draw.random.choice(("add_(1.0)", "mul_(0.5)", "zero_()", "relu_()", "clamp_(-0.5, 0.5)", "copy_({p0})"))
    parameters = [Data((1,))] if "{p0}" in write else []
    template = f"{{made}} = {{0}} + 0.5\n{view}.{write}"
    return draw.step(template, [value], arguments, parameters, Rounding.RANGE)


def in_place(draw: Draw) -> Step:
    """A whole tensor that is written to."""
    value = draw.pick()
    write = draw.random.choice(
        (
            "{made}.add_({0})",
            "F.relu_({made})",
            "{made} += 1.5",
            "{made} *= {0}",
            "{made}.clamp_(min=-0.5)",
            "{made}.neg_()",
        )
    )
    return draw.step(f"{{made}} = {{0}} * 0.5\n{write}", [value], rounding=Rounding.RANGE)


def condition(draw: Draw) -> Step:
    """One of two branches, by a value or by a size."""
    value = draw.pick()
    test = draw.random.choice(
        ("bool({0}.sum() > 0)", "{0}.dim() > 2", "bool({0}.max() > {0}.min() + 1.0)", "{0}.numel() > 20")
    )
    branches = ("{0} * 2.0 + 1.0", "F.relu({0}) - 0.5", "-{0}", "torch.tanh({0}) * {0}", "{0}", "{0} + {0}.mean()")
    first, second = draw.random.sample(branches, 2)
    template = f"if {test}:\n    {{made}} = {first}\nelse:\n    {{made}} = {second}"
    return draw.step(template, [value], rounding=Rounding.RANGE)


def loop(draw: Draw) -> Step:
    """A loop that ends by a count or by a value, which grows."""
    value = draw.pick()
    body = draw.random.choice(("{made}.abs() * 1.5 + 0.5", "torch.relu({made}) + 0.75", "{made} + {0}.abs() + 0.5"))
    if draw.chance(0.5):
        template = f"{{made}} = {{0}}\nfor _ in range({{times}}):\n    {{made}} = {body}"
        return draw.step(template, [value], {"times": draw.random.randint(1, 3)}, rounding=Rounding.RANGE)
    template = f"{{made}} = {{0}}\nwhile bool({{made}}.max() < 4.0):\n    {{made}} = {body}"
    return draw.step(template, [value], rounding=Rounding.RANGE)


WRITES: tuple[Drawer, ...] = (written_slice, written_slice, written_view, in_place)
CONDITIONS: tuple[Drawer, ...] = (condition, loop)
