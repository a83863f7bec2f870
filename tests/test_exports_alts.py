"""Alternative texts written back: only they change, and only where that was asked for."""

from __future__ import annotations

from html.parser import HTMLParser

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import GalleryProblem
from playground.exports import alts
from playground.exports.rewriting import fill
from playground.store import Words

TEXTS = {"a.jpg": 'A <b> "q" & [x] *y*', "plain.jpg": "", "é.png": "ü\n"}
ALT = "A &lt;b> &quot;q&quot; &amp; [x] *y*"


def filled(text: str, suffix: str = ".html", **how) -> str:
    return fill(text.encode(), suffix, TEXTS.get, **how)[0].decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<img src="a.jpg">', f'<img alt="{ALT}" src="a.jpg">'),
        ("<img src=a.jpg>", f'<img alt="{ALT}" src=a.jpg>'),
        ("<IMG\n  SRC='a.jpg'/>", f"<IMG alt=\"{ALT}\"\n  SRC='a.jpg'/>"),
        ('<img src="a.jpg" alt>', f'<img src="a.jpg" alt="{ALT}">'),
        ('<img alt="" src="a.jpg">', f'<img alt="{ALT}" src="a.jpg">'),
        ("<img alt='' src=a.jpg />", f'<img alt="{ALT}" src=a.jpg />'),
        ('<img alt=" " src="a.jpg">', f'<img alt="{ALT}" src="a.jpg">'),
        ('<img src="&#97;.jpg">', f'<img alt="{ALT}" src="&#97;.jpg">'),
        ('<img title="a>b" src="a.jpg">', f'<img alt="{ALT}" title="a>b" src="a.jpg">'),
        ('<img src="plain.jpg">', '<img alt="" src="plain.jpg">'),
        ('<a><picture><img src="a.jpg"></a>', f'<a><picture><img alt="{ALT}" src="a.jpg"></a>'),
    ],
)
def test_a_picture_without_a_text_gets_it(before, after):
    assert filled(f"<p>x {before} y") == f"<p>x {after} y"


@pytest.mark.parametrize(
    "text",
    [
        '<img src="a.jpg" alt="mine">',
        '<!-- <img src="a.jpg"> -->',
        "<script>'<img src=\"a.jpg\">'</script>",
        "<style>/*<img src=a.jpg>*/</style>",
        '<img src="unknown.jpg">',
        '<img src="">',
        '<img data-src="a.jpg">',
        '<source src="a.jpg">',
        '<img src="plain.jpg" alt="">',
        '<img alt="mine" alt="" src="a.jpg">',
        "<img src=a.jpg",
        "\ufeff<p>\r\n\r<img src='x.jpg'>\t\r",
    ],
)
def test_everything_else_stays_byte_for_byte(text):
    assert filled(text) == text


def test_a_text_that_is_there_is_replaced_only_when_asked():
    text = '<img src="a.jpg" alt="mine">'
    assert filled(text) == text
    assert filled(text, replace_texts=True) == f'<img src="a.jpg" alt="{ALT}">'
    assert filled("![mine](a.jpg)", ".md") == "![mine](a.jpg)"
    assert "q" in filled("![mine](a.jpg)", ".md", replace_texts=True)


def test_line_ends_and_foreign_encodings_survive():
    page = '<meta charset="iso-8859-1">\r\nGrüße <img src="a.jpg">\r\n'.encode("latin-1")
    made, counts = fill(page, ".html", {"a.jpg": "Ω"}.get)
    assert made == page.replace(b"<img", b'<img alt="&#937;"')
    assert counts.filled == 1
    wide = '\ufeff<img src="a.jpg">'.encode("utf-16-le")
    assert fill(wide, ".html", TEXTS.get)[0].decode("utf-16-le").startswith("\ufeff<img alt=")


MD = r'A &lt;b&gt; "q" &amp; \[x\] \*y\*'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("![](a.jpg)", f"![{MD}](a.jpg)"),
        ("![ ](a.jpg)", f"![{MD}](a.jpg)"),
        ('![](<a.jpg> "title")', f'![{MD}](<a.jpg> "title")'),
        ("[![](a.jpg)](https://x)", f"[![{MD}](a.jpg)](https://x)"),
        ("![][ref]\n\n[ref]: a.jpg\n", f"![{MD}][ref]\n\n[ref]: a.jpg\n"),
        ("text `code` ![](a.jpg)", f"text `code` ![{MD}](a.jpg)"),
        ('<img src="a.jpg">', f'<img alt="{ALT}" src="a.jpg">'),
    ],
)
def test_markdown_pictures_get_their_text(before, after):
    assert filled(before, ".md") == after


@pytest.mark.parametrize(
    "text",
    [
        "![mine](a.jpg)",
        "`![](a.jpg)`",
        "```\n![](a.jpg)\n```\n",
        "~~~~ md\n![](a.jpg)\n~~~\n~~~~\n",
        "\\![](a.jpg)",
        "<!-- ![](a.jpg) -->",
        "[](a.jpg)",
        "![](unknown.jpg)",
        "``a ` ![](a.jpg)``",
    ],
)
def test_other_markdown_stays_as_it_is(text):
    assert filled(text, ".md") == text


class Alts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.alts = []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.alts.append(dict(attrs).get("alt"))


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60))
def test_a_browser_and_a_markdown_reader_see_the_text_itself(text):
    text = " ".join(text.split())
    for suffix, page in ((".html", '<img src="a.jpg">'), (".md", "![](a.jpg)")):
        made = fill(page.encode(), suffix, {"a.jpg": text}.get)[0].decode()
        html = made if suffix == ".html" else mistune.create_markdown(escape=False)(made)
        reader = Alts()
        reader.feed(html)
        from playground.render import printable

        wanted = text if suffix == ".html" else " ".join(printable(text).split())
        assert reader.alts == [wanted]


@given(st.text(alphabet=st.sampled_from(list("<>img src='a.jpg' alt=\"/\n![]()`~\\")), max_size=60))
def test_any_page_keeps_its_bytes_but_for_the_texts(page):
    for suffix in (".html", ".md"):
        made, counts = fill(page.encode(), suffix, {"a.jpg": "W"}.get)
        if not counts.filled:
            assert made == page.encode()


def test_files_get_copies_with_the_gallerys_texts(folder_gallery, take, photo_file, tmp_path):
    site = tmp_path / "site"
    (site / "img").mkdir(parents=True)
    data = photo_file(seed=1)
    (site / "img" / "a photo.jpg").write_bytes(data)
    (site / "img" / "other.jpg").write_bytes(photo_file(seed=2))
    take(folder_gallery, data, captions=(Words("Dunes\nat noon", "alt", "m"),))
    page = '<img src="img/a%20photo.jpg?v=2"><img src="img/other.jpg"><img src="https://x/a.jpg">'
    (site / "index.html").write_text(page, encoding="utf-8")
    (site / "post.md").write_text("![](<img/a photo.jpg>)", encoding="utf-8")
    done = alts.fill_files(folder_gallery, [site], tmp_path / "out")
    assert [(one.filled, one.kept, one.unknown) for one in done] == [(1, 0, 2), (1, 0, 0)]
    assert (site / "index.html").read_text(encoding="utf-8") == page
    made = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert made == page.replace("<img", '<img alt="Dunes at noon"', 1)
    with pytest.raises(GalleryProblem, match="--force"):
        alts.fill_files(folder_gallery, [site], tmp_path / "out")
    with pytest.raises(GalleryProblem, match="overwritten"):
        alts.fill_files(folder_gallery, [site], site)
    with pytest.raises(GalleryProblem, match="neither HTML"):
        alts.fill_files(folder_gallery, [site / "img" / "other.jpg"], tmp_path / "out")


def test_the_owners_text_comes_before_a_models_and_decoration_has_none(folder_gallery, take):
    draft = (Words("a draft", "alt", "m"),)
    assert alts.text_for(take(folder_gallery, alt="mine", captions=draft)) == "mine"
    drafted = take(folder_gallery, captions=draft)
    assert alts.text_for(drafted) == "a draft"
    assert alts.text_for(drafted, reviewed=True) is None
    assert alts.text_for(take(folder_gallery, captions=(Words("DECORATIVE.", "alt", "m"),))) == ""
    assert alts.text_for(take(folder_gallery)) is None


def test_a_resized_picture_is_known_by_its_name_only_when_allowed(
    folder_gallery, take, photo_file, tmp_path
):
    item = take(folder_gallery, name="dunes at noon.jpg", alt="mine")
    page = tmp_path / "a.html"
    text = f'<img src="https://cdn/small/dunes%20at%20noon.jpg"><img src="x/{item.id}.webp">'
    page.write_text(text, encoding="utf-8")
    (one,) = alts.fill_files(folder_gallery, [page], tmp_path / "one")
    assert (one.filled, one.unknown) == (0, 2)
    (two,) = alts.fill_files(folder_gallery, [page], tmp_path / "two", by_name=True)
    assert (two.filled, two.unknown) == (2, 0)
