"""Hostile words in every text of a gallery, in every place where they are shown: they stay words.

`golden/hostile.json` holds ways in which text becomes script, style, markup or a request. Each is
a prompt, title, caption, tag, note, alternative text, collection, model, file name, the Exif of a
file and the reason of a failed call. What an API says that it made of a prompt (`revised_prompt`)
is kept nowhere and so shown nowhere.
"""

from __future__ import annotations

import hashlib
import io
import re
from html.parser import HTMLParser

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary
from PIL import Image
from playwright.sync_api import expect

from playground import exports, magics, photos, pricing, serve
from playground.exports import fields
from playground.public import launch
from playground.publish import FIELDS, Selection, publish
from playground.store import Gallery, Imported, Words
from playground.values import ImageRequest, Photo, Unknown


@pytest.fixture(scope="module")
def payloads(hostile_words):
    assert len(hostile_words) >= 60
    return hostile_words


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, payloads):
    """A gallery of one picture for each payload, which is in all of its texts."""
    folder = tmp_path_factory.mktemp("hostile")
    with Gallery(folder / "gallery") as gallery:
        made = []
        for number, text in enumerate(payloads):
            data = picture(number, text)
            sha256 = hashlib.sha256(data).hexdigest()
            said = (Words(text, model=text), Words(text, "alt", model=text))
            one = Imported(
                Photo(320 + number, 240, "jpeg", len(data), sha256), name=text, kind="image",
                prompt=text, model=text, quality=text, title=text, alt=text, note=text,
                collection=text, tags=(text[:64],), captions=said, source=text,
                thumbnail=photos.thumbnail(data),
            )  # fmt: skip
            made.append((one, data))
        gallery.take_in(made)
        request = ImageRequest(prompt="x")
        for number, text in enumerate(payloads):
            attempt = gallery.ledger.reserve(
                job_key=f"job {number}", slots=1, request=request, provider="offline",
                quote=pricing.quote(request),
            )  # fmt: skip
            gallery.ledger.sent(attempt.id)
            gallery.ledger.unknown(attempt.id, Unknown("timeout", text))
    return folder / "gallery"


def picture(number, text):
    """A JPEG whose metadata say the text, too."""
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = exif[0x8298] = text
    file = io.BytesIO()
    colour = (number * 4 % 256, 90, 160)
    Image.new("RGB", (320 + number, 240), colour).save(file, "JPEG", exif=exif, comment=text)
    return file.getvalue()


@pytest.fixture(scope="module")
def published(hostile, payloads):
    with Gallery(hostile) as gallery:
        folder = hostile.parent / "snapshot"
        return publish(gallery, Selection(everything=True), FIELDS, folder, title=payloads[1])


@pytest.fixture
def page(chromium):
    """A page, with what it asked elsewhere for, and what went wrong on it."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    opened.foreign, opened.trouble = [], []
    opened.on("request", lambda r: ours(r.url) or opened.foreign.append(r.url))
    opened.on("pageerror", lambda error: opened.trouble.append(str(error)))
    opened.on("dialog", lambda dialog: (opened.trouble.append("dialog"), dialog.dismiss()))
    yield opened
    context.close()


def ours(url):
    return re.match(r"(file|data|blob):|(http|ws)://127\.0\.0\.1:", url)


def nothing_ran(page):
    assert page.evaluate("window.tripped") is None
    assert page.foreign == []
    assert page.trouble == []


def walked(page, heading, count):
    """The heading of each of so many pictures that are looked at one after the other."""
    seen = []
    for _ in range(count):
        before = page.url
        seen.append(page.locator(heading).first.text_content())
        page.keyboard.press("ArrowRight")
        if len(seen) < count:
            expect(page).not_to_have_url(before)
    return seen


def shown(text):
    """What is left of a payload where it is shown: letters, digits and signs, no controls."""
    return re.sub(r"[^\x21-\x7e]", "", text)


def walk_and_search(page, payloads):
    expect(page.locator(".pub-wall.pub-laid li").first).to_be_visible(timeout=60_000)
    page.locator(".pub-tile").first.click()
    expect(page.locator(".pub-panel dl.hp-facts").first).to_be_visible()
    titles = walked(page, ".pub-lightbox h2", len(payloads))
    assert {shown(title)[:60] for title in titles} >= {shown(text)[:60] for text in payloads[:50]}
    page.keyboard.press("Escape")
    for text in (payloads[3], payloads[12]):
        page.locator(".hp-search").fill(text)
        page.locator(".hp-search").press("Enter")
        expect(page.locator(".pub-wall")).to_have_attribute("aria-busy", "false")
    page.locator(".hp-search").fill("")
    page.locator(".hp-facet[data-facet=tag]").first.click()
    expect(page.locator(".pub-chips button").first).to_be_visible()


def test_on_the_static_site(page, published, payloads):
    page.goto(published.index.as_uri())
    walk_and_search(page, payloads)
    page.goto(f"{published.index.as_uri()}#/?tag={payloads[2]}&q={payloads[0]}&theme={payloads[1]}")
    page.reload()
    expect(page.locator(".hp-search")).to_have_value(re.compile("script"))
    nothing_ran(page)
    for path in sorted((published.site / "item").iterdir())[:6]:
        page.goto(path.as_uri())
        assert page.evaluate("window.tripped") is None
    assert page.foreign == []


class Elements(HTMLParser):
    """The elements of a page and their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_in_the_pages_feeds_and_data_of_the_site(published, payloads):
    pages = sorted((published.site / "item").iterdir())
    assert len(pages) == len(payloads)
    for path in [*pages, published.index]:
        elements = Elements(path.read_text(encoding="utf-8")).found
        names = {tag for tag, _ in elements}
        assert not names & {"iframe", "object", "embed", "base", "math", "video", "details"}
        if path != published.index:  # which has a search, icons and the shapes of its tiles
            assert not names & {"svg", "style", "form", "input", "script"}
        policies = [
            one["content"] for _, one in elements
            if one.get("http-equiv", "").lower() == "content-security-policy"
        ]  # fmt: skip
        assert "default-src 'none'" in policies[0]
        for tag, attributes in elements:
            assert not any(name.startswith("on") for name in attributes), (path, tag)
            for name in ("href", "src"):
                assert "javascript:" not in str(attributes.get(name)), (path, tag)
                assert "evil" not in str(attributes.get(name)), (path, tag)


def test_on_the_public_page(page, published, payloads, environ):
    with launch.public(published.folder, 0, visitors=2, environ=environ) as (url, _):
        answer = page.goto(url)
        headers = answer.all_headers()
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        walk_and_search(page, payloads)
        nothing_ran(page)


def test_on_the_owners_page(page, hostile, payloads, environ):
    with serve.voila(hostile, 0, environ=environ) as (url, _):
        page.goto(url)
        expect(page.locator(".hp-gallery")).to_have_attribute(
            "data-total", str(len(payloads)), timeout=60_000
        )
        page.locator(".hp-tile").first.click()
        dialog = page.locator("dialog.hp-lightbox").first
        note = dialog.get_by_label("Note", exact=True)
        seen = set()
        for number in range(len(payloads)):
            place = f"{number + 1} of {len(payloads)}"
            expect(dialog).to_contain_text(place)
            seen.add(shown(note.input_value()))
            page.keyboard.press("ArrowRight")
        assert len(seen) > 55
        page.keyboard.press("Escape")
        page.locator(".hp-search").fill(payloads[3])
        expect(page.locator(".hp-line .hp-chip").first).to_contain_text("<img src=x")
        page.locator(".hp-search").fill("")
        page.get_by_role("button", name="Spending").click()
        expect(page.locator(".hp-unknowns li")).to_have_count(len(payloads))
        expect(page.locator(".hp-unknowns")).to_contain_text("<script>window.tripped")
        nothing_ran(page)


def test_on_the_exported_page(page, hostile, payloads):
    with Gallery(hostile) as gallery:
        exports.to_html(gallery, hostile.parent / "all.html", groups=fields.EVERYTHING)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto((hostile.parent / "all.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.locator("figure img").count() == len(payloads)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    nothing_ran(page)


# Said by the notebook itself: where this does not run, no output could have done harm.
CONTROL = {"text/html": "<script>window.control = 1</script>", "text/plain": "control"}


@pytest.fixture(scope="module")
def notebook(hostile, payloads, tmp_path_factory):
    """A notebook whose outputs say each payload in all ways in which we show text there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        shell = InteractiveShell.instance()
        try:
            outputs = [CONTROL, *said(hostile, payloads, shell)]
        finally:
            shell.history_manager.end_session()
            InteractiveShell.clear_instance()
    cell = nbformat.v4.new_code_cell("1")
    cell.outputs = [
        nbformat.v4.new_output("display_data", data=data, metadata={}) for data in outputs
    ]
    return nbformat.v4.new_notebook(cells=[cell])


def said(hostile, payloads, shell):
    small = picture(1, "x")
    with capture_output() as told:
        for text in payloads:
            magics._show_text(text)
            magics._show_picture(small, text)  # a WebP, so that it comes as markup
    bundles = [output.data for output in told.outputs]
    # JupyterLab shows no more than fifty outputs of a cell.
    for at in range(0, len(bundles), 8):
        some = bundles[at : at + 8]
        yield {
            "text/html": "\n".join(each["text/html"] for each in some),
            "text/plain": "\n".join(each["text/plain"] for each in some),
        }
    quote = pricing.quote(ImageRequest(prompt="x"))
    with Gallery(hostile) as gallery:
        for each in (
            magics.replace(quote, notes=tuple(payloads)),
            gallery.items().iloc[:, :8],
            gallery.items().iloc[:, 8:],
            gallery.search("", limit=1000).items,
            gallery.history(gallery.search("").items[0].id),
            gallery.ledger.unknowns(),
            gallery,
        ):
            yield shell.display_formatter.format(each)[0]


def test_in_a_notebook_that_nbconvert_makes_a_page_of(page, notebook, tmp_path):
    made = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    text, _ = made.from_notebook_node(notebook)
    (tmp_path / "notebook.html").write_text(text, encoding="utf-8")
    page.goto((tmp_path / "notebook.html").as_uri())
    assert page.evaluate("window.control") == 1
    assert page.evaluate("window.tripped") is None
    assert [url for url in page.foreign if "evil" in url] == []


def test_in_a_trusted_notebook_in_jupyterlab(page, notebook, lab, accepting):
    path = lab.notebooks / "hostile.ipynb"
    nbformat.write(notebook, path)
    notary = NotebookNotary(data_dir=str(lab.data))
    notary.sign(nbformat.read(path, as_version=4))
    notary.store.close()
    accepting(page)
    page.goto(lab.url.replace("/lab?", "/lab/workspaces/hostile/tree/hostile.ipynb?"))
    expect(page.get_by_text("Gallery('").first).to_be_attached(timeout=90_000)
    page.wait_for_function("window.control === 1")
    assert page.evaluate("window.tripped") is None
    assert [url for url in page.foreign if "evil" in url] == []
