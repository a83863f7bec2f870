"""The pricing lab's notebook with the network blocked: every tab is worked out all the same."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "4_pricing_lab.ipynb"
BLOCKED = """
import socket
connect, look_up = socket.socket.connect, socket.getaddrinfo
def allowed(address):
    return not isinstance(address, tuple) or address[0] in ("127.0.0.1", "::1", "localhost")
def blocked_connect(self, address):
    if not allowed(address):
        raise RuntimeError(f"the network is blocked: {address}")
    return connect(self, address)
def blocked_look_up(host, *rest, **more):
    if host not in (None, "", "127.0.0.1", "::1", "localhost"):
        raise RuntimeError(f"the network is blocked: {host}")
    return look_up(host, *rest, **more)
socket.socket.connect, socket.getaddrinfo = blocked_connect, blocked_look_up
"""
ALL_TABS = """
page = pages.pricing_lab()
for tab in page.page.forms:
    page.page.visit(tab)
    print(tab, page.page.problem.text)
page.page.set("bill", text="$0.00397")
page.page.preset("76,000 photos")
page.page.grade("prompt", "12")
print("graded", page.page.graded.right)
"""
PROOF = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except RuntimeError as error:
    print(error)
"""


def test_the_notebook_and_all_tabs_run_with_the_network_blocked(tmp_path, monkeypatch):
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "sitecustomize.py").write_text(BLOCKED)
    paths = [str(tmp_path / "blocked"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.setenv("PLAYGROUND_GALLERY", str(place / "gallery"))
    page = nbformat.read(NOTEBOOK, as_version=4)
    page.cells += [nbformat.v4.new_code_cell(source) for source in (ALL_TABS, PROOF)]
    runner = NotebookClient(
        page, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(place)}}
    )
    done = runner.execute()
    said = "".join(out.get("text", "") for cell in done.cells[1:] for out in cell["outputs"])
    lines = said.splitlines()
    assert "the network is blocked" in lines[-1]
    assert "graded True" in lines
    problems = [line for line in lines if line.split(" ", 1)[1:] not in ([""], [])]
    # The board alone wants a gallery, and says that there is none yet.
    assert [line.split()[0] for line in problems[:1]] == ["board"]
    assert (place / "pricing-lab-progress.json").is_file()
