"""The HTML page and Markdown: words stay words, pictures have alternative texts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.exports import fields, markdown, page
from playground.exports.selection import Selection
from playground.store import Words

HOSTILE = [
    "<script>window.__x=1</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;script&#62;",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/beacon.png)",
    "](x) ![y](https://evil.example/b.png)",
    "<https://evil.example>",
    "https://evil.example/a www.evil.example",
    "`` ` `` ``` code",
    "# heading",
    "- list\n- list",
    "1. one",
    "---",
    "===",
    "| a | b |\n|---|---|",
    "> quote",
    "*a* _b_ **c** ~~d~~ [^1]",
    "\\](x)",
    "\x1b]0;owned\x07\x1b[31mred",
    "\u202egnp.exe",
    "@everyone #1",
]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def parsed(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.fixture
def hostile(folder_gallery, take):
    for text in HOSTILE:
        words = (Words(text, model=text), Words(text, "alt", text))
        take(
            folder_gallery,
            prompt=text,
            title=text,
            note=text,
            name=text,
            collection=text,
            model=text,
            tags=(text[:60],),
            captions=words,
        )
    return folder_gallery


def test_no_text_becomes_markup_in_the_page(hostile, tmp_path):
    page.to_html(hostile, tmp_path / "a.html", groups=fields.EVERYTHING, title=HOSTILE[0])
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    reader = parsed(text)
    known = {"html", "head", "meta", "title", "style", "body", "header", "h1", "main", "figure"}
    known |= {"img", "div", "figcaption", "h2", "span", "p", "ul", "li", "details", "summary"}
    known |= {"dl", "dt", "dd", "footer"}
    assert {tag for tag, _ in reader.tags} <= known
    attributes = {name for _, attrs in reader.tags for name in attrs}
    assert not [name for name in attributes if name.startswith("on")]
    sources = [attrs["src"] for tag, attrs in reader.tags if tag == "img"]
    assert len(sources) == len(HOSTILE)
    assert all(source.startswith("data:image/") for source in sources)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_page_forbids_scripts_and_requests(folder_gallery, take, tmp_path):
    take(folder_gallery)
    page.to_html(folder_gallery, tmp_path / "a.html")
    reader = parsed((tmp_path / "a.html").read_text(encoding="utf-8"))
    (policy,) = [a["content"] for t, a in reader.tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "script-src" not in policy


def test_every_picture_has_an_alternative_text_and_only_what_may_go_along(
    folder_gallery, take, tmp_path
):
    take(folder_gallery, alt="A desert of glass")
    take(folder_gallery, prompt="CANARY prompt", note="CANARY note")
    take(folder_gallery, captions=(Words("A boat", "alt", "m"),))
    page.to_html(folder_gallery, tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    alts = [attrs["alt"] for tag, attrs in parsed(text).tags if tag == "img"]
    assert alts == ["A boat", page.UNDESCRIBED, "A desert of glass"]
    assert "CANARY" not in text


def test_a_picture_whose_file_is_gone_is_shown_as_missing(folder_gallery, take, tmp_path):
    item = take(folder_gallery, alt="A desert")
    folder_gallery.original_path(item.id).unlink()
    done = page.to_html(folder_gallery, tmp_path / "a.html")
    assert done.items == 1
    assert item.id in done.notes[0]
    assert 'aria-label="A desert"' in (tmp_path / "a.html").read_text(encoding="utf-8")


render = mistune.create_markdown(
    escape=False, plugins=["strikethrough", "table", "url", "footnotes", "task_lists"]
)


def test_no_text_becomes_markup_in_markdown(hostile, tmp_path):
    path = tmp_path / "a.md"
    markdown.to_markdown(hostile, path, groups=fields.EVERYTHING, link="pictures")
    text = path.read_text(encoding="utf-8")
    reader = parsed(render(text))
    assert {tag for tag, _ in reader.tags} <= {"p", "img", "strong"}
    for tag, attrs in reader.tags:
        if tag == "img":
            assert re.fullmatch(r"pictures/[0-9a-z]{12}\.jpg", attrs["src"])
    assert sum(tag == "img" for tag, _ in reader.tags) == len(HOSTILE)
    assert "\x1b" not in text
    assert "\u202e" not in text


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=80))
def test_any_text_reads_as_itself_in_markdown(text):
    made = render(markdown.escaped(text))
    reader = parsed(made)
    assert {tag for tag, _ in reader.tags} <= {"p"}
    from playground.render import printable

    wanted = " ".join(printable(" ".join(text.split())).split())
    assert " ".join(reader.text.split()) == wanted


def test_the_prompt_is_the_alternative_text_of_a_post(folder_gallery, take):
    item = take(
        folder_gallery, kind="image", prompt="a *glass* desert", model="gpt-image-2", tags=("sand",)
    )
    groups = fields.SHOWN | {"prompt", "model"}
    made = markdown.post(folder_gallery.item(item.id), groups, "https://example.org/p/")
    assert made.startswith(
        f"![a \\*glass\\* desert](<https://example.org/p/{item.id}.jpg>)\n\ngpt-image-2 48x32"
    )
    assert "glass" not in markdown.post(folder_gallery.item(item.id))


def test_posts_follow_each_other_in_the_order_that_was_chosen(folder_gallery, take, tmp_path):
    first, second = take(folder_gallery), take(folder_gallery)
    chosen = Selection(ids=(first.id, second.id))
    markdown.to_markdown(folder_gallery, tmp_path / "a.md", chosen=chosen)
    text = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert text.index(first.id) < text.index(second.id)
