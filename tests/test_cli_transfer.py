"""Import and export on the command line, as users script against them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from playground import cli


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYGROUND_PROVIDER", "offline")


@pytest.fixture
def run(capfd):
    def call(*arguments, status=0):
        capfd.readouterr()
        found = cli.main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert found == status, (found, out, err)
        return out, err

    return call


@pytest.fixture
def ask(run):
    return lambda *arguments: json.loads(run(*arguments, "--json")[0])


@pytest.fixture
def photo(tmp_path, photo_file):
    path = tmp_path / "photos" / "beach.jpg"
    path.parent.mkdir()
    path.write_bytes(photo_file())
    return path


def one_line(err):
    (line,) = err.splitlines()
    assert line.startswith("playground: ")
    return line


def test_what_was_exported_comes_back_after_it_was_edited(ask, run, photo):
    (item,) = ask("gallery", "import", photo)["items"]
    ask("gallery", "annotate", item["id"], "--note", "=1+1", "--tag", "sea")
    out, _ = run("gallery", "export", "all.csv")
    assert out == "1 items in all.csv\n"
    text = Path("all.csv").read_text(encoding="utf-8")
    assert "'=1+1" in text
    Path("all.csv").write_text(text.replace("sea", "lake"), encoding="utf-8")
    assert ask("gallery", "import", "all.csv")["updated"] == 1
    (item,) = ask("gallery", "search", "lake")["items"]
    assert (item["note"], item["tags"]) == ("=1+1", ["lake"])
    _, err = run("gallery", "export", "all.csv", status=1)
    assert "--force" in one_line(err)


@pytest.mark.parametrize(
    ("format_", "dest"),
    [
        ("csv", "a.csv"),
        ("tsv", "a.tsv"),
        ("json", "a.json"),
        ("jsonl", "a.jsonl"),
        ("html", "a.html"),
        ("markdown", "a.md"),
        ("zip", "a.zip"),
        ("copies", "folder"),
        ("xmp", "folder"),
    ],
)
def test_every_format_is_one_command(format_, dest, ask, photo):
    ask("gallery", "import", photo)
    done = ask("gallery", "export", "--format", format_, dest, "--with", "prompt,cost")
    assert (done["path"], done["format"], done["items"]) == (dest, format_, 1)
    assert Path(dest).exists()


def test_an_export_can_be_chosen_and_piped(ask, run, photo):
    ask("generate", "a \x1b[31m desert")
    ask("gallery", "import", photo)
    out, _ = run("gallery", "export", "-", "--format", "jsonl", "--search", "desert")
    assert [json.loads(line)["prompt"] for line in out.splitlines()] == ["a \x1b[31m desert"]
    out, _ = run(
        "gallery", "export", "-", "--format", "markdown", "--search", "desert", "--with", "prompt"
    )
    assert out.startswith("![a \\\\x1b\\[31m desert](<")
    out, _ = run("gallery", "export", "-", "--format", "csv", "--without", "prompt,caption")
    assert "desert" not in out


def test_pages_get_the_alt_texts_of_their_photos(ask, run, photo):
    (item,) = ask("gallery", "import", photo)["items"]
    ask("gallery", "annotate", item["id"], "--alt", "the sea at noon")
    page = Path("post.md")
    page.write_text(f"![]({os.path.relpath(photo)})".replace(os.sep, "/"), encoding="utf-8")
    out, _ = run("gallery", "alt", page, "--out", "done")
    assert "1 filled" in out
    assert Path("done/post.md").read_text(encoding="utf-8").startswith("![the sea at noon](")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gallery", "import", "nowhere"], "nowhere is missing"),
        (["gallery", "import", "x.tar"], "unpack it"),
        (["gallery", "export", "a.csv", "zzzz"], "no item"),
        (["gallery", "export", "a.csv", "--with", "prices"], "cannot go along"),
        (["gallery", "export", "a.csv", "--where", "colour=red"], "facet"),
        (["gallery", "export", "no/such/a.csv"], "could not be written"),
        (["gallery", "alt", "x.tar", "--out", "o"], "neither HTML"),
        (["gallery", "alt", "missing.html", "--out", "o"], "cannot be read"),
    ],
)
def test_bad_input_gets_one_clear_line_and_writes_nothing(run, photo, arguments, words):
    run("gallery", "import", photo)
    Path("x.tar").write_bytes(b"")
    before = sorted(Path().iterdir())
    _, err = run(*arguments, status=1)
    assert words in one_line(err)
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["gallery", "export", "somewhere"],
        ["gallery", "export", "a.csv", "abc", "--search", "x"],
        ["gallery", "export", "a.csv", "--originals"],
        ["gallery", "export", "a.csv", "--beside"],
        ["gallery", "export", "-", "--format", "zip"],
        ["gallery", "export", "-", "--format", "csv", "--json"],
        ["gallery", "alt", "a.html"],
    ],
)
def test_usage_errors_exit_with_2(run, photo, arguments):
    run("gallery", "import", photo)
    _, err = run(*arguments, status=2)
    assert "Error:" in err


def test_a_gallery_that_is_not_there_is_not_made_by_looking(run):
    _, err = run("gallery", "export", "a.csv", status=1)
    assert "no gallery" in one_line(err)
    assert list(Path().iterdir()) == []


def test_sidecars_come_beside_the_photos_of_a_folder(ask, photo):
    ask("gallery", "import", photo)
    done = ask("gallery", "export", "--format", "xmp", "--beside", "photos")
    assert done["items"] == 1
    assert Path("photos/beach.jpg.xmp").exists()


def test_spend_shows_what_was_quoted_beside_what_was_billed(ask, run):
    ask("generate", "a desert")
    for by in ("day", "model", "tier", "run"):
        out, _ = run("gallery", "spend", "--by", by)
        head, row, total = out.splitlines()
        assert head.split() == [by, "calls", "quoted", "billed", "held"]
        assert row.endswith("$0.00391  $0.00391        samples")
        assert total.startswith("settled $0.003_910_000")
