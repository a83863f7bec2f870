// The gallery page. Pictures come as bytes over the comm, never as paths.

const SORTS = [
  ["newest", "Newest first"], ["oldest", "Oldest first"], ["best", "Best rated"], ["dearest", "Dearest first"],
  ["cheapest", "Cheapest first"], ["value", "Dollars per megapixel"],
];
const FACETS_SHOWN = 6;
const PANEL_EDGE = 24; // of the notebook stays in sight around the page, to scroll it by
const KINDS = { image: "Generated", edit: "Edited", photo: "Photographs" };
const GROUPS = [
  ["kind", "Kind"], ["model", "Model"], ["rating", "Rating"], ["tag", "Tags"], ["collection", "Collection"], ["unreviewed", "To review"],
  ["date", "Month"], ["quality", "Quality"], ["size", "Size"], ["cost", "Cost"], ["provider", "Provider"],
];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const EXAMPLES = ["rating:>=4", "kind:generated cost:<0.005", "size:>1mp -tag:draft"];
const KEYS = [
  ["← → ↑ ↓", "move, Home and End to the ends"], ["Enter", "open the picture"], ["0–5", "rate"], ["T", "tag"], ["N", "note"],
  ["X", "select, with Shift and arrows a range"], ["Ctrl A", "select all that was found"], ["U or Ctrl Z", "undo"], ["Del", "move to the trash"],
  ["/", "search"], ["+ − Z", "zoom in, out, whole picture"], ["Esc", "close, or select nothing"], ["?", "these keys"],
];

/** In JupyterLab and Notebook the page is one output among others; Voilà borrows their classes, not their panels. */
const inLab = () => document.getElementById("jp-main-dock-panel") !== null || document.getElementById("main-panel") !== null;

class GalleryPage extends Page {
  constructor(model, root) {
    super(model, root, "Gallery");
  }

  prepare() {
    this.root.classList.add("hp-gallery");
    this.filters = []; // {group, token, label}
    this.sequence = 0;
    this.total = 0;
    this.head = null;
    this.facets = {};
    this.saves = [];
    this.unfolded = new Set();
    this.compared = new Set();
    this.choosing = true;
    this.waiting = []; // changes on their way to the gallery, the first one sent
    this.tints = {};
    this.lost = "No answer from the gallery for ten seconds: the connection may be gone. Reload the page; what was not marked as saved may be lost.";
  }

  resize() {
    this.fit();
    this.wall.layOut();
  }

  /** The page scrolls by itself, so that the wall knows what is in sight wherever it is shown. */
  fit() {
    // A notebook's panel is lower than the window, and other panels may stand above or below it.
    const panel = inLab() && this.root.closest(".jp-WindowedPanel-outer, .jp-Notebook");
    if (panel && panel !== this.panel) {
      this.panel = panel;
      this.panelResized.disconnect();
      this.panelResized.observe(panel);
    }
    const top = this.root.getBoundingClientRect().top;
    // While a page is coming, what announces it stands above; that is gone a moment later.
    const above = top > 0 && top < 60 ? top : 8;
    const room = panel ? panel.clientHeight - PANEL_EDGE : inLab() ? innerHeight - 150 : innerHeight - above;
    if (panel && !panel.clientHeight) return; // a tab behind another one
    const height = `${Math.max(panel ? 320 : 420, room)}px`;
    if (this.root.style.height === height) return;
    this.root.style.height = height;
    this.root.style.setProperty("--hp-tall", height);
  }

  dispose() {
    super.dispose();
    clearTimeout(this.toastGone);
    this.sendTints.cancel();
    removeEventListener("resize", this.refit);
    this.panelResized.disconnect();
    document.removeEventListener("keydown", this.loose);
    this.wall.dispose();
    this.lightbox.dispose();
    if (this.compare.dialog.open) this.compare.dialog.close();
    if (this.publishing.dialog.open) this.publishing.dialog.close();
  }

  // ---------------------------------------------------------------- building

  build() {
    this.search = el("input", {
      type: "search", class: "hp-search", placeholder: "Search prompts, captions, notes, tags",
      "aria-label": "Search prompts, captions, notes, tags and names", autocomplete: "off", spellcheck: "false", maxlength: "10000",
    });
    this.asked = debounce(140, () => this.searchNow());
    this.search.addEventListener("input", this.asked);
    this.sort = el("select", { class: "hp-select", "aria-label": "Order" }, SORTS.map(([value, label]) => el("option", { value }, label)));
    this.sort.addEventListener("change", () => this.searchNow());
    this.railButton = el("button", { type: "button", class: "hp-button hp-filters", "aria-expanded": "false", onclick: () => this.toggleRail() }, icon(ICONS.filter), "Filters");
    this.moneyButton = el("button", { type: "button", class: "hp-button hp-moneybutton", "aria-pressed": "false", onclick: () => this.toggleSpend() }, "Spending");
    this.chips = el("div", { class: "hp-chips" });
    this.count = el("p", { class: "hp-count", role: "status" });
    this.note = el("p", { class: "hp-searchnote", role: "status", hidden: true });
    this.saveBox = el("div", { class: "hp-savebox" });
    this.publishButton = el("button", { type: "button", class: "hp-quiet", hidden: true, onclick: () => this.publishing.show(null, this.total) }, "Publish…");
    this.rail = el("nav", { class: "hp-rail", "aria-label": "Filters" });
    this.wall = new Wall(this, this.root);
    this.grid = this.wall.grid;
    this.nothing = el("section", { class: "hp-nothing", hidden: true });
    this.bulk = el("section", { class: "hp-bulk", "aria-label": "Selected pictures", hidden: true });
    this.toast = el("p", { class: "hp-toast", role: "status", hidden: true });
    this.spendView = new SpendView(this);
    this.lightbox = new Lightbox(this);
    this.compare = new Compare(this);
    this.publishing = new PublishDialog(this);
    this.dialog = this.lightbox.dialog;
    this.helpDialog = el("dialog", { class: "hp-help", "aria-label": "Keys" },
      el("h2", {}, "Keys"), el("dl", {}, KEYS.map(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)]).flat()),
      el("h2", {}, "Search"), el("p", { class: "hp-small" }, "Words, \"phrases\", begin*, -not. Conditions: tag:cat model:nano rating:>=4 cost:<0.005 size:>1mp kind:photo quality:low collection:desert provider:openai since:2026-11 date:2026-11-21 is:unreviewed is:panorama is:trash has:caption; a minus turns each round."),
      el("button", { type: "button", class: "hp-button", onclick: () => this.helpDialog.close() }, "Close"));
    this.body = el("div", { class: "hp-body" },
      this.rail,
      el("main", { class: "hp-main" },
        el("div", { class: "hp-line" }, this.count, this.chips, this.saveBox, this.publishButton), this.note,
        this.grid, this.nothing, this.bulk));
    this.root.append(
      el("div", { class: "hp-tools" },
        el("label", { class: "hp-searchbox" }, icon(ICONS.search), this.search, el("kbd", { "aria-hidden": "true" }, "/")),
        this.sort, this.railButton, this.moneyButton,
        el("button", { type: "button", class: "hp-button hp-helpbutton", "aria-label": "Keys and search", onclick: () => this.help() }, "?")),
      this.body, this.spendView.box, this.toast, this.dialog, this.compare.dialog, this.publishing.dialog, this.helpDialog,
    );
    this.root.addEventListener("keydown", (event) => this.key(event));
    // Keys also work on a page that was just opened, before anything has the focus.
    this.loose = (event) => event.target === document.body && !inLab() && this.key(event);
    document.addEventListener("keydown", this.loose);
    this.refit = () => this.fit();
    addEventListener("resize", this.refit);
    this.panelResized = new ResizeObserver(this.refit);
    requestAnimationFrame(() => this.fit());
    this.sendTints = debounce(2500, () => {
      this.send({ do: "tints", tints: this.tints });
      this.tints = {};
    });
  }

  // ---------------------------------------------------------------- messages

  handlers(message, buffers) {
    return {
      head: () => this.showHead(message),
      first: () => this.showFirst(message, buffers),
      stretch: () => this.showStretch(message, buffers),
      least: () => this.showLeast(message),
      counted: () => this.showCounted(message, buffers),
      small: () => this.wall.picture(message.id, message.made ? blobUrl(buffers[0]) : null),
      detail: () => this.lightbox.show(message.item),
      picture: () => this.showPicture(message, buffers),
      lost: () => this.lightbox.missing(message.id),
      saved: () => this.showSaved(message),
      changed: () => this.showChanged(message),
      searches: () => this.showSearches(message.searches),
      spending: () => this.spendView.show(message),
      conflict: () => this.showConflict(message),
      publish_offer: () => this.publishing.showOffer(message, buffers),
      publish_more: () => this.publishing.showMore(message, buffers),
      publish_making: () => this.publishing.showMaking(message),
      publish_made: () => this.publishing.showMade(message),
      publish_taken: () => this.publishing.showTaken(message),
      publish_trouble: () => this.publishing.showTrouble(message),
      error: () => this.showError(message),
    };
  }

  showHead(head) {
    super.showHead(head);
    if (head.shut) this.showError({ text: head.shut });
  }

  urls(cards, buffers) {
    return cards.map((card) => (card.thumb === null ? null : blobUrl(buffers[card.thumb])));
  }

  showFirst(page, buffers) {
    if (page.sequence < this.sequence) return; // an answer to an older question
    this.alert.hidden = true;
    const stay = this.stay;
    this.stay = false;
    this.fit();
    this.wall.begin(page.sequence, page.cards, this.urls(page.cards, buffers), stay);
    this.wall.mark();
    const shown = page.cards.length;
    this.note.hidden = page.notes.length === 0;
    this.note.replaceChildren(page.notes.join(" "));
    this.grid.hidden = shown === 0;
    this.nothing.hidden = shown !== 0;
    if (shown === 0) this.showNothing(page);
    this.showChips();
    this.grid.setAttribute("aria-busy", "false");
    if (shown < 60) this.showCount({ total: shown, spent: "", samples: false });
    else this.count.replaceChildren("counting…");
  }

  /** A bound, until the pictures are counted. */
  showLeast({ sequence, count }) {
    if (sequence !== this.wall.sequence) return;
    this.count.replaceChildren(`more than ${(count - 1).toLocaleString("en")} pictures, counting…`);
  }

  showStretch(page, buffers) {
    const urls = this.urls(page.cards, buffers);
    if (page.sequence === this.wall.sequence) this.wall.add(page.start, page.cards, urls);
    else urls.forEach((url) => url && URL.revokeObjectURL(url));
  }

  showCounted(page, buffers) {
    if (page.sequence < this.sequence || page.sequence !== this.wall.sequence) return;
    const bytes = (buffer) => new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength).slice();
    if (page.shapes) this.wall.shape(bytes(buffers[0]), new Uint16Array(bytes(buffers[1]).buffer));
    this.facets = page.facets;
    this.showCount(page);
    this.showRail();
  }

  showCount(page) {
    this.total = page.total;
    this.root.dataset.total = page.total;
    this.publishButton.hidden = page.total === 0 || this.inTrash;
    this.publishButton.setAttribute("aria-label", `Publish ${page.total === 1 ? "this picture" : `these ${page.total.toLocaleString("en")} pictures`}…`);
    const noun = page.total === 1 ? "picture" : "pictures";
    this.count.replaceChildren(`${page.total.toLocaleString("en")} ${noun}`, ...(page.spent ? [" · ", money(page.spent), page.samples ? " (samples)" : ""] : []));
    if (this.wall.every) this.picked();
  }

  showNothing(page) {
    if (page.empty && !this.search.value && this.filters.length === 0) {
      const line = (text) => el("pre", {}, text);
      this.nothing.replaceChildren(
        el("h2", {}, "Nothing here yet"),
        el("p", {}, "A gallery keeps every picture and every caption with what was quoted and what was billed."),
        el("p", {}, "Make the first picture. Without a key it is a sample and costs nothing:"),
        line('playground generate "a paper boat on a glass sea" --yes'),
        el("p", {}, "Describe your own photographs:"), line("playground caption ~/Pictures/holiday"),
        el("p", {}, "Or fill a gallery with samples:"), line("make demo"));
      return;
    }
    const button = (text) => el("button", { type: "button", class: "hp-link", onclick: () => this.askFor(text) }, text);
    this.nothing.replaceChildren(
      el("h2", {}, this.search.value.trim() ? `Nothing matches “${this.search.value.trim().slice(0, 80)}”` : "Nothing matches these filters"),
      el("p", {}, "Search reads prompts, captions, notes, titles, tags and file names. All words must be there; begin* finds beginnings, -not leaves out."),
      el("p", {}, "Try ", ...EXAMPLES.flatMap((text, n) => [n ? " · " : "", button(text)])),
      el("button", { type: "button", class: "hp-button", onclick: () => this.clear() }, "Show everything"));
  }

  showPicture(message, buffers) {
    this.lightbox.picture(message, buffers);
    this.compare.picture(message.id, this.lightbox.pictures.get(message.id)?.url);
  }

  noAnswer() {
    this.showError({ text: this.lost });
  }

  showError(message) {
    this.grid.setAttribute("aria-busy", "false");
    if (message.changes) this.waiting.length = 0;
    if (this.lightbox.open && this.lightbox.panelStatus) {
      this.lightbox.status(message.text, "bad");
      if (message.changes) this.lightbox.panelStatus.append(" ", this.lightbox.retry("Try again", message.changes));
    } else {
      this.say(message.text);
      this.root.scrollTop = 0;
    }
  }

  /** A short word at the foot of the page, with a way back. */
  tell(text, change) {
    clearTimeout(this.toastGone);
    this.toast.replaceChildren(text, ...(change ? [" ", el("button", { type: "button", class: "hp-link", onclick: () => this.undo(change) }, "Undo")] : []));
    this.toast.hidden = false;
    this.toastGone = setTimeout(() => { this.toast.hidden = true; }, 12_000);
    if (this.lightbox.open) this.lightbox.status(text, "good");
  }

  showChanged(message) {
    this.tell(message.text, message.count ? message.change : null);
    this.wall.choose(false);
    this.stay = true;
    this.searchNow(true);
  }

  // ---------------------------------------------------------------- search and filters

  searchNow(stay = false) {
    this.asked.cancel();
    this.stay = stay === true;
    this.sequence += 1;
    this.grid.setAttribute("aria-busy", "true");
    this.send({ do: "search", sequence: this.sequence, query: this.search.value.trim(), filters: this.filters.map(({ token }) => token), sort: this.sort.value });
  }

  askFor(text) {
    this.search.value = text;
    this.filters = [];
    this.searchNow();
  }

  filter(group, token, label) {
    const on = this.filters.some((one) => one.token === token);
    this.filters = this.filters.filter((one) => one.token !== token && (group === "tag" || one.group !== group));
    if (!on) this.filters.push({ group, token, label });
    this.searchNow();
  }

  clear() {
    this.search.value = "";
    this.filters = [];
    this.searchNow();
    this.search.focus();
  }

  toggleRail() {
    const open = this.rail.classList.toggle("hp-open");
    this.railButton.setAttribute("aria-expanded", String(open));
  }

  values(group) {
    return (this.facets[group] ?? []).map(({ label }) => label);
  }

  wordsOf(group, label) {
    if (group === "kind") return KINDS[label] ?? label;
    if (group === "rating") return `${"★".repeat(Number(label))}${Number(label) < 5 ? " and more" : ""}`;
    if (group === "unreviewed") return "Texts not reviewed";
    if (group === "date") return `${MONTHS[Number(label.slice(5, 7)) - 1]} ${label.slice(0, 4)}`;
    return label;
  }

  showRail() {
    const held = document.activeElement?.dataset?.token;
    const group = ([name, title]) => {
      const values = this.facets[name] ?? [];
      if (!values.length) return null;
      const all = this.unfolded.has(name);
      return el("section", {}, el("h2", {}, title),
        el("div", { class: "hp-facets" }, values.slice(0, all ? values.length : FACETS_SHOWN).map(({ label, count, token }) => el("button", {
          type: "button", class: "hp-facet", "data-token": token, "aria-pressed": String(this.filters.some((one) => one.token === token)),
          onclick: () => this.filter(name, token, this.wordsOf(name, label)),
        }, el("span", { class: "hp-facetname" }, this.wordsOf(name, label)), el("span", { class: "hp-number" }, count.toLocaleString("en"))))),
        values.length > FACETS_SHOWN && el("button", { type: "button", class: "hp-link hp-all", "aria-expanded": String(all), onclick: () => {
          if (all) this.unfolded.delete(name);
          else this.unfolded.add(name);
          this.showRail();
        } }, all ? "Fewer" : `All ${values.length}`));
    };
    const saved = this.saves.length > 0 && el("section", {}, el("h2", {}, "Saved searches"), el("div", { class: "hp-facets" }, this.saves.map(({ name, query, sort }) => el("span", { class: "hp-savedrow" },
      el("button", { type: "button", class: "hp-facet", "data-token": `saved ${name}`, onclick: () => { this.sort.value = sort; this.askFor(query); } }, el("span", { class: "hp-facetname" }, name)),
      el("button", { type: "button", class: "hp-forget", "aria-label": `Forget the search ${name}`, onclick: () => this.send({ do: "forget", name }) }, icon(ICONS.close, { size: 12 }))))));
    const trash = el("section", {}, el("div", { class: "hp-facets" }, el("button", {
      type: "button", class: "hp-facet", "data-token": "is:trash", "aria-pressed": String(this.inTrash), onclick: () => this.filter("trash", "is:trash", "In the trash"),
    }, el("span", { class: "hp-facetname" }, "Trash"))));
    const close = el("button", { type: "button", class: "hp-button hp-railclose", onclick: () => this.toggleRail() }, "Show the pictures");
    this.rail.replaceChildren(...[saved, ...GROUPS.map(group), trash, close].filter(Boolean));
    if (held) this.rail.querySelector(`[data-token="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
    this.railButton.replaceChildren(icon(ICONS.filter), this.filters.length ? `Filters (${this.filters.length})` : "Filters");
  }

  get inTrash() { return this.filters.some(({ token }) => token === "is:trash"); }

  showChips() {
    const chips = this.filters.map(({ group, token, label }) => this.chip(label, () => this.filter(group, token, label)));
    const query = this.search.value.trim();
    if (query) chips.unshift(this.chip(`“${query.slice(0, 200)}”`, () => { this.search.value = ""; this.searchNow(); }));
    this.chips.replaceChildren(...chips);
    this.saveBox.replaceChildren(...(query || this.filters.length ? [el("button", { type: "button", class: "hp-quiet", onclick: () => this.askName() }, "Save this search")] : []));
  }

  askName() {
    const name = el("input", { class: "hp-input", "aria-label": "Name of the search", placeholder: "Name", maxlength: "64" });
    const save = () => {
      const query = [this.search.value.trim(), ...this.filters.map(({ token }) => token)].filter(Boolean).join(" ");
      if (name.value.trim()) this.send({ do: "save", name: name.value.trim(), query, sort: this.sort.value });
      this.showChips();
    };
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") save();
      if (event.key === "Escape") this.showChips();
    });
    this.saveBox.replaceChildren(name, el("button", { type: "button", class: "hp-quiet", onclick: save }, "Save"));
    name.focus();
  }

  showSearches(searches) {
    this.saves = searches;
    this.showRail();
  }

  chip(text, remove, label = `Remove the filter ${text}`) {
    return el("span", { class: "hp-chip" }, el("span", {}, text), el("button", { type: "button", "aria-label": label, onclick: remove }, icon(ICONS.close, { size: 12 })));
  }

  toggleSpend() {
    const on = this.spendView.box.hidden;
    this.spendView.box.hidden = !on;
    this.body.hidden = on;
    this.moneyButton.setAttribute("aria-pressed", String(on));
    this.root.scrollTop = 0;
    if (on) this.spendView.ask();
    else this.wall.layOut();
  }

  // ---------------------------------------------------------------- many at once

  picked() {
    const { chosen } = this.wall;
    this.bulk.hidden = chosen === 0;
    this.root.classList.toggle("hp-choosing", chosen > 0);
    if (!chosen) return;
    const held = document.activeElement?.dataset?.bulk;
    const many = (changes) => this.send({ do: "many", sequence: this.wall.sequence, places: this.wall.ranges(), changes });
    const input = (name, label, apply, list) => {
      const box = el("input", { class: "hp-input", "data-bulk": name, "aria-label": label, placeholder: label, maxlength: "64", list, autocomplete: "off" });
      box.addEventListener("keydown", (event) => event.key === "Enter" && box.value.trim() && apply(box.value.trim()));
      return box;
    };
    const button = (label, action, name = label) => el("button", { type: "button", class: "hp-button", "data-bulk": name, onclick: action }, label);
    const rate = el("select", { class: "hp-select", "data-bulk": "rate", "aria-label": "Rate the selected pictures" }, el("option", { value: "" }, "Rate…"),
      [5, 4, 3, 2, 1, 0].map((n) => el("option", { value: String(n) }, n ? "★".repeat(n) : "No stars")));
    rate.addEventListener("change", () => rate.value && many({ rating: Number(rate.value) || null }));
    const list = (id, group) => el("datalist", { id }, this.values(group).map((value) => el("option", { value })));
    this.bulk.replaceChildren(...[
      el("strong", { role: "status" }, `${chosen.toLocaleString("en")} selected`),
      !this.wall.every && chosen < this.total && button(`All ${this.total.toLocaleString("en")}`, () => this.wall.choose(true), "all"),
      rate, input("tag", "Add a tag", (tag) => many({ tag: [tag] }), "hp-bulktags"), input("untag", "Remove a tag", (tag) => many({ untag: [tag] }), "hp-bulktags"),
      input("collection", "Collection", (collection) => many({ collection }), "hp-bulkcollections"), input("note", "Note", (note) => many({ note })),
      (this.facets.unreviewed ?? []).length > 0 && button("Accept drafted texts", () => many({ accept_alt: true }), "accept"),
      chosen >= 2 && chosen <= 4 && !this.wall.every && button("Compare", () => this.compareChosen(), "compare"),
      this.inTrash ? button("Restore", () => many({ deleted: false }), "restore") : button("To the trash", () => many({ deleted: true }), "trash"),
      !this.inTrash && button("Publish…", () => this.publishing.show(this.wall.ranges(), chosen), "publish"),
      button("Select nothing", () => this.wall.choose(false), "none"),
      list("hp-bulktags", "tag"), list("hp-bulkcollections", "collection"),
    ].filter(Boolean));
    if (held) this.bulk.querySelector(`[data-bulk="${held}"]`)?.focus();
  }

  compareChosen() {
    const cards = [...this.wall.selected].sort((a, b) => a - b).map((place) => this.wall.cards.get(place)).filter(Boolean);
    if (cards.length > 1) this.compare.show(cards);
    else this.tell("Scroll to the pictures first, so that they are loaded.");
  }

  undo(change) {
    this.send({ do: "undo", change: change ?? null });
  }

  // ---------------------------------------------------------------- keys

  key(event) {
    event.stopPropagation();
    const inText = typing(event.target);
    const done = () => event.preventDefault();
    if (this.helpDialog.open || this.compare.dialog.open || this.publishing.dialog.open) {
      if (!inText && this.compare.dialog.open && this.compare.zoom.key(event)) done();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !inText) {
      if (event.key === "z") this.undo();
      else if (event.key === "a" && !this.lightbox.shown) this.wall.choose(true);
      else return;
      done();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (inText) {
      if (event.key === "Escape" && event.target === this.search && this.search.value) {
        this.search.value = "";
        this.searchNow();
        done();
      } else if (event.key === "ArrowDown" && event.target === this.search && this.wall.total) {
        this.wall.rove(this.wall.cursor);
        done();
      } else if (event.key === "Escape" && this.lightbox.shown && event.target.dataset.field) {
        this.lightbox.panelBox.focus(); // leaves the field; another Esc closes
        done();
      }
      return;
    }
    const shown = this.lightbox.shown;
    const tile = event.target.closest(".hp-grid li");
    const subject = shown ? this.lightbox.open : tile && this.wall.cards.get(Number(tile.dataset.place));
    const action = {
      "/": !shown && (() => { this.search.focus(); this.search.select(); }),
      "?": () => this.help(),
      u: () => this.undo(),
      x: !shown && tile && (() => this.wall.toggle(Number(tile.dataset.place), false)),
      t: !shown && (this.wall.chosen || tile) && (() => this.toField("tag", subject)),
      n: !shown && (this.wall.chosen || tile) && (() => this.toField("note", subject)),
      Delete: subject && (() => this.send({ do: "bin", id: subject.id, deleted: true })),
      Escape: !shown && this.wall.chosen && (() => this.wall.choose(false)),
    }[event.key];
    if (action) {
      action();
      done();
    } else if (/^[0-5]$/.test(event.key) && subject) {
      this.annotate(subject, { rating: event.key === "0" ? null : Number(event.key) });
      done();
    } else if (shown ? this.lightbox.key(event) : tile && this.wall.key(event)) done();
  }

  /** To the tag or the note of what is selected, or of the picture with the focus. */
  toField(field, card) {
    if (this.wall.chosen) this.bulk.querySelector(`[data-bulk="${field}"]`)?.focus();
    else if (card) {
      this.lightbox.focusNext = field;
      this.open(card.id);
    }
  }

  help() {
    this.helpDialog.showModal();
  }

  // ---------------------------------------------------------------- pictures and their changes

  open(place) {
    const id = typeof place === "string" ? place : this.wall.cards.get(place)?.id;
    if (id) this.send({ do: "select", id });
    else this.send({ do: "select_at", place, sequence: this.wall.sequence });
  }

  /** The mean colour of a small picture, told to the gallery once: a placeholder for the next time. */
  tint(place, card, image) {
    this.brush ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    this.brush.drawImage(image, 0, 0, 1, 1);
    const [red, green, blue] = this.brush.getImageData(0, 0, 1, 1).data;
    this.tints[card.id] = (red << 16) | (green << 8) | blue;
    this.sendTints();
  }

  /** One change at a time: the next one waits for the answer, which brings the new version. */
  annotate(item, changes) {
    if (this.lightbox.shown) this.lightbox.status("Saving…", "");
    this.waiting.push({ item, changes });
    if (this.waiting.length === 1) this.sendChange();
  }

  sendChange() {
    const { item, changes } = this.waiting[0];
    this.send({ do: "annotate", id: item.id, version: item.version, changes });
  }

  showSaved(message) {
    const item = { ...message.item, collection: message.collection, deleted: message.deleted };
    Object.assign(this.waiting[0]?.item ?? {}, item); // the next change needs its version
    this.waiting.shift();
    if (this.waiting.length) this.sendChange();
    const { id, version, label, rating, price } = item;
    this.wall.update(id, { version, label, rating, price, draft: item.alt ? false : this.wall.cards.get(this.wall.placeOf(id))?.draft });
    this.lightbox.saved(item, this.waiting.length);
  }

  showConflict(message) {
    this.waiting.length = 0;
    if (this.lightbox.open?.id === message.item.id) {
      this.lightbox.conflict(message);
      return;
    }
    this.wall.update(message.item.id, message.item);
    this.showError(message);
  }
}

export default pageModule(GalleryPage);
