"""`playground gallery publish`, `unpublish` and `serve --public` as they are typed."""

from __future__ import annotations

import json

import pytest

from playground.cli import main
from playground.store import Gallery


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_sample):
    folder = tmp_path_factory.mktemp("cli") / "gallery"
    with Gallery(folder) as gallery:
        for prompt in ("a lantern", "a lighthouse"):
            make_sample(gallery, prompt)
    return folder


@pytest.fixture
def run(place, capsys):
    """Runs a command on the gallery: its status, what it printed, what it said beside that."""

    def ran(*arguments):
        status = main(["gallery", *map(str, arguments), "--gallery", str(place)])
        return status, *capsys.readouterr()

    return ran


def test_a_preview_lists_everything_and_makes_nothing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = run("publish", "--all", "--with", "cost", "--preview", "--json")
    told = json.loads(out)
    assert (status, told["count"]) == (0, 2)
    assert told["fields"][-1] == "cost"
    assert {item["gets"]["prompt"] for item in told["items"]} == {"a lantern", "a lighthouse"}
    assert all(isinstance(item["gets"]["cost"], str) for item in told["items"])
    status, out, _ = run("publish", "--all", "--preview")
    assert "nothing was made" in out
    assert "stays private: what was billed" in out
    assert list(tmp_path.iterdir()) == []


def test_a_challenge_board_is_previewed_and_made_where_it_is_asked_for(run, tmp_path):
    asked = ("publish", "--all", "--board", "half-penny", "--board", "name=Tiny,dollars=0.01")
    status, out, err = run(*asked, "--preview")
    assert status == 0
    assert "board      Half-penny, 1. of 2: no stars, $0.00" in out
    assert "the challenge boards show of 2 pictures: stars" in err
    told = json.loads(run(*asked, "--preview", "--json")[1])
    assert [len(board["places"]) for board in told["boards"]] == [2, 2]
    status, out, _ = run(*asked, tmp_path / "shared")
    assert "challenge board: Half-penny, 2 pictures" in out
    assert (tmp_path / "shared" / "site" / "board" / "half-penny.html").is_file()


def test_a_snapshot_is_made_added_to_and_taken_back(run, tmp_path):
    dest = tmp_path / "shared"
    status, out, _ = run("publish", "--search", "lantern", dest, "--title", "Lamps", "--json")
    made = json.loads(out)
    assert (status, made["published"], made["missing"]) == (0, 1, [])
    assert "Lamps" in (dest / "site" / "index.html").read_text()
    _, out, _ = run("list", "--json")
    ids = [item["id"] for item in json.loads(out)["items"]]
    status, out, _ = run("publish", "--search", "lighthouse", "--add", "--preview", dest)
    assert (status, "1 picture in DEST would stay as published before" in out) == (0, True)
    assert "a lantern" in out
    status, out, _ = run("publish", "--search", "lighthouse", "--add", "--preview", dest, "--json")
    assert [each["prompt"] for each in json.loads(out)["stays"]] == ["a lantern"]
    status, out, _ = run("publish", *ids, dest, "--without", "prompt,model")
    assert status == 0
    assert "Lamps" in (dest / "site" / "index.html").read_text()
    assert "2 pictures for strangers" in out
    assert "lighthouse" not in (dest / "site" / "data" / "words-0.js").read_text()
    status, out, _ = run("unpublish", dest, ids[0][:6])
    assert (status, "1 picture taken out" in out) == (0, True)
    status, _, _ = run("unpublish", dest, "--all")
    assert (status, dest.exists()) == (0, False)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["publish"], 2, "say what to publish"),
        (["publish", "shared"], 2, "say what to publish"),
        (["publish", "--all", "id", "shared"], 2, "not both"),
        (["publish", "--all", "shared", "--with", "secret"], 2, "'secret' is not a field"),
        (["publish", "--all", "shared", "--board", "dollars=free"], 1, "dollars such as"),
        (["publish", "nosuch", "shared"], 1, "there is no item 'nosuch'"),
        (["publish", "--search", "nosuchword", "shared"], 1, "nothing matches"),
        (["publish", "--all", "shared", "--base-url", "ftp://x"], 1, "begins with https://"),
        (["unpublish", "shared"], 2, "name the ids"),
        (["unpublish", "shared", "--all"], 1, "There is no published snapshot"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    run, tmp_path, monkeypatch, arguments, status, sentence
):
    monkeypatch.chdir(tmp_path)
    got, out, err = run(*arguments)
    assert (got, out) == (status, "")
    assert sentence in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_serving_what_is_no_snapshot_is_one_clear_sentence(tmp_path, capsys):
    assert main(["serve", "--public", str(tmp_path), "--no-browser"]) == 1
    assert "There is no published snapshot" in capsys.readouterr().err
