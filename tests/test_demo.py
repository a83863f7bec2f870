"""The sample gallery: what `make demo` promises to show."""

from __future__ import annotations

from decimal import Decimal

import pytest

from playground import demo
from playground.store import Gallery, Where


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples") / "gallery"
    said = []
    demo.make_demo(folder, say=said.append)
    assert "28 samples added" in said[0]
    with Gallery(folder) as opened:
        yield opened


def by_title(gallery, title):
    (found,) = (item for item in gallery.each() if item.title == title)
    return found


def test_there_are_pictures_of_many_sizes_and_qualities(gallery):
    made = list(gallery.each(where=Where(kind="image")))
    assert len(made) >= 16
    assert {"976x704", "1440x480", "1152x576", "704x976", "3840x1312", "auto"} <= {
        item.asked_size for item in made
    }
    assert {"low", "medium", "high", "auto"} <= {item.quality for item in made}
    assert {"png", "jpeg", "webp"} <= {item.format for item in made}
    assert all(item.sample and item.request_id for item in made)


def test_the_half_penny_wizard_was_billed_as_quoted_to_the_last_digit(gallery):
    wizard = by_title(gallery, "The half-penny wizard")
    assert wizard.quoted_low == wizard.quoted_high == wizard.billed == Decimal("0.00397")
    assert (wizard.usage.text_input, wizard.usage.image_output) == (20, 129)
    assert wizard.rating == 5
    assert wizard.note


def test_the_edit_knows_what_it_was_made_from(gallery):
    edit = by_title(gallery, "The wizard, edited")
    assert edit.kind == "edit"
    assert edit.parents == (by_title(gallery, "The half-penny wizard").id,)


def test_what_the_model_chose_was_billed_within_its_quote(gallery):
    chosen = by_title(gallery, "The model chose")
    assert chosen.quoted_low <= chosen.billed <= chosen.quoted_high
    assert chosen.quoted_low < chosen.quoted_high


def test_every_photograph_has_captions_by_both_models(gallery):
    photographs = list(gallery.each(where=Where(kind="photo")))
    assert len(photographs) >= 8
    for photograph in photographs:
        asked = {(caption.task, caption.model) for caption in photograph.captions}
        assert {(task, model) for task, models in demo.TASKS for model in models} == asked
        assert all(caption.sample and caption.text for caption in photograph.captions)
        assert not photograph.sample


def test_every_photograph_is_attributed():
    page = (demo.PHOTOS / "ATTRIBUTION.md").read_text(encoding="utf-8")
    files = sorted(path.name for path in demo.PHOTOS.glob("*.jpg"))
    assert len(files) >= 8
    assert [name for name in files if f"`{name}`" not in page] == []
    assert all((demo.PHOTOS / name).stat().st_size < 60_000 for name in files)


def test_making_it_again_adds_nothing_costs_nothing_and_keeps_annotations(gallery):
    wizard = by_title(gallery, "The half-penny wizard")
    gallery.annotate(wizard.id, rating=1, note="mine")
    before = gallery.ledger.totals()
    said = []
    demo.make_demo(gallery.folder, say=said.append)
    assert "nothing to add" in said[0]
    assert gallery.ledger.totals() == before
    assert gallery.search().total == 28
    assert (gallery.item(wizard.id).rating, gallery.item(wizard.id).note) == (1, "mine")


def test_nothing_of_it_is_counted_as_real_money(gallery):
    totals = gallery.ledger.totals()
    assert totals.settled == totals.sample > 0
    assert totals.held == 0
