"""The playground page without its looks: real runner, gallery and embedded provider."""

from __future__ import annotations

import io
import subprocess
from concurrent.futures import Executor, Future
from decimal import Decimal
from pathlib import Path

import pytest
from ipywidgets.widgets.widget import _instances
from PIL import Image

from playground import catalog, serve
from playground.provider.client import Client
from playground.provider.connect import connect
from playground.provider.offline.app import OfflineApp
from playground.provider.offline.faults import Faults
from playground.state import playground_page as page
from playground.state import quoting
from playground.state.playground_page import PlaygroundState
from playground.state.quoting import Form
from playground.store import Gallery
from playground.widgets.playground_page import PlaygroundView, panel_values

CAT = Path(serve.__file__).parent / "data" / "photos" / "cat.jpg"
# The half-penny thread's own example: 20 billed prompt tokens, 129 output tokens, $0.00397.
WIZARD = "Original ancient wizard profile card, readable stats, cinematic lighting, detailed robes"


class Inline(Executor):
    """Runs at once, or what was put off when `flush` says so."""

    def __init__(self):
        self.later = None

    def submit(self, function, *arguments):
        if self.later is None:
            function(*arguments)
        else:
            self.later.append((function, arguments))
        return Future()

    def flush(self):
        jobs, self.later = self.later, None
        for function, arguments in jobs:
            function(*arguments)


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "gallery") as opened:
        yield opened


@pytest.fixture
def executor():
    return Inline()


@pytest.fixture
def state(gallery, executor):
    with connect("offline") as client:
        made = PlaygroundState(
            lambda: gallery, lambda: client, provider="offline", executor=executor
        )
        made.open()
        yield made


def failing(gallery, fault):
    app = OfflineApp(faults=Faults.parse(fault))
    client = Client.offline(app, sleep=lambda _: None)
    made = PlaygroundState(lambda: gallery, lambda: client, provider="offline", executor=Inline())
    made.open()
    made.change(prompt="a cat")
    return made


def png(width, height, mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


def put(state, data, name="picture.png", **options):
    state.upload("one", name, data, last=True, **options)


# -------------------------------------------------------------------------------------------------
# The quote while typing


def test_a_prompt_is_quoted_to_the_token_as_it_is_typed(state):
    state.change(prompt=WIZARD)
    panel = state.panel
    assert panel.quote.basis == "exact"
    assert panel.quote.high == Decimal("0.00397")
    assert panel.prompt_tokens == 14
    assert panel.left == 206
    assert panel.thousand == (Decimal("3.97"), Decimal("3.97"))
    assert panel.batch == (Decimal("0.001985"), Decimal("0.001985"))
    assert (panel.waiting, panel.refused) == ("", "")


def test_an_empty_prompt_waits_and_shows_what_the_picture_alone_costs(state):
    assert state.panel.waiting == "Write what you want to see."
    assert state.panel.quote.high == Decimal("0.00387")
    state.change(prompt="   ")
    assert state.generate() is None
    assert "nothing was spent" in state.trouble.text.lower()


@pytest.mark.parametrize("typed", ["9x", "x", "976x", "wide", "0x5", ""])
def test_a_half_typed_size_waits_without_an_error(state, typed):
    state.change(prompt="a cat", size=typed)
    assert state.panel.waiting
    assert not state.panel.refused
    assert state.trouble is None


def test_a_size_that_breaks_a_rule_names_it_and_the_nearest_legal_one(state):
    state.change(prompt="a cat", size="2000x500")
    assert "3 to 1" in state.panel.size_note
    assert state.panel.size == str(state.panel.request.size)
    assert state.panel.size in state.panel.size_note
    state.change(size="1000x1000")
    assert "multiples of 16" in state.panel.size_note
    state.change(size="1024x1024")
    assert state.panel.size_note == ""


def test_offers_are_never_dearer_and_one_click_gives_the_price_that_was_shown(state):
    state.change(prompt=WIZARD)
    now = state.panel.quote.high
    others = [offer for offer in state.panel.offers if offer.why != "quality"]
    assert {offer.why for offer in others} == {"larger", "cheaper"}
    for offer in others:
        assert offer.high <= now
        state.change(size=offer.size)
        assert state.panel.quote.high == offer.high
    for offer in [o for o in state.panel.offers if o.why == "quality"]:
        state.change(quality=offer.quality)
        assert state.panel.quote.high == offer.high


def test_another_model_takes_away_what_it_refuses(state):
    state.change(prompt="a cat", model="gpt-image-2.5-flare", quality="max", size="1920x640")
    assert state.choices.qualities == ("low", "medium", "high", "xhigh", "max", "auto")
    state.change(model="gpt-image-1-mini")
    assert state.form.quality == "high"
    assert state.form.size in state.choices.sizes
    assert not state.choices.free_size
    assert state.panel.quote is not None


def test_models_that_are_shut_down_are_not_offered(state):
    names = [name for name, _ in state.choices.models]
    assert "gpt-image-2" in names
    assert not {"dall-e-2", "dall-e-3"} & set(names)


def test_a_transparent_background_leaves_jpeg(state):
    state.change(output_format="jpeg", output_compression=50)
    state.change(background="transparent")
    assert (state.form.output_format, state.form.output_compression) == ("png", None)


def test_a_template_waits_for_its_variables_and_counts_them(state):
    state.change(prompt="{product} on {surface}", variables={"product": "A cup"})
    assert state.panel.variables == ("product", "surface")
    assert "{surface}" in state.panel.waiting
    state.change(variables={"product": "A cup", "surface": "linen"})
    assert state.panel.waiting == ""
    assert state.panel.request.prompt == "A cup on linen"


def test_braces_that_name_nothing_are_sent_as_they_are(state):
    state.change(prompt='{"scene": "night"} {{a.b()}}')
    assert state.panel.variables == ()
    assert state.panel.request.prompt == '{"scene": "night"} {{a.b()}}'


def test_the_budget_says_how_many_tokens_are_left_or_over(state):
    state.change(prompt=WIZARD, budget="quarter-penny")
    assert state.panel.left == -294
    state.change(budget="0.01")
    assert state.panel.left == 1206
    state.change(budget="lots")
    assert state.panel.left is None


def test_a_prompt_that_is_too_long_is_one_sentence_and_is_not_sent(state):
    state.change(prompt="word " * 20_000)
    assert state.panel.refused.startswith("The prompt is 68,000 characters too long")
    assert state.generate() is None


def test_every_keystroke_in_a_long_prompt_is_priced(state):
    """How fast, `benchmarks/bench_keystroke.py` says."""
    text = (WIZARD + ", ") * 50
    seen = []
    for end in range(3991, 4000):
        state.change(prompt=text[:end])
        seen.append(state.panel.quote.high)
    assert len(state.form.prompt) == 3999
    assert all(each > 0 for each in seen)
    assert len(set(seen)) > 1


def test_a_waiting_page_has_its_tables_and_its_gallery_ready_and_connects_to_nobody(gallery):
    opened = []
    state = PlaygroundState(
        lambda: opened.append("gallery") or gallery,
        lambda: opened.append("client"),
        provider="offline",
        executor=Inline(),
    )
    quoting.snapped.cache_clear()
    state.warm().join()
    assert quoting.snapped.cache_info().currsize > 0
    assert opened == ["gallery"]


def test_what_fails_while_a_page_waits_is_said_when_it_is_opened(tmp_path):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    state = PlaygroundState(
        lambda: Gallery(tmp_path / "file"), lambda: connect("offline"), provider="offline"
    )
    state.warm().join()
    assert (state.head, state.trouble) == (None, None)
    state.open()
    assert state.head.shut


# -------------------------------------------------------------------------------------------------
# Calls


def test_a_picture_is_billed_as_quoted_and_is_the_newest_of_the_history(state, gallery):
    state.change(prompt=WIZARD)
    run_id = state.generate()
    assert (state.run.id, state.run.state) == (run_id, "done")
    item = state.shown.item
    assert item.billed == item.quoted_high == Decimal("0.00397")
    assert state.history.items[0].id == item.id
    assert state.panel.money.today == Decimal("0.00397")
    assert gallery.original(item.id) == state.picture(item.id)


def test_drafts_are_announced_before_the_picture(state):
    seen = []
    state.observe(lambda change: seen.append(change["new"]), "run")
    state.change(prompt="a cat", partial_images=2)
    state.generate()
    assert next(run.state for run in seen) == "waiting"
    assert seen[-1].state == "done"
    assert sum(run.partial is not None for run in seen) >= 1


def test_a_cap_disables_the_button_and_says_what_is_left(state, gallery):
    gallery.ledger.set_cap(Decimal("0.003"))
    state.open()
    state.change(prompt=WIZARD)
    assert "cap" in state.panel.refused
    assert "$0.003" in state.panel.refused
    assert state.generate() is None
    assert gallery.search("").total == 0


def test_the_cap_of_the_environment_counts_too(state, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_CAP", "0.001")
    state.open()
    state.change(prompt=WIZARD)
    assert "$0.001" in state.panel.refused


def test_more_than_a_dollar_is_asked_for_once_more(state, gallery):
    state.change(prompt="a cat", quality="high", size="1024x1024", n=10)
    assert state.panel.asks
    assert state.generate() is None
    assert state.asking.quote.high > 1
    assert gallery.search("").total == 0


def test_what_waits_and_is_cancelled_is_never_sent(state, executor, gallery):
    executor.later = []
    state.change(prompt="a cat")
    run_id = state.generate()
    state.cancel(run_id)
    assert state.run.state == "cancelled"
    executor.flush()
    assert gallery.search("").total == 0
    assert gallery.ledger.totals().committed == 0


def test_a_call_that_is_cancelled_on_its_way_says_it_may_be_billed_and_is_kept(state, gallery):
    texts = []

    def watch(change):
        run = change["new"]
        if run.partial is not None and run.watched:
            state.cancel(run.id)
        texts.append(run.text)

    state.observe(watch, "run")
    state.change(prompt="a cat", partial_images=1)
    state.generate()
    assert any("may be billed" in text for text in texts)
    assert gallery.search("").total == 1


@pytest.mark.parametrize(
    ("fault", "ending", "words"),
    [
        ("403-verify", "failed", "verified"),
        ("moderation-input", "failed", "change the prompt"),
        ("quota", "failed", "add credit"),
        ("429", "failed", "try again in"),
        ("401", "failed", "OPENAI_API_KEY"),
        ("bad-size", "failed", "Supported sizes are"),
        ("timeout", "unknown", "may"),
        ("moderation-output", "unknown", "held"),
    ],
)
def test_each_error_names_its_fix_and_whether_it_was_billed(gallery, fault, ending, words):
    state = failing(gallery, fault)
    state.generate()
    assert state.run.state == ending
    assert words in state.run.text
    if ending == "failed":
        assert "billed" in state.run.text
        assert gallery.ledger.totals().committed == 0
    else:
        assert state.run.held == gallery.ledger.totals().held > 0


def test_a_gallery_that_cannot_be_opened_is_a_sentence_on_the_page(tmp_path):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    state = PlaygroundState(
        lambda: Gallery(tmp_path / "file"), lambda: connect("offline"), provider="offline"
    )
    state.open()
    assert state.head.shut
    assert state.panel is not None


# -------------------------------------------------------------------------------------------------
# Edits


def test_an_edit_is_quoted_with_its_picture_and_keeps_its_lineage(state, gallery):
    state.change(prompt=WIZARD)
    state.generate()
    first = state.shown.item
    state.add_item(first.id)
    state.change(prompt="make it night")
    assert state.panel.quote.tokens["image_input"].high > 0
    put(state, png(976, 704, "RGBA"), "mask.png", mask=True)
    assert state.references.mask is not None
    state.generate()
    assert state.run.state == "done", state.run.text
    assert [parent.id for parent in state.shown.lineage] == [first.id]
    assert state.shown.dollars == first.billed + state.shown.item.billed


def test_a_picture_in_pieces_is_kept_as_a_photograph_when_it_is_used(state, gallery):
    data = CAT.read_bytes()
    middle = len(data) // 2
    state.upload("a", "my cat.jpg", data[:middle], last=False)
    state.upload("a", "my cat.jpg", data[middle:], last=True)
    assert [ref.name for ref in state.references.pictures] == ["my cat.jpg"]
    state.change(prompt="a hat on it")
    state.generate()
    assert state.run.state == "done", state.run.text
    assert [parent.name for parent in state.shown.lineage] == ["my cat.jpg"]


@pytest.mark.parametrize(
    "data", [b"not a picture", b"", CAT.read_bytes()[:3000], b"<svg onload=alert(1)>"]
)
def test_an_upload_that_is_no_picture_is_one_sentence_with_its_own_name(state, data):
    put(state, data, "holiday.jpg")
    assert state.references.pictures == ()
    assert "holiday.jpg" in state.trouble.text


def test_a_mask_of_another_size_is_refused_in_words(state):
    put(state, CAT.read_bytes())
    put(state, png(10, 10, "RGBA"), "mask.png", mask=True)
    assert "10x10" in state.trouble.text
    assert state.references.mask is None


def test_too_large_an_upload_stops_early(state, monkeypatch):
    monkeypatch.setattr(page, "MAX_UPLOAD_BYTES", 1000)
    state.upload("big", "big.png", b"x" * 1001, last=False)
    assert "big.png" in state.trouble.text


def test_sixteen_pictures_are_the_most(state):
    for number in range(17):
        put(state, png(64, 64), f"{number}.png")
    assert len(state.references.pictures) == 16
    assert "at most 16" in state.trouble.text


# -------------------------------------------------------------------------------------------------
# What is done with a result


def test_again_asks_the_same_and_vary_only_fills_the_form(state, gallery):
    state.change(prompt="a cat", size="1024x1024", quality="medium")
    state.generate()
    first = state.shown.item
    state.change(prompt="something else", size="976x704", quality="low")
    state.vary(first.id)
    assert (state.form.prompt, state.form.size) == ("a cat", "1024x1024")
    assert gallery.search("").total == 1
    state.again(first.id)
    assert gallery.search("").total == 2
    assert state.shown.item.asked_size == "1024x1024"


def test_the_copied_python_asks_the_same_question(state):
    state.change(prompt='a "quoted" cat\nand a dog', size="1024x1024")
    state.generate()
    asked = state.shown.request
    code = state.copied(state.shown.item.id, "python")
    made = []
    scope = {"generate": lambda prompt, **fields: made.append((prompt, fields))}
    exec(code.replace("from playground import generate", ""), scope)
    ((prompt, fields),) = made
    assert type(asked)(prompt, **fields).key == asked.key


def test_the_copied_curl_holds_no_key_and_expands_nothing(state, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-CANARY-curl")
    state.change(prompt='it\'s $HOME `id` $(id) \\ "x"')
    code = state.copied(None, "curl")
    assert "CANARY" not in code
    assert "$OPENAI_API_KEY" in code
    shown = subprocess.run(
        ["sh", "-c", 'curl() { for a; do printf "%s\\n" "$a"; done; }\n' + code],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "it's $HOME `id` $(id)" in shown


def test_only_tiers_of_live_calls_can_be_chosen_and_a_batch_has_its_price(state):
    assert state.choices.tiers == ("standard",)
    assert state.choices.tier_note == (
        "gpt-image-2 has no flex and no priority tier; a batch, within a day, costs half"
    )
    pictures = [model for model in catalog.default().models if model.kind == "image"]
    assert {tier for model in pictures for tier in model.tiers} == {"standard", "batch"}
    state.change(prompt="a cat", tier="batch")
    assert state.form.tier == "standard"
    assert state.panel.request.tier == "standard"
    assert state.panel.batch == (state.panel.quote.low / 2, state.panel.quote.high / 2)


def test_copied_code_names_pictures_as_people_know_them(state, gallery):
    put(state, CAT.read_bytes(), name="my cat.jpg")
    state.change(prompt="make it night")
    assert "image[]=@my cat.jpg" in state.copied(None, "curl")
    state.generate()
    made = state.shown.item
    state.remove_picture(state.references.pictures[0].id)
    assert 'images=["my cat.jpg"]' in state.copied(made.id, "python")
    state.add_item(made.id)
    assert f'images=["halfpenny-{made.id[:8]}.png"]' in state.copied(None, "python")


def test_pictures_to_edit_are_found_in_the_whole_gallery_a_page_at_a_time(state, monkeypatch):
    monkeypatch.setattr("playground.state.page.PICKS", 2)
    for prompt in ("a red boat", "a red kite", "a red fox", "a blue fox"):
        state.change(prompt=prompt)
        state.generate()
    state.pick("red")
    first = [item.prompt for item in state.picks.items]
    assert (len(first), state.picks.total, state.picks.more) == (2, 3, True)
    state.pick("red", more=True)
    assert state.picks.appended
    assert not state.picks.more
    assert {*first, *(item.prompt for item in state.picks.items)} == {
        "a red boat",
        "a red kite",
        "a red fox",
    }
    state.add_items([item.id for item in state.picks.items] * 9 + [state.picks.items[0].id] * 9)
    assert len(state.references.pictures) == page.MAX_PICTURES


def test_annotations_are_written_and_a_conflict_brings_the_new_state(state, gallery):
    state.change(prompt="a cat")
    state.generate()
    item = state.shown.item
    state.annotate(item.id, item.version, {"rating": 4, "tag": ["keeper"]})
    assert (state.saved.item.rating, state.saved.item.tags) == (4, ("keeper",))
    state.annotate(item.id, item.version, {"rating": 1})
    assert state.trouble.item.rating == 4
    assert gallery.item(item.id).rating == 4


def test_a_new_page_finds_the_pictures_of_the_old_one(state, gallery):
    state.change(prompt="a cat")
    state.generate()
    with connect("offline") as client:
        another = PlaygroundState(lambda: gallery, lambda: client, provider="offline")
        another.open()
        another.recall()
    assert [item.prompt for item in another.history.items] == ["a cat"]


# -------------------------------------------------------------------------------------------------
# The view


def test_the_view_sends_nothing_through_synced_traits_and_one_widget_is_all(state):
    view = PlaygroundView(state)
    sent = []
    view.send = lambda message, buffers=None: sent.append((message, buffers))
    view._receive(view, {"do": "open"}, [])
    view._receive(view, {"do": "set", "sequence": 3, "fields": {"prompt": "<b>hi</b>"}}, [])
    quote = [message for message, _ in sent if message["show"] == "quote"][-1]
    assert quote["sequence"] == 3
    assert quote["price"].startswith("$0.0039")
    view._receive(view, {"do": "generate"}, [])
    shown = [message["show"] for message, _ in sent]
    assert {"head", "choices", "form", "quote", "run", "history", "result"} <= set(shown)
    assert "<b>hi</b>" not in str(view.get_state(drop_defaults=True))


def test_results_add_no_widgets_and_the_page_shows_a_bounded_history(state, monkeypatch):
    monkeypatch.setattr(page, "HISTORY", 3)
    view = PlaygroundView(state)
    before = len(_instances)
    sent = []
    view.send = lambda message, buffers=None: sent.append(message)
    for number in range(5):
        state.change(prompt=f"cat {number}")
        state.generate()
    assert len(_instances) == before
    assert [len(m["cards"]) for m in sent if m["show"] == "history"][-1] == 3


def test_panel_values_have_the_lines_with_their_shares(state):
    state.change(prompt=WIZARD)
    values = panel_values(state.panel)
    assert [line["label"] for line in values["lines"]] == ["Text in", "Image in", "Image out"]
    assert values["lines"][0]["dollars"] == "$0.000_100_000"
    assert sum(line["share"] for line in values["lines"]) == pytest.approx(1)


def test_every_preset_is_legal_for_the_models_with_free_sizes():
    for text in quoting.PRESETS:
        size, note = quoting.snapped("gpt-image-2", text)
        assert (str(size), note) == (text, "")


def test_every_template_waits_for_all_its_variables():
    for prompt in quoting.TEMPLATES.values():
        panel = quoting.panel(Form(prompt=prompt))
        assert panel.variables
        assert "no value yet" in panel.waiting
