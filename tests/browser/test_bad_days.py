"""What can go wrong on the pages, tried there: refusals, bad input, hostile texts, no web."""

from __future__ import annotations

import json
import re
import struct
import zlib
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from playground import serve
from playground.demo import PHOTOS

# Each call of the session ends in another way: what the card says, and whether it was billed.
ENDINGS = [
    ("403-verify", "Not made, not billed", "verify it in the provider's settings"),
    ("moderation-input", "Not made, not billed", "change the prompt or the picture"),
    ("quota", "Not made, not billed", "add credit or raise the limit"),
    ("429", "Not made, not billed", "try again in 1 s"),
    ("bad-size", "Not made, not billed", "Supported sizes are 1024x1024"),
    ("timeout", "Lost: it may have been billed", "did not answer in time"),
    ("502-html", "Lost: it may have been billed", "try again if you accept a second bill"),
    ("html-picture", None, "no picture could be used"),
]
FAULTY = """
from playground import pages
from playground.provider.client import Client
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.faults import Faults
faults = Faults(calls={calls})
pages.playground(client=Client.offline(OfflineApp(faults=faults), sleep=lambda _: None))
"""
CORPUS = (
    "<script>window.__x=1</script>",
    "<img src=x onerror=window.__x=1>",
    "<svg/onload=window.__x=1>",
    "<iframe srcdoc='<script>parent.__x=1</script>'></iframe>",
    "</textarea></title></style><script>window.__x=1</script>",
    '"><details open ontoggle=window.__x=1>',
    "' autofocus onfocus=window.__x=1 x='",
    "<a href=javascript:window.__x=1>x</a>",
    "[x](javascript:window.__x=1) ![x](http://evil.example/x.png)",
    "<style>@import 'http://evil.example/x.css'</style>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<base href=http://evil.example/><form action=http://evil.example/>",
    "<meta http-equiv=refresh content='0;url=http://evil.example/'>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=window.__x=1>",
    "{{constructor.constructor('window.__x=1')()}} ${window.__x=1} #{window.__x=1}",
    "$$\\href{javascript:window.__x=1}{.}$$ \\unicode{<img src=x onerror=window.__x=1>}",
    "<template><script>window.__x=1</script></template><noscript><p title='</noscript>"
    "<img src=x onerror=window.__x=1>'>",
    "\u202egnp.exe\u202c \u2028 \ufeff \x1b[2J <!--",
)


def notebook(cell):
    made = json.loads((serve.notebooks_folder() / "1_playground.ipynb").read_text("utf-8"))
    made["cells"][0]["source"] = [cell.strip()]
    return made


@pytest.fixture(scope="module")
def places(tmp_path_factory, environ):
    """The addresses of the pages, and of a playground whose provider fails call after call."""
    folder = tmp_path_factory.mktemp("badly") / "gallery"
    calls = {n: fault for n, (fault, *_) in enumerate(ENDINGS, 1)}
    extra = {"faulty": notebook(FAULTY.replace("{calls}", repr(calls)))}
    with serve.voila(folder, 0, pages="all", environ=environ, extra=extra, preheat=False) as (
        url,
        _,
    ):
        yield {
            name: url.replace("/gallery.ipynb", f"/{name}.ipynb")
            for name in ("gallery", "1_playground", "2_captions", "faulty")
        }


@pytest.fixture
def page(chromium):
    """A page that answers nothing from outside, as behind a wall that drops packets."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.outside, page.dialogs, page.wrong = [], [], []

    def swallow(route):
        page.outside.append(route.request.url)  # and never an answer

    context.route(lambda url: urlsplit(url).hostname not in {"127.0.0.1", None}, swallow)
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    yield page
    context.close()


def go(page, places, name):
    page.goto(places[name])
    ready = {"2_captions": ".cp-lengths .cp-chip", "gallery": ".hp-search"}
    expect(page.locator(ready.get(name, "[data-sequence] .hp-primary")).first).to_be_visible(
        timeout=90_000
    )


def write(page, text):
    page.get_by_label("Prompt", exact=True).fill(text)


def untouched(page):
    assert page.evaluate("window.__x") is None
    assert page.dialogs == []
    assert page.outside == []
    assert page.wrong == []


def test_every_kind_of_refusal_names_its_fix_and_whether_it_was_billed(page, places):
    go(page, places, "faulty")
    for fault, title, words in ENDINGS:
        write(page, f"a cat with {fault}")
        page.locator(".hp-go .hp-primary").click()
        card = page.locator(".hp-run", has_text=f"a cat with {fault}")
        expect(card).to_contain_text(words, timeout=30_000)
        if title is not None:
            expect(card.locator("h3")).to_have_text(title)
    held = page.locator(".hp-run", has_text="with timeout")
    expect(held).to_contain_text("stays held")
    write(page, "and now a cat")
    page.locator(".hp-go .hp-primary").click()
    expect(page.locator(".hp-result .hp-prompt")).to_have_text("and now a cat", timeout=30_000)
    untouched(page)


def test_bad_pictures_masks_and_prompts_are_one_sentence_in_place(page, places):
    go(page, places, "1_playground")
    cat = (PHOTOS / "cat.jpg").read_bytes()
    files = page.get_by_label("Pictures to edit")
    for name, data, words in (
        ("notes.png", b"not a picture at all", "notes.png"),
        ("bomb.png", bomb(60_000, 60_000), "bomb.png"),
        ("cut.jpg", cat[: len(cat) // 2], "cut.jpg"),
        ("empty.png", b"", "empty.png"),
    ):
        files.set_input_files([{"name": name, "mimeType": "image/png", "buffer": data}])
        expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.locator(".hp-references li")).to_have_count(0)
    files.set_input_files([{"name": "cat.jpg", "mimeType": "image/jpeg", "buffer": cat}])
    expect(page.locator(".hp-references li")).to_have_count(1)
    page.get_by_label("Mask from a file").set_input_files(str(PHOTOS / "coffee.jpg"))
    expect(page.get_by_role("alert")).to_contain_text("they must be equal. Nothing was sent.")
    reason = page.locator(".hp-reason")
    expect(reason).to_have_text("Write what you want to see.")
    write(page, "word " * 20_000)
    expect(reason).to_contain_text("characters too long: at most 32,000")
    expect(page.locator(".hp-go .hp-primary")).to_be_disabled()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".hp-run")).to_have_count(0)
    untouched(page)


def test_hostile_texts_are_only_text_on_the_playground(page, places):
    go(page, places, "1_playground")
    write(page, "\n".join(CORPUS))
    page.get_by_role("button", name="Show tokens").click()
    expect(page.locator(".hp-pieces")).to_contain_text("onerror")
    page.locator(".hp-go .hp-primary").click()
    expect(page.locator(".hp-result .hp-prompt")).to_contain_text("onerror", timeout=30_000)
    for tag in CORPUS[:4]:
        page.get_by_label("Add a tag").fill(tag)
        page.keyboard.press("Enter")
        expect(page.locator(".hp-result .hp-chip", has_text=tag[:12]).first).to_be_visible()
    page.get_by_label("Note").fill("\n".join(CORPUS))
    page.get_by_label("Alternative text").fill(" ".join(CORPUS)[:900])
    page.get_by_label("Alternative text").blur()
    expect(page.locator(".hp-result .hp-status")).to_have_text("Saved")
    for kind in ("Python", "curl"):
        page.get_by_role("button", name=f"Copy as {kind}").click()
        expect(page.locator("dialog[open] textarea")).to_have_value(re.compile("onerror"))
        page.keyboard.press("Escape")
    cat = (PHOTOS / "cat.jpg").read_bytes()
    names = [text.replace("/", "\u2215") for text in CORPUS[:6]]
    page.get_by_label("Pictures to edit").set_input_files(
        [{"name": name, "mimeType": "image/jpeg", "buffer": cat} for name in names]
    )
    expect(page.locator(".hp-references li")).to_have_count(6)
    page.reload()
    expect(page.locator(".hp-result .hp-chip").first).to_be_visible(timeout=90_000)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(re.compile("onerror"))
    go(page, places, "gallery")
    expect(page.locator(".hp-tile").first).to_be_visible()
    page.locator(".hp-tile").first.click()
    untouched(page)


def test_the_bare_address_leads_to_the_gallery(page, places):
    token = urlsplit(places["gallery"]).query
    page.goto(f"http://{urlsplit(places['gallery']).netloc}/?{token}")
    expect(page.locator(".hp-search")).to_be_visible(timeout=90_000)
    assert urlsplit(page.url).path == "/voila/render/gallery.ipynb"
    untouched(page)


GIVEN_UP = """
document.addEventListener("DOMContentLoaded", () => {
  const loads = Number(localStorage.getItem("loads") ?? 0) + 1;
  localStorage.setItem("loads", loads);
  if (loads > Number(localStorage.getItem("fail") ?? 1)) return;
  const said = document.createElement("p");
  said.textContent = "Error displaying widget: model not found";
  document.querySelector("#rendered_cells").replaceWith(said);
  said.id = "rendered_cells";
});
"""


def test_a_page_that_the_widget_manager_gave_up_on_is_asked_for_once_more(page, places):
    page.add_init_script(GIVEN_UP)
    go(page, places, "gallery")
    assert page.evaluate("localStorage.getItem('loads')") == "2"
    page.evaluate("localStorage.setItem('fail', 9)")
    page.reload()
    expect(page.locator("#rendered_cells")).to_contain_text("Error displaying widget")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("localStorage.getItem('loads')") == "3"  # not again within a minute


class Lossy:
    """The socket of a page to its kernel, which loses what `gone` says, both ways."""

    def __init__(self, page):
        self.gone = lambda outwards, data: False
        self.lost = 0
        page.route_web_socket(re.compile("/channels"), self._between)

    def _between(self, socket):
        kernel = socket.connect_to_server()
        socket.on_message(lambda data: self._pass(kernel, data, outwards=True))
        kernel.on_message(lambda data: self._pass(socket, data, outwards=False))

    def _pass(self, to, data, *, outwards):
        raw = data if isinstance(data, bytes) else data.encode()
        if self.gone(outwards, raw):
            self.lost += 1
        else:
            to.send(data)


def test_messages_that_the_connection_loses_are_sent_again_and_nothing_is_bought_twice(
    page, places
):
    way = Lossy(page)
    go(page, places, "1_playground")
    write(page, "two boats that got lost")
    expect(page.locator(".hp-go .hp-primary")).to_contain_text("$0.0")
    bought = page.locator(".hp-strip .hp-tile").count()
    # The last thing that was typed never arrives at first: the price follows nevertheless.
    way.gone = lambda outwards, data: outwards and b"many more words" in data and way.lost < 1
    write(page, "two boats that got lost, with many more words than before")
    expect(page.locator(".hp-count")).to_contain_text("12 tokens")
    assert way.lost == 1
    # The order to buy arrives, but nothing comes back: it is told, asked again, and bought once.
    way.gone = lambda outwards, data: not outwards
    page.locator(".hp-go .hp-primary").click()
    alert = page.get_by_role("alert").filter(has_text="No answer")
    expect(alert).to_be_visible()
    way.gone = lambda outwards, data: False
    expect(alert).to_be_hidden()
    page.reload()
    expect(page.locator(".hp-result .hp-prompt")).to_contain_text("with many", timeout=90_000)
    assert page.locator(".hp-strip .hp-tile").count() == bought + 1
    untouched(page)


def test_axe_finds_nothing_serious_wide_and_narrow_in_light_and_dark(page, places, audit):
    for name in ("1_playground", "2_captions"):
        go(page, places, name)
        if name == "2_captions" and page.get_by_text("Try it with two").is_visible():
            page.get_by_text("Try it with two").click()
            expect(page.locator(".cp-sight")).to_be_visible(timeout=30_000)
        for sight in ((1440, "light"), (360, "dark")):
            assert audit(page, sight=sight) == [], f"{name}, {sight}"
    untouched(page)


def bomb(width, height):
    """A PNG of a few bytes that says it is enormous."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
