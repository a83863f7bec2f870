"""The cell magics in a real IPython shell, on the embedded provider."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from playground import serve
from playground.store import Gallery

CAT = serve._PACKAGE / "data" / "photos" / "cat.jpg"
WIZARD = "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_PROVIDER", "offline")
    monkeypatch.setenv("PLAYGROUND_GALLERY", str(tmp_path / "gallery"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "playground")
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def run(shell, name, line, cell):
    """What the cell shows: texts joined, and all bundles."""
    with capture_output() as shown:
        shell.run_cell_magic(name, line, cell)
    bundles = [output.data for output in shown.outputs]
    return shown.stdout + "\n".join(str(b.get("text/plain", "")) for b in bundles), bundles


def test_an_image_is_quoted_before_billed_after_and_kept(shell, tmp_path):
    text, bundles = run(shell, "image", "--tag card --title Wizard", WIZARD)
    assert text.index("quoted exact: $0.00397") < text.index("billed $0.00397 · as quoted")
    assert "sample" in text
    with Gallery(tmp_path / "gallery") as gallery:
        (item,) = gallery.search("").items
    assert (item.title, item.tags, item.prompt) == ("Wizard", ("card",), WIZARD)
    assert sum(len(str(bundle)) for bundle in bundles) < 100_000


def test_the_cell_shows_a_small_picture(shell):
    _, bundles = run(shell, "image", "", "a cat")
    pictures = [b for b in bundles if any(k.startswith("image/") for k in b) or "<img" in str(b)]
    assert len(pictures) == 1


def test_captions_of_photos_are_shown_with_their_bill(shell, tmp_path):
    text, _ = run(shell, "caption", "--task alt --resize 512", f"{CAT}\n")
    assert text.index("quoted bounded") < text.index("billed $")
    with Gallery(tmp_path / "gallery") as gallery:
        (item,) = gallery.search("").items
    assert item.captions[0].text in text


def test_a_dry_run_and_a_budget_send_nothing(shell, tmp_path):
    text, _ = run(shell, "caption", "--dry-run", str(CAT))
    assert "Nothing was sent" in text
    text, _ = run(shell, "caption", "--budget 0.0000001", str(CAT))
    assert "More than the budget" in text
    assert not (tmp_path / "gallery").exists()


def test_flags_of_long_runs_are_refused_in_a_cell(shell, tmp_path):
    text, _ = run(shell, "caption", "--via batch", str(CAT))
    assert "--via belongs to the command line" in text
    assert not (tmp_path / "gallery").exists()


def test_more_than_a_dollar_needs_a_yes(shell, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or "n")
    text, _ = run(shell, "image", "--size 1024x1024 --quality high --n 10", "a cat")
    assert "$2.1" in asked[0]
    assert "nothing was spent" in text
    with Gallery(tmp_path / "gallery") as gallery:
        assert gallery.search("").total == 0


@pytest.mark.parametrize(
    ("line", "cell", "words"),
    [
        ("--size 7x", "a cat", "not a size"),
        ("--no-such-flag", "a cat", "No such option"),
        ("--quality 'open", "a cat", "Nothing was sent"),
        ("--size 2000x100", "a cat", "Nearest"),
        ("", "  ", "the prompt is empty"),
    ],
)
def test_what_is_wrong_is_one_sentence_without_a_traceback(shell, line, cell, words):
    text, _ = run(shell, "image", line, cell)
    assert words in text
    assert "Traceback" not in text


def test_help_lists_the_flags_of_the_command(shell):
    text, _ = run(shell, "image", "--help", "x")
    assert "--quality" in text


def test_hostile_texts_are_escaped(shell):
    hostile = "<img src=x onerror=alert(1)>"
    _, bundles = run(shell, "image", f"--size '{hostile}'", hostile)
    assert hostile in str(bundles[0]["text/plain"])
    assert "<img" not in str(bundles[0]["text/html"])
