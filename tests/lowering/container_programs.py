"""Programs of lists, tables, named tuples and objects, as text of Python that PyTorch scripts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from textwrap import dedent, indent

from torch import nn

_HEAD = """
import torch
from torch import nn
from typing import Dict, List, NamedTuple, Tuple, Optional
Tensor = torch.Tensor
class Pair(NamedTuple):
    left: Tensor
    right: Tensor
@torch.jit.script
class Box:
    def __init__(self, t: Tensor, n: int):
        self.t = t
        self.n = n
    def grown(self, by: Tensor) -> Tensor:
        self.t = self.t + by
        self.n += 1
        return self.t
@torch.jit.script
class Coder:
    def __init__(self, scale: float, sizes: List[int]):
        self.scale = scale
        self.sizes = sizes
    def code(self, t: Tensor) -> Tensor:
        return t * self.scale + self.sizes[0]
class Drawn(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.arange(36.0).cos().reshape(6, -1))
        self.layers = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        self.coder = Coder(0.5, [2, 3])
        self.grown: List[int] = [1]
        self.held = torch.zeros(4, 6)
    def forward(self, x: Tensor, y: Tensor):
"""

PROGRAMS = {
    "read before a write in a loop": """
n = int(y.abs().sum().clamp(2.0, 3.0))
xs = [x]
z = x
for i in range(n):
    z = torch.matmul(xs[0], self.weight)
    xs[0] = z * 0.5
return (z, xs[0])
""",
    "a list of a branch is written": """
a = [x]
b = [y]
if bool(x.sum() > 0):
    c = a
else:
    c = b
c.append(torch.relu(x))
return (torch.matmul(torch.cat(a), self.weight), torch.matmul(torch.cat(b), self.weight))
""",
    "a list is carried and written": """
a = [x]
c = a
n = int(y.abs().sum().clamp(2.0, 3.0))
for i in range(n):
    c.append(x * i)
    if bool(x.sum() > 100.0):
        c = [y]
return (torch.matmul(torch.cat(a), self.weight),torch.cat(c))
""",
    "a list grows after it is read": """
a = [x, y]
b = torch.matmul(torch.cat(a), self.weight)
a.append(torch.relu(x))
return (b, torch.cat(a)+1)
""",
    "a list in a list grows after a write in place": """
z = x * 2
z[0] = 0.5
z[int(y.abs().sum()) % 2] += 1
a = [[x, z], [y]]
b = a[0]
b.append(torch.relu(x))
z.mul_(0.5)
c = a[1]
c.append(torch.relu(y))
return (torch.matmul(torch.cat(a[0]), self.weight), torch.cat(a[1])+z[0])
""",
    "a nested list at a place of the run": """
a = [[x], [y]]
k = int(y.abs().sum()) % 2
c = a[k]
c.append(torch.relu(y))
return (torch.matmul(torch.cat(a[0]), self.weight), torch.matmul(torch.cat(a[1]),self.weight))
""",
    "named tuples": """
q = Pair(torch.matmul(x, self.weight), y * 2)
r = Pair(left=q.right, right=q.left + q.right)
return (r.left, torch.matmul(r.right, self.weight))
""",
    "a pyramid of tables": """
found: Dict[str, Tensor] = {}
z = x
for i, layer in enumerate(self.layers):
    z = torch.relu(layer(z))
    found[str(i)] = z
names = list(found.keys())
values = list(found.values())
last = values[-1]
outs: List[Tensor] = [last]
for i in range(len(values) - 2, -1, -1):
    last = torch.matmul(values[i], self.weight) + last
    outs.insert(0, last)
made: Dict[str, Tensor] = {}
for k, v in zip(names, outs):
    made[k] = v
res: List[Tensor] = []
for k, v in made.items():
    res.append(torch.matmul(v, self.weight))
return (torch.cat(res), made["0"])
""",
    "lists written as comprehensions": """
xs = [torch.matmul(t, self.weight) for t in [x, y, x + y]]
ys = [t.size(0) for t in xs]
zs = [torch.relu(t) * s for t, s in zip(xs, ys)]
return (torch.cat(zs), zs[0])
""",
    "an object": """
b = Box(x, 0)
u = b.grown(torch.matmul(y, self.weight))
v = b.grown(torch.relu(u))
w = Box(b.t, b.n)
w.t = torch.matmul(w.t, self.weight)
return (u, v, w.t * b.n, b.t)
""",
    "objects in a list": """
bs = [Box(x, 1), Box(y, 2)]
for b in bs:
    b.grown(torch.matmul(x, self.weight))
return (torch.matmul(bs[0].t, self.weight), bs[1].t * bs[1].n)
""",
    "an object of a branch": """
b = Box(x, 0)
c = b
if bool(x.sum() > 0):
    c = Box(y, 1)
    b.grown(x)
c.grown(torch.matmul(y, self.weight))
return (torch.matmul(b.t, self.weight), c.t + b.n)
""",
    "an object in a loop of the run": """
b = Box(x, 0)
n = int(y.abs().sum().clamp(2.0, 3.0))
z = x
for i in range(n):
    z = torch.matmul(b.t, self.weight)
    b.t = z * 0.5
return (z, torch.matmul(b.t, self.weight))
""",
    "an object that is an attribute": """
return (torch.matmul(self.coder.code(torch.matmul(x, self.weight)), self.weight),)
""",
    "modules counted": """
outs: List[Tensor] = []
xs = [x, y, x + y]
for i, layer in enumerate(self.layers):
    outs.append(torch.relu(layer(xs[i])))
total: List[Tensor] = []
for i, t in enumerate(outs):
    total.append(t * i)
return (torch.cat(total), torch.matmul(outs[1], self.weight))
""",
    "lists of lists": """
grid: List[List[Tensor]] = []
for i in range(3):
    row: List[Tensor] = []
    for j in range(2):
        row.append(torch.matmul(x * (i + 1), self.weight) + j)
    grid.append(row)
flat: List[Tensor] = []
for row in grid:
    flat.extend(row)
grid[0].append(y)
return (torch.cat(flat), torch.matmul(torch.cat(grid[0]), self.weight))
""",
    "early return in a loop": """
outs: List[Tensor] = []
for i in range(4):
    z = torch.matmul(x * (i + 1), self.weight)
    if i == 2:
        return (torch.cat(outs), z)
    outs.append(torch.relu(z))
return (torch.cat(outs), x)
""",
    "early return of the run in a loop": """
outs: List[Tensor] = [x]
for i in range(4):
    z = torch.matmul(x * (i + 1), self.weight)
    if bool(z.sum() > 0):
        return (torch.cat(outs), z)
    outs.append(torch.relu(z))
return (torch.cat(outs), torch.matmul(x, self.weight))
""",
    "a table of lists": """
d: Dict[str, List[Tensor]] = {"a": [x], "b": [y]}
for k in d.keys():
    d[k].append(torch.matmul(d[k][0], self.weight))
e = d["a"]
e.append(torch.relu(x))
return (torch.cat(d["a"]), torch.matmul(torch.cat(d["b"]), self.weight))
""",
    "a list in a list, popped": """
a = [[x], [y]]
b = a.pop()
b.append(torch.relu(x))
a.append(b)
c = a[-1]
return (torch.matmul(torch.cat(c), self.weight), torch.cat(a[0]))
""",
    "what may be None": """
t: Optional[Tensor] = None
outs: List[Tensor] = []
for i in range(3):
    if t is not None:
        outs.append(torch.matmul(t, self.weight))
    t = x * i
return (torch.cat(outs),)
""",
    "returned list and dict": """
d: Dict[str, Tensor] = {}
outs: List[Tensor] = []
for i, t in enumerate([x, y]):
    z = torch.relu(torch.matmul(t, self.weight))
    outs.append(z)
    d[str(i)] = torch.matmul(z, self.weight)
return (outs, d, Pair(x, outs[1]))
""",
    "a table of a branch": """
d: Dict[str, Tensor] = {"a": x}
if bool(x.sum() > 0):
    d["a"] = y
z = torch.matmul(d["a"], self.weight)
d["b"] = z
return (torch.matmul(d["b"], self.weight),)
""",
    "a list held by an object": """
xs = [x]
c = Coder(2.0, [1])
c.sizes.append(3)
c.scale = 0.25
z = c.code(torch.matmul(x, self.weight))
c.sizes[0] = 7
return (torch.matmul(c.code(z), self.weight) * len(c.sizes),)
""",
    "an attribute object is written": """
z = self.coder.code(torch.matmul(x, self.weight))
self.coder.scale = self.coder.scale + 1.0
return (torch.matmul(self.coder.code(z), self.weight),)
""",
    "a list of an attribute object is written": """
z = self.coder.code(torch.matmul(x, self.weight))
self.coder.sizes.append(3)
self.coder.sizes[0] = self.coder.sizes[0] + 1
return (torch.matmul(self.coder.code(z), self.weight),)
""",
    "a list is turned round in a loop": """
xs = [x, y]
n = int(y.abs().sum().clamp(2.0, 3.0))
for i in range(n):
    a = torch.matmul(xs[0], self.weight)
    xs.reverse()
    xs[0] = a
return (xs[0], torch.matmul(xs[1], self.weight))
""",
    "pieces of a tensor": """
xs = list(torch.matmul(x, self.weight).chunk(2, 1))
c = torch.cat(xs, 1)
a = xs[0]
xs.append(a + 1)
return (torch.matmul(c, self.weight), torch.cat(xs, 1))
""",
    "loop over items with a list inside the loop": """
n = int(y.abs().sum().clamp(2.0, 3.0))
z = x
for i in range(n):
    row: List[Tensor] = []
    for k in range(2):
        row.append(torch.matmul(z, self.weight) * k)
    b = Box(row[1], 0)
    z = torch.tanh(b.grown(row[0]))
return (torch.matmul(z, self.weight),)
""",
    "a list attribute grows": """
z = torch.matmul(x, self.weight)
self.grown.append(3)
return (torch.matmul(z * len(self.grown), self.weight),)
""",
    "a list attribute of a list grows": """
z = torch.matmul(x, self.weight)
a = self.grown
a[0] = a[0] + 1
return (torch.matmul(z * self.grown[0], self.weight),)
""",
    "an attribute is set in a loop": """
n = int(y.abs().sum().clamp(2.0, 3.0))
self.held = x
z = x
for i in range(n):
    z = torch.matmul(self.held, self.weight)
    self.held = z * 0.5
return (z, torch.matmul(self.held, self.weight))
""",
    "a list of constants changes after it is read": """
ks = [torch.ones(2), torch.zeros(1)]
a = torch.cat(ks)
ks.append(torch.full([3], 2.0))
b = torch.cat(ks)
ks.clear()
return (torch.matmul(x * a.sum() + b, self.weight),)
""",
    "objects hold each other": """
b = Box(x, 0)
bs = [b]
d: Dict[str, List[Box]] = {"a": bs}
n = int(y.abs().sum().clamp(2.0, 3.0))
for i in range(n):
    d["a"][0].grown(torch.matmul(y, self.weight))
d["a"].append(Box(y, 1))
return (torch.matmul(b.t, self.weight), bs[1].t * len(bs), b.t * b.n)
""",
    "a list is made in both branches": """
if bool(x.sum() > 0):
    c = [x]
    c.append(y)
else:
    c = [y, x]
    c.reverse()
d = c
d.append(torch.matmul(x, self.weight))
return (torch.matmul(torch.cat(c), self.weight),)
""",
    "a list grows while it is walked": """
xs = [x, y]
ys: List[Tensor] = []
for i in range(2):
    for j in range(len(xs)):
        ys.append(torch.matmul(xs[j], self.weight))
    xs.append(ys[-1])
return (torch.cat(ys), torch.matmul(torch.cat(xs), self.weight))
""",
}
"""Bodies of a ``forward`` of two tensors of shape [4, 6], by what is peculiar to each."""


def container_module(name: str, folder: Path) -> nn.Module:
    """The module of a program, from a file, for PyTorch reads its source there."""
    return module_of(dedent(PROGRAMS[name]), f"program_{list(PROGRAMS).index(name)}", folder)


def module_of(body: str, name: str, folder: Path) -> nn.Module:
    """A module of a ``forward`` with this body."""
    path = folder / f"{name}.py"
    path.write_text(_HEAD + indent(body.strip(), " " * 8), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    # PyTorch finds the source of a class by its module.
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    made: nn.Module = loaded.Drawn().eval().requires_grad_(False)
    return made
