"""Notebooks are pages: thin, without outputs, and each one runs."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
MAX_LINES = 12
# Traits that every widget has and that hold nothing of ours.
UNUSED = {"tabbable", "tooltip"}


def cells(path: Path) -> list[dict]:
    page = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in page["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks():
    assert [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_thin_and_was_saved_without_outputs(path):
    for cell in cells(path):
        source = "".join(cell["source"])
        tree = ast.parse(source)
        defined = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert len(source.splitlines()) <= MAX_LINES
        assert not any(isinstance(node, defined) for node in ast.walk(tree))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_keeps_no_texts_or_pictures_in_its_saved_state(
    path, tmp_path, monkeypatch
):
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PLAYGROUND_GALLERY", str(tmp_path / "gallery"))
    page = nbformat.read(path, as_version=4)
    done = NotebookClient(page, timeout=60, kernel_name="python3").execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert any("application/vnd.jupyter.widget-view+json" in o.get("data", {}) for o in outputs)
    state = done.metadata.get("widgets", {})
    models = state["application/vnd.jupyter.widget-state+json"]["state"]
    pages = [model["state"] for model in models.values() if model["model_module"] == "anywidget"]
    assert pages
    for kept in pages:
        assert {name for name in kept if not name.startswith("_")} <= {"layout"} | UNUSED
