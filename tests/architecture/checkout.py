"""What the architecture tests read: the files of this checkout and their syntax trees."""

import ast
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "tradewind"
_BUILT = {"__pycache__", "build", "dist"}


class Module(NamedTuple):
    """A Python file; `name` is its path from the root, which is what a failure shows."""

    name: str
    tree: ast.Module


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file that is committed or would be; in an unpacked archive every file there is."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = sorted(filter(None, listed.stdout.split(b"\0")))
        return tuple(path for name in names if (path := ROOT / os.fsdecode(name)).is_file())
    return tuple(
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and not any(map(_is_not_ours, path.relative_to(ROOT).parts[:-1]))
    )


@functools.cache
def texts() -> dict[str, str]:
    """The text of every file that is one, by its path from the root."""
    found: dict[str, str] = {}
    for path in files():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
    return found


@functools.cache
def source_modules() -> tuple[Module, ...]:
    """Every module of the package."""
    return tuple(
        Module(name, ast.parse(text, name))
        for name, text in texts().items()
        if name.startswith("src/tradewind/") and name.endswith(".py")
    )


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of everything that is imported: `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def text_of(node: ast.AST | None) -> str | None:
    """Return the string that a node stands for, if it is one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _is_not_ours(folder: str) -> bool:
    return folder in _BUILT or (folder.startswith(".") and folder != ".ci")
