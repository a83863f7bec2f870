"""The exported page in Chromium: hostile words run nothing, load nothing, and fit a phone."""

from __future__ import annotations

from playground.exports import fields, page
from playground.store import Words

PAYLOADS = [
    "<script>window.__x=1</script>",
    '"><img src=https://evil.example/b.png onerror="window.__x=1">',
    "<svg/onload=window.__x=1>",
    "<iframe srcdoc='<script>parent.__x=1</script>'></iframe>",
    "<a href=javascript:window.__x=1>click</a>",
    "</style><style>@import 'https://evil.example/a.css'</style>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=window.__x=1>",
    "{{constructor.constructor('window.__x=1')()}}",
    "w" * 300,
]


def test_hostile_words_stay_words(folder_gallery, take, tmp_path, chromium):
    for text in PAYLOADS:
        words = (Words(text, model=text), Words(text, "alt", text))
        names = {"prompt": text, "title": text, "note": text, "name": text, "model": text}
        take(folder_gallery, tags=(text[:60],), captions=words, **names)
    page.to_html(folder_gallery, tmp_path / "a.html", groups=fields.EVERYTHING)
    view = chromium.new_page(viewport={"width": 360, "height": 740})
    asked, said = [], []
    view.on("request", lambda request: asked.append(request.url))
    view.on("dialog", lambda dialog: said.append(dialog.message))
    view.on("console", lambda message: said.append(message.text))
    view.goto((tmp_path / "a.html").as_uri())
    for summary in view.locator("summary").all():
        summary.click()
    assert view.evaluate("window.__x") is None
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert view.locator("figure img").count() == len(PAYLOADS)
    assert view.evaluate("document.documentElement.scrollWidth") <= 360
    view.close()
