"""House rules that a reader would otherwise have to keep in mind."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXTS = {".py", ".md", ".toml", ".yml", ".ipynb", ".js", ".css", ".j2", ".json", ".sh", ""}
KEY = re.compile(r"sk-(?!CANARY)(?:proj-)?[A-Za-z0-9_-]{20,}")
MACHINE = re.compile(r"/(?:work|farm|root|home/[a-z]+)/")
PARTS_NOT_OURS = {"__pycache__", "node_modules", "dist", "build", "gallery", "demo-gallery"}


def load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def our_files() -> list[Path]:
    """What a checkout holds, found without git: a fresh machine may have none."""
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in {".ci", ".gitignore"} for part in parts)
        if path.is_file() and not hidden and not PARTS_NOT_OURS & set(parts[:-1]):
            found.append(path)
    return found


def offences(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    found = []
    for path in files:
        if path.suffix not in TEXTS or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path}:{number}")
    return found


def test_nothing_that_looks_like_a_key_is_committed():
    assert len(our_files()) > 30
    assert offences(KEY, our_files()) == []


def test_no_path_of_a_machine_is_committed():
    assert offences(MACHINE, our_files()) == []


def test_a_key_and_a_path_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"one\nsk-{'a1' * 15}\n/ho" + "me/someone/pictures\n", encoding="utf-8")
    assert offences(KEY, [page]) == [f"{page}:2"]
    assert offences(MACHINE, [page]) == [f"{page}:3"]


def uncollected(source: str) -> list[str]:
    """Functions of a test file that pytest would not run and that nothing mentions."""
    tree = ast.parse(source)
    mentioned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    mentioned |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith(("test_", "pytest_"))
        and node.name not in mentioned
        and not any("fixture" in ast.unparse(mark) for mark in node.decorator_list)
    ]


def test_no_test_is_forgotten_by_its_name():
    forgotten = {
        str(path): names
        for path in (ROOT / "tests").rglob("test_*.py")
        if (names := uncollected(path.read_text(encoding="utf-8")))
    }
    assert forgotten == {}


def test_a_forgotten_test_would_be_found():
    assert uncollected("def tset_prices():\n    assert False\n") == ["tset_prices"]
    assert uncollected("def helper():\n    pass\n\ndef test_it():\n    helper()\n") == []


def toothless(source: str) -> list[str]:
    """Tests that assert nothing, not even through a helper of their own file."""
    tree = ast.parse(source)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    biting = {"raises", "expect", "warns", "fail", "suppress", "check_call"}
    while True:
        more = {f.name for f in functions if f.name not in biting and _bites(f, biting)}
        if not more:
            break
        biting |= more
    return [f.name for f in functions if f.name.startswith("test_") and f.name not in biting]


def _bites(function: ast.FunctionDef, biting: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            checked = any(word.arg == "check" and _is_true(word.value) for word in node.keywords)
            if name in biting or name.startswith("assert_") or checked:
                return True
    return False


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def test_every_test_can_fail():
    idle = {
        str(path): names
        for path in (ROOT / "tests").rglob("test_*.py")
        if (names := toothless(path.read_text(encoding="utf-8")))
    }
    assert idle == {}


def test_a_test_that_cannot_fail_would_be_found():
    assert toothless("def test_it():\n    print(1)\n") == ["test_it"]
    assert toothless("def check(x):\n    assert x\n\ndef test_it():\n    check(1)\n") == []


def test_importing_the_package_is_quick_and_loads_no_heavy_library():
    bench = load("bench_import", ROOT / "tests" / "benchmarks" / "bench_import.py")
    seconds, loaded = bench.measure()
    assert loaded == []
    assert min(seconds, bench.best(5)) < bench.LIMIT_SECONDS


def test_every_public_name_has_a_docstring():
    import playground

    silent = []
    for name in playground.__all__:
        thing = getattr(playground, name)
        if (inspect.isclass(thing) or callable(thing)) and not inspect.getdoc(thing):
            silent.append(name)
    assert len(playground.__all__) > 5
    assert silent == []


def test_readme_shows_what_the_commands_really_print():
    readme = load("readme", ROOT / "tests" / "readme.py")
    text = readme.README.read_text(encoding="utf-8")
    assert text.count("$ playground ") >= 3
    assert readme.renewed(text) == text


def test_the_python_example_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "Output tokens 54 tokens" in shown
    quoted, billed = shown.splitlines()[-1].split()
    assert quoted == billed


def test_readme_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (ROOT / link).exists()] == []


def test_readme_and_contributing_name_only_real_make_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z]+):", makefile))
    assert {"demo", "test", "lab", "check", "help"} <= targets
    for page in ("README.md", "CONTRIBUTING.md"):
        named = re.findall(r"`make ([a-z]+)", (ROOT / page).read_text(encoding="utf-8"))
        assert set(named) <= targets


def test_the_layer_table_in_contributing_is_the_one_that_is_tested():
    rows = load("layers", ROOT / "tests" / "test_layers.py").ROWS
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.findall(r"(?m)^\| \d+ \| (.+?) \|", page)
    assert [tuple(re.findall(r"`(\w+)`", line)) for line in shown] == list(rows)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_prints_help():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("make demo", "make test", "make lab", "make check"):
        assert target in done.stdout


def test_conda_gets_nothing_but_python_and_this_folder():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    listed = [line.strip("- ").strip() for line in text.split("dependencies:")[1].splitlines()]
    assert [line for line in listed if line] == ["python>=3.11", "pip", "pip:", "e ."]
