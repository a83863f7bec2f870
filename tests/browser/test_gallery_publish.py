"""Publishing from the gallery page in a browser: chosen, looked at, made, taken back."""

from __future__ import annotations

import shutil

from playwright.sync_api import expect

from playground import serve
from playground.publish import Snapshot


def test_pictures_are_looked_at_published_and_taken_back(
    chromium, demo_gallery, environ, tmp_path, audit
):
    shutil.copytree(demo_gallery, tmp_path / "gallery")
    folder = tmp_path / "published"
    with serve.voila(tmp_path / "gallery", 0, environ=environ) as (url, _):
        context = chromium.new_context(viewport={"width": 1280, "height": 860})
        page = context.new_page()
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        expect(page.locator(".hp-tile").first).to_be_visible(timeout=60_000)
        expect(page.locator(".hp-gallery")).to_have_attribute("data-total", "28")

        page.locator(".hp-tile").first.click(modifiers=["Control"])
        page.locator(".hp-tile").nth(1).click(modifiers=["Control"])
        page.locator(".hp-bulk").get_by_role("button", name="Publish…").click()
        dialog = page.locator("dialog.hp-publish")
        publish = dialog.get_by_role("button", name="Publish 2 pictures")
        expect(publish).to_be_enabled()
        expect(dialog.locator(".hp-publishlist li img")).to_have_count(2)
        expect(dialog.get_by_role("textbox", name="Folder")).to_have_value(str(folder))
        expect(dialog.get_by_role("checkbox", name="notes")).not_to_be_checked()
        assert audit(page, ".hp") == []
        dialog.get_by_label("what was billed").check()
        expect(dialog.locator(".hp-publishlist").first).to_contain_text("billed")
        expect(publish).to_be_enabled()
        assert not folder.exists()
        publish.click()
        expect(dialog.locator(".hp-publishresult")).to_contain_text("2 pictures published")
        expect(dialog.locator(".hp-publishresult")).to_contain_text(
            f"playground serve --public {folder}"
        )
        expect(publish).to_be_enabled()
        assert audit(page, ".hp") == []
        with Snapshot(folder) as snapshot:
            assert sum(1 for _ in snapshot.reader.entries()) == 2
        page.keyboard.press("Escape")
        expect(dialog).not_to_be_visible()
        page.keyboard.press("Escape")

        page.locator(".hp-search").fill("wizard profile")
        expect(page.locator(".hp-gallery")).to_have_attribute("data-total", "1")
        page.get_by_role("button", name="Publish this picture…").click()
        keep = dialog.get_by_label("Keep the 2 other pictures")
        expect(keep).to_be_checked()
        stays = dialog.get_by_role("list", name="And 2 other pictures, as published before")
        expect(stays.locator("li img")).to_have_count(2)
        expect(stays).to_contain_text("billed")
        assert audit(page, ".hp") == []
        keep.uncheck()
        expect(stays).to_be_hidden()
        dialog.get_by_role("textbox", name="Folder").fill(str(tmp_path / "gallery"))
        one = dialog.get_by_role("button", name="Publish 1 picture")
        expect(dialog.locator(".hp-publishthere")).to_be_hidden()
        expect(one).to_be_enabled()
        one.click()
        expect(dialog.get_by_role("alert")).to_contain_text("nothing in it was changed")
        dialog.get_by_role("textbox", name="Folder").fill("published")
        dialog.get_by_role("button", name="Unpublish all 2").click()
        expect(dialog.locator(".hp-publishresult")).to_contain_text("2 pictures are taken out")
        assert not folder.exists()
        context.close()
    assert wrong == []
