"""The script and the style of a page, and the policy that lets a browser run these and nothing else."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

TEMPLATES = Path(__file__).parent.parent / "templates"
LAYOUT = TEMPLATES / "vendor" / "dagre-3.1.3.min.js"
LAYOUT_LICENSE = TEMPLATES / "vendor" / "dagre-3.1.3.LICENSE.txt"

_SCRIPTS = ("graph_tree.js", "graph_view.js", "page.js")


@dataclass(frozen=True, slots=True)
class Assets:
    """What a page holds beside its text. ``policy`` is its Content-Security-Policy."""

    style: str
    script: str
    policy: str


@cache
def assets(*, with_graph: bool) -> Assets:
    """The assets of a page, those of the graph only where it has one."""
    folder = TEMPLATES / "report"
    style = (folder / "page.css").read_text(encoding="utf-8")
    own = "".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS[0 if with_graph else -1 :])
    script = _layout() + own if with_graph else own
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return Assets(style, script, policy)


def _layout() -> str:
    """The library that lays graphs out, with its license, and without the comment that leads to its sources."""
    text = LAYOUT.read_text(encoding="utf-8")
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("//# sourceMappingURL="))
    return f"/*\n@dagrejs/dagre 3.1.3\n\n{LAYOUT_LICENSE.read_text(encoding='utf-8')}*/\n{kept}\n"


def _digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
