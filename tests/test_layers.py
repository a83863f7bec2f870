"""A module imports only from rows above its own, and an outside library has one home."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "playground"

# Row by row, the top row first; CONTRIBUTING.md shows the same table with reasons.
ROWS: tuple[tuple[str, ...], ...] = (
    ("_version", "errors", "money", "failpoints"),
    ("size", "render"),
    ("values",),
    ("catalog", "captions", "tokens", "pricing", "sight", "solver", "stats"),
    ("photos", "provider", "store"),
    ("runner", "batch", "quoting", "checkup", "publish", "lab", "exports", "imports", "jobs"),
    ("state",),
    ("widgets",),
    ("pages", "serve", "public", "cli", "demo", "magics"),
    ("__init__", "__main__"),
)
# In these rows the modules do not know each other.
STRANGERS = ({"photos", "provider", "store"},)
# Import name of an outside library -> where it may be used.
HOMES: dict[str, tuple[str, ...]] = {
    "PIL": ("photos", "provider.offline"),
    "pybase64": ("photos",),
    "openai": ("provider",),
    "httpx2": ("provider",),
    "keyring": ("provider",),
    "python_multipart": ("provider.offline",),
    "sqlalchemy": ("store",),
    "sqlite3": ("store", "publish", "imports"),
    "fsspec": ("store",),
    "pandas": ("store",),
    "numpy": ("store",),
    "pyarrow": ("exports",),
    "psycopg": ("store",),
    "tiktoken": ("tokens",),
    "genai_prices": ("catalog",),
    "traitlets": (
        "state",
        "public",
    ),
    "ipywidgets": ("widgets",),
    "anywidget": (
        "widgets",
        "public",
    ),
    "click": ("cli",),
    "IPython": ("magics",),
    "ipykernel": ("public",),
    "jupyter_core": ("public",),
    "jupyter_server": ("public",),
    "tornado": ("public",),
    "voila": ("public",),
}
DISTRIBUTIONS = {
    "PIL": "pillow",
    "jupyter_server": "jupyter_server",
    "python_multipart": "python-multipart",
}
# Comes with another dependency (ipykernel with jupyterlab); psycopg is an extra.
BROUGHT_ALONG = {"IPython", "ipykernel", "jupyter_core", "tornado"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if len(parts) > 1 and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def imports(source: str, module: str, is_package: bool = False) -> Iterator[tuple[str, int]]:
    """Every imported dotted name, also within functions and under TYPE_CHECKING."""
    here = ["playground", *module.split(".")]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = here[: len(here) - node.level + (1 if is_package else 0)]
                base = ".".join([*up, *filter(None, [base])])
            for name in node.names:
                yield f"{base}.{name.name}", node.lineno


def row_of(module: str) -> int:
    top = module.split(".")[0]
    for number, row in enumerate(ROWS):
        if top in row:
            return number
    raise KeyError(top)


def imported_module(dotted: str, modules: set[str]) -> str:
    """`playground.values.Size` -> `values`; what only the package itself gives -> `__init__`."""
    parts = dotted.split(".")[1:]
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in modules:
            return ".".join(parts[:end])
    return "_version" if parts == ["__version__"] else "__init__"


def complaints(source: str, module: str, modules: set[str], is_package: bool = False) -> list[str]:
    found = []
    for dotted, line in imports(source, module, is_package):
        top = dotted.split(".")[0]
        if top == "playground":
            other = imported_module(dotted, modules)
            if wrong_way(module, other):
                found.append(f"{module}:{line} imports {other}, which is not above it")
        elif top in HOMES:
            homes = HOMES[top]
            if not any(module == home or module.startswith(f"{home}.") for home in homes):
                found.append(f"{module}:{line} uses {top} outside {', '.join(homes)}")
        elif top not in sys.stdlib_module_names:
            found.append(f"{module}:{line} uses {top}, which has no home")
    return found


def wrong_way(module: str, other: str) -> bool:
    mine, theirs = row_of(module), row_of(other)
    if theirs != mine:
        return theirs > mine
    ours, its = module.split(".")[0], other.split(".")[0]
    return ours != its and any({ours, its} <= group for group in STRANGERS)


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


ALL_MODULES = {module_name(path) for path in python_files()}


def test_every_module_has_a_row():
    strays = [name for name in ALL_MODULES if not any(name.split(".")[0] in row for row in ROWS)]
    assert strays == []


def test_no_module_imports_the_wrong_way_or_uses_a_library_beyond_its_home():
    found = []
    for path in python_files():
        source = path.read_text(encoding="utf-8")
        is_package = path.name == "__init__.py" and path.parent != PACKAGE
        found += complaints(source, module_name(path), ALL_MODULES, is_package)
    assert found == []


def test_every_library_with_a_home_is_declared_once_in_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    declared = {
        line.split(">=")[0].split("[")[0].strip() for line in [*project["dependencies"], *extras]
    }
    wanted = {
        DISTRIBUTIONS.get(name, name.replace("_", "-"))
        for name in HOMES
        if name not in sys.stdlib_module_names and name not in BROUGHT_ALONG
    }
    assert wanted - declared == set()


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("money", "from playground import size", "which is not above it"),
        ("values", "from playground.pricing import quote", "which is not above it"),
        ("pricing", "def f():\n    import playground.store", "which is not above it"),
        ("store.files", "from playground.photos import sniff", "which is not above it"),
        ("provider.client", "from playground.store.ledger import Ledger", "not above it"),
        ("runner", "from playground import quote", "imports __init__"),
        ("state.gallery", "from ..widgets import gallery", "imports widgets"),
        ("runner", "import openai", "uses openai outside provider"),
        ("pricing", "from sqlalchemy import select", "uses sqlalchemy outside store"),
        ("serve", "import requests", "uses requests, which has no home"),
        ("widgets.gallery", "if TYPE_CHECKING:\n    from playground.cli import main", "cli"),
    ],
)
def test_a_wrong_import_is_found(module, source, complaint):
    modules = {"money", "size", "values", "pricing", "store", "store.files", "store.ledger"}
    modules |= {"photos", "provider", "provider.client", "runner", "state", "state.gallery"}
    modules |= {"widgets", "widgets.gallery", "serve", "cli"}
    found = complaints(source, module, modules)
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("store.files", "from playground.store.ledger import Ledger"),
        ("store.files", "from .ledger import Ledger"),
        ("pricing", "from playground import tokens, money"),
        ("cli", "import click, json\nfrom playground.runner import generate"),
        ("store", "import pandas"),
        ("cli", "from playground import __version__"),
    ],
)
def test_a_right_import_is_let_through(module, source):
    modules = {"store", "store.files", "store.ledger", "tokens", "money", "pricing", "cli"}
    assert complaints(source, module, modules | {"runner"}) == []
