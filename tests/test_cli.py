"""The command line as users script against it: JSON, exit status, one clear line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from playground import cli

WIZARD = "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"
COMMANDS = [
    *[[name] for name in cli._GROUPS],
    ["quote", "image"],
    ["quote", "caption"],
    *[
        ["gallery", name]
        for name in (
            "list", "search", "show", "annotate", "delete", "restore", "import", "export", "alt",
            "verify",
            "backup", "restore-backup", "spend", "resolve", "cap",
        )
    ],
]  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYGROUND_PROVIDER", "offline")


@pytest.fixture
def run(capsys):
    def call(*arguments, status=0):
        capsys.readouterr()
        found = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert found == status, (found, out, err)
        return out, err

    return call


@pytest.fixture
def ask(run):
    def call(*arguments, status=0):
        out, _ = run(*arguments, "--json", status=status)
        return json.loads(out)

    return call


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos" / "beach.jpg"
    path.parent.mkdir()
    Image.effect_noise((320, 240), 60).convert("RGB").save(path)
    return path


def one_line(err):
    lines = [line for line in err.splitlines() if not line.startswith(("offline:", "quoted"))]
    assert len(lines) == 1, err
    assert lines[0].startswith("playground: ")
    assert "Traceback" not in err
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(run, command):
    out, _ = run(*command, "--help")
    assert "Usage: playground" in out
    if command not in (["quote"], ["gallery"]):
        assert "Example:" in out


def test_a_quote_is_the_seeds_to_the_last_digit(ask):
    made = ask("quote", "image", WIZARD)
    assert made["basis"] == "exact"
    assert made["dollars"] == {"low": "0.00397", "high": "0.00397"}
    assert made["tokens"]["text_input"] == {"low": 20, "high": 20}
    assert made["tokens"]["image_output"] == {"low": 129, "high": 129}
    assert ask("quote", "image", "--prompt-tokens", 155, "--size", "1440x480")["dollars"] == {
        "low": "0.002395",
        "high": "0.002395",
    }


def test_a_quote_reads_as_a_breakdown(run):
    out, _ = run("quote", "image", WIZARD)
    assert "Input text 20 tokens × $5/1M = $0.000_100_000" in out
    assert "exact: $0.00397" in out


def test_a_quote_of_that_day(ask):
    july = ask("quote", "caption", "--dimensions", "800x600", "--model", "gpt-5.6-luna",
               "--on", "2026-07-15")  # fmt: skip
    assert july["lines"][0]["per_million"] == "1"


def test_a_folder_is_quoted_by_its_headers(ask, photo):
    (photo.parent / "broken.jpg").write_bytes(b"no picture")
    made = ask("quote", "caption", photo.parent, "--dimensions", "1024x768", "--each")
    assert made["photos"] == 2
    assert [Path(row["path"]).name for row in made["refused"]] == ["broken.jpg"]
    assert len(made["each"]) == 2


def test_an_edit_is_quoted_with_its_input(ask, photo):
    made = ask("quote", "image", "make it night", "--input-image", photo)
    assert made["tokens"]["image_input"]["low"] > 0
    assert made["basis"] == "bounded"


def test_sizes_better_and_bill(ask):
    best = ask("sizes", "--max-dollars", "0.005", "--prompt-tokens", 20, "--quality", "low",
               "--sort", "pixels")["sizes"][0]  # fmt: skip
    assert best == {
        "size": "3840x1312",
        "pixels": 5038080,
        "quality": "low",
        "output_tokens": 141,
        "dollars": "0.00433",
    }
    assert ask("better", "--size", "1024x1024", "--quality", "high")["sizes"][0]["size"] == (
        "3840x1488"
    )
    found = ask("bill", "--output-tokens", 186)["candidates"]
    assert {"size": "1384x1136", "quality": "low", "how": "auto"} in found


def test_models_and_prices_name_their_sources(ask):
    names = [model["name"] for model in ask("models")["models"]]
    assert "gpt-image-2" in names
    rows = ask("prices", "--model", "gpt-5.6-luna", "--history")["prices"]
    assert [row["since"] for row in rows] == ["2026-07-09", "2026-07-30"]
    assert all(row["source"]["source"] and row["source"]["date"] for row in rows)
    assert ask("prices", "--model", "gpt-image-2")["prices"][0]["library_agrees"] is True


def test_generating_keeps_the_picture_and_bills_what_was_quoted(ask, tmp_path):
    made = ask("generate", WIZARD, "--tag", "wizard", "--title", "The card", "--out", "here")
    assert made["quoted"]["dollars"] == {"low": "0.00397", "high": "0.00397"}
    assert made["billed"]["dollars"] == "0.00397"
    assert made["billed"]["tokens"] == {"text_input": 20, "image_output": 129}
    assert made["request_id"]
    (item,) = made["items"]
    assert item["size"] == "976x704"
    with Image.open(item["path"]) as picture:
        assert picture.size == (976, 704)
    assert Path(item["path"]).parent == Path("here")
    shown = ask("gallery", "show", item["id"])
    assert (shown["tags"], shown["title"]) == (["wizard"], "The card")
    assert shown["sha256"] == item["sha256"]
    assert ask("gallery", "spend")["settled_dollars"] == "0.00397"


def test_captions_are_asked_for_once(ask, photo):
    first = ask("caption", photo.parent, "--task", "tags")
    assert (first["captioned"], first["skipped"], first["errors"]) == (1, 0, [])
    again = ask("caption", photo.parent, "--task", "tags")
    assert (again["captioned"], again["skipped"]) == (0, 1)
    assert again["settled_dollars"] == "0"
    other = ask("caption", photo, "--task", "alt", "--dry-run")
    assert other["planned"] == 1
    assert other["captioned"] == 0


def test_looking_annotating_and_the_trash(ask, run, photo):
    ask("gallery", "import", photo.parent)
    (item,) = ask("gallery", "list")["items"]
    ask("gallery", "annotate", item["id"], "--rating", 4, "--tag", "sea", "--note", "windy")
    found = ask("gallery", "search", "windy", "--where", "rating=4", "--where", "tag=sea")
    assert [each["id"] for each in found["items"]] == [item["id"]]
    assert (found["total"], found["next"]) == (1, None)
    ask("gallery", "delete", item["id"])
    assert ask("gallery", "list")["items"] == []
    ask("gallery", "restore", item["id"])
    assert ask("gallery", "verify", "--full")["findings"] is not None
    ask("gallery", "backup", "copy")
    back, _ = run("gallery", "restore-backup", "copy", "--gallery", "other")
    assert "1 items are back" in back


def test_words_of_ones_own_have_no_price(run, ask, photo):
    (item,) = ask("gallery", "import", photo)["items"]
    out, _ = run("gallery", "annotate", item["id"], "--caption", "the sea at noon")
    assert "the sea at noon  [describe by owner]" in out


def test_importing_twice_takes_nothing_twice(ask, photo):
    assert len(ask("gallery", "import", photo.parent)["items"]) == 1
    again = ask("gallery", "import", photo.parent)
    assert (again["items"], again["already_there"]) == ([], 1)


def test_a_cap_is_not_exceeded(ask, run):
    _, err = run("generate", WIZARD, "--cap", "0.00396", status=1)
    assert re.search(r"cap|\$0\.00396", one_line(err))
    assert ask("generate", WIZARD, "--cap", "0.00397")["billed"]["dollars"] == "0.00397"
    _, err = run("generate", WIZARD, "--cap", "0.00397", status=1)
    one_line(err)


def test_a_dear_call_asks_first_and_refuses_without_a_terminal(run):
    dear = ["generate", "a", "--size", "2880x2880", "--quality", "high", "--n", 2]
    _, err = run(*dear, status=1)
    assert "--yes" in one_line(err)


def test_a_model_of_ones_own_needs_a_price(ask, run, photo):
    _, err = run("quote", "caption", photo, "--model", "my-llava", status=1)
    one_line(err)
    free = ask("quote", "caption", photo, "--model", "my-llava", "--price", "free")
    assert free["dollars"] == {"low": "0", "high": "0"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["quote", "image", "a", "--size", "780x640"], "880x752"),
        (["quote", "image", "a", "--model", "gpt-imag-2"], "gpt-image-2"),
        (["quote", "image", ""], "prompt is empty"),
        (["quote", "image", "a", "--quality", "best"], "has no quality"),
        (["quote", "caption", "nowhere.jpg"], "nowhere.jpg"),
        (["quote", "caption", "--dimensions", "9x9", "--model", "gpt-image-2"], "vision model"),
        (["generate", "a", "--model", "gpt-image-1", "--size", "1024x1024"], "2026-10-23"),
        (["generate", "a", "--input-image", "nowhere.png"], "nowhere.png"),
        (["generate", "a", "--base-url", "http://example.org/v1"], "example.org"),
        (["generate", "a", "--tier", "flex"], "flex"),
        (["caption", "nowhere"], "nowhere"),
        (["gallery", "list"], "no gallery"),
        (["gallery", "list", "--where", "colour=red"], "facet"),
        (["bill", "--output-tokens", "53"], "explains"),
        (["prices", "--model", "nothing"], "nothing"),
    ],
)
def test_bad_input_gets_one_clear_line(run, arguments, words):
    _, err = run(*arguments, status=1)
    assert words in one_line(err)


def test_a_gallery_of_somebody_else_gets_one_clear_line(run, tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refused)  # the tests may run as root, who may do anything
    line = one_line(run("gallery", "list", "--gallery", tmp_path, status=1)[1])
    assert f"this user may not use {tmp_path / 'gallery.db'}" in line
    assert "change its permissions" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["quote", "image", "a", "--size", "big"],
        ["quote", "image", "a", "--tier", "gold"],
        ["quote", "image", "a", "--on", "yesterday"],
        ["quote", "caption"],
        ["generate"],
        ["generate", "a", "--cap", "-1"],
        ["generate", "a", "--cap", "lots"],
        ["generate", "a", "--mask", "m.png"],
        ["bill"],
        ["gallery", "annotate", "x"],
        ["gallery", "annotate", "x", "--rating", "9"],
        ["offline", "--port", "99999"],
    ],
)
def test_usage_errors_exit_with_2(run, arguments):
    _, err = run(*arguments, status=2)
    assert "Error:" in err


def test_hostile_text_does_not_reach_the_terminal_raw(run, ask):
    ask("generate", "a \x1b[31mred\x1b[0m \u202eevil title")
    out, _ = run("gallery", "list")
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_the_module_is_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "playground", "quote", "image", "a", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["basis"] == "exact"
    assert result.stderr == ""


def test_a_closed_pipe_is_no_error():
    result = subprocess.run(
        f"{sys.executable} -m playground sizes --json | head -c 10",
        shell=True,
        capture_output=True,
        check=True,
    )
    assert b"Traceback" not in result.stderr


def test_doctor_says_what_is_there(ask):
    levels = {finding["level"] for finding in ask("doctor")["findings"]}
    assert levels <= {"ok", "note", "warning"}
