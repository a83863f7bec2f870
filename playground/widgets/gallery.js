// The gallery page. Pictures come as bytes over the comm, never as paths.

const SORTS = [
  ["newest", "Newest first"],
  ["oldest", "Oldest first"],
  ["best", "Best rated"],
  ["dearest", "Dearest first"],
  ["cheapest", "Cheapest first"],
];
const GAP = 6; // pixels, as in the style sheet
const FACETS_SHOWN = 9;
const KINDS = { image: "Generated", edit: "Edited", photo: "Photographs" };
const KIND = { image: "generated", edit: "edited", photo: "photograph" };
class GalleryPage extends Page {
  constructor(model, root) {
    super(model, root, "Gallery");
  }

  prepare() {
    this.cards = [];
    this.ask = { query: "", where: {}, sort: "newest" };
    this.sequence = 0;
    this.total = 0;
    this.open = null; // the item shown in the lightbox
    this.head = null;
    this.waiting = []; // changes on their way to the gallery, the first one sent
    this.pictures = new Map(); // id -> blob URL of the full picture, the last few only
    this.lost = "No answer from the gallery for ten seconds: the connection may be gone. Reload the page; what was not marked as saved may be lost.";
  }

  resize() {
    this.layOut();
  }

  dispose() {
    super.dispose();
    this.cards.forEach((card) => card.url && URL.revokeObjectURL(card.url));
    this.pictures.forEach((url) => URL.revokeObjectURL(url));
    this.dialog.close();
  }

  // ---------------------------------------------------------------- building

  build() {
    this.search = el("input", {
      type: "search", class: "hp-search", placeholder: "Search prompts, captions, notes, tags",
      "aria-label": "Search prompts, captions, notes, tags and names", autocomplete: "off", spellcheck: "false", maxlength: "300",
    });
    this.asked = debounce(180, () => this.searchNow());
    this.search.addEventListener("input", this.asked);
    this.sort = el("select", { class: "hp-select", "aria-label": "Order" }, SORTS.map(([value, label]) => el("option", { value }, label)));
    this.sort.addEventListener("change", () => this.searchNow());
    this.filters = el("button", { type: "button", class: "hp-button hp-filters", "aria-expanded": "false", onclick: () => this.toggleRail() }, icon(ICONS.filter), "Filters");
    this.chips = el("div", { class: "hp-chips" });
    this.count = el("p", { class: "hp-count", role: "status" });
    this.rail = el("nav", { class: "hp-rail", "aria-label": "Filters" });
    this.grid = el("ul", { class: "hp-grid", "aria-label": "Pictures" });
    this.more = el("button", { type: "button", class: "hp-button hp-more", hidden: true, onclick: () => this.askMore() }, "Show more");
    this.nothing = el("section", { class: "hp-nothing", hidden: true });
    this.dialog = el("dialog", { class: "hp-lightbox", "aria-label": "Picture" });
    this.dialog.addEventListener("close", () => this.closed());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.root.append(
      el("div", { class: "hp-tools" },
        el("label", { class: "hp-searchbox" }, icon(ICONS.search), this.search, el("kbd", { "aria-hidden": "true" }, "/")),
        this.sort, this.filters),
      el("div", { class: "hp-body" },
        this.rail,
        el("main", { class: "hp-main" },
          el("div", { class: "hp-line" }, this.count, this.chips),
          this.grid, this.nothing, this.more)),
      this.dialog,
    );
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  // ---------------------------------------------------------------- messages

  handlers(message, buffers) {
    return {
      head: () => this.showHead(message),
      page: () => this.showPage(message, buffers),
      detail: () => this.showDetail(message.item),
      picture: () => this.showPicture(message, buffers),
      saved: () => this.showSaved(message),
      conflict: () => this.showConflict(message),
      error: () => this.showError(message),
    };
  }

  showHead(head) {
    super.showHead(head);
    this.showRail(head.facets);
    if (head.shut) this.showError({ text: head.shut });
  }

  showPage(page, buffers) {
    if (page.sequence < this.sequence) return; // an answer to an older question
    this.alert.hidden = true;
    if (!page.append) {
      this.cards.forEach((card) => card.url && URL.revokeObjectURL(card.url));
      this.cards = [];
      this.grid.replaceChildren();
    }
    const first = this.cards.length;
    page.cards.forEach((card) => {
      card.url = card.thumb === null ? null : blobUrl(buffers[card.thumb]);
      this.cards.push(card);
      this.grid.append(this.tile(card, this.cards.length - 1));
    });
    this.layOut();
    this.total = page.total;
    const shown = this.cards.length;
    const noun = page.total === 1 ? "picture" : "pictures";
    const part = shown < page.total ? `${shown} of ${page.total.toLocaleString("en")} ${noun}` : `${page.total.toLocaleString("en")} ${noun}`;
    this.count.replaceChildren(part, ...(page.spent ? [" · ", money(page.spent), page.samples ? " (samples)" : ""] : []));
    this.more.hidden = !page.next;
    this.more.disabled = false;
    this.grid.hidden = shown === 0;
    this.nothing.hidden = shown !== 0;
    if (shown === 0) this.showNothing(page);
    this.showChips();
    this.markRail();
    if (page.append) this.grid.children[first]?.firstChild.focus();
    else this.rove(0, false);
    this.grid.setAttribute("aria-busy", "false");
  }

  tile(card, index) {
    const label = `${card.label}. ${KIND[card.kind]}, ${card.size}${card.price ? `, ${card.price}` : ""}${card.sample ? ", sample" : ""}${card.rating ? `, ${card.rating} of 5 stars` : ""}`;
    const button = el("button", {
      type: "button", class: "hp-tile", tabindex: "-1", "aria-label": label, "data-id": card.id,
      onclick: () => this.select(card.id), onfocus: () => this.rove(index, false),
    },
      card.url ? el("img", { src: card.url, alt: "", decoding: "async", draggable: "false" }) : el("span", { class: "hp-noimage" }, "no thumbnail"),
      card.sample && el("span", { class: "hp-badge" }, "sample"),
      el("span", { class: "hp-over" },
        el("span", { class: "hp-kind" }, KIND[card.kind]),
        card.rating ? stars(card.rating) : "",
        card.price ? money(card.price) : ""));
    return el("li", {}, button);
  }

  /** Justified rows, nothing cropped: each row ends where its height comes closest to the aim. */
  layOut() {
    const width = this.grid.clientWidth - 0.5;
    if (width <= 0) return;
    const aim = parseFloat(getComputedStyle(this.root).getPropertyValue("--hp-row"));
    const height = (ratios) => (width - GAP * (ratios.length - 1)) / ratios.reduce((sum, ratio) => sum + ratio, 0);
    let start = 0;
    const close = (end, tall) => {
      for (let n = start; n < end; n += 1) {
        const item = this.grid.children[n];
        item.style.width = `${tall * this.ratios[n]}px`;
        item.style.height = `${tall}px`;
      }
      start = end;
    };
    this.ratios = this.cards.map((card) => card.width / card.height);
    for (let end = 1; end <= this.ratios.length; end += 1) {
      const tall = height(this.ratios.slice(start, end));
      if (tall > aim) continue;
      const before = end - 1 > start ? height(this.ratios.slice(start, end - 1)) : Infinity;
      if (before / aim < aim / tall) close(end - 1, before);
      if (end > start && height(this.ratios.slice(start, end)) <= aim) close(end, height(this.ratios.slice(start, end)));
    }
    if (start < this.ratios.length) close(this.ratios.length, Math.min(aim * 1.2, height(this.ratios.slice(start))));
  }

  showNothing(page) {
    if (page.empty) {
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
    const tried = this.head?.facets?.tags?.slice(0, 3).map((tag) => tag.value) ?? [];
    this.nothing.replaceChildren(
      el("h2", {}, this.ask.query ? `Nothing matches “${this.ask.query}”` : "Nothing matches these filters"),
      el("p", {}, "Search reads prompts, captions, notes, titles, tags and file names."),
      tried.length > 0 && el("p", {}, "Try ", ...tried.flatMap((word, n) => [n ? " · " : "", el("button", { type: "button", class: "hp-link", onclick: () => this.askFor(word) }, word)])),
      el("button", { type: "button", class: "hp-button", onclick: () => this.clear() }, "Show everything"));
  }

  showError(message) {
    this.grid.setAttribute("aria-busy", "false");
    this.more.disabled = false;
    if (message.changes) this.waiting.length = 0;
    if (this.open && this.panelStatus) {
      this.status(message.text, "bad");
      if (message.changes) this.panelStatus.append(" ", this.retry("Try again", message.changes));
    } else this.say(message.text);
  }

  // ---------------------------------------------------------------- search and filters

  searchNow() {
    this.asked.cancel();
    this.ask.query = this.search.value.trim();
    this.ask.sort = this.sort.value;
    this.sequence += 1;
    this.grid.setAttribute("aria-busy", "true");
    this.send({ do: "search", sequence: this.sequence, ...this.ask });
  }

  askFor(word) {
    this.search.value = word;
    this.ask.where = {};
    this.searchNow();
  }

  askMore() {
    this.more.disabled = true;
    this.send({ do: "more", sequence: this.sequence });
  }

  filter(name, value) {
    if (value === null || this.ask.where[name] === value) delete this.ask.where[name];
    else this.ask.where[name] = value;
    this.searchNow();
  }

  clear() {
    this.search.value = "";
    this.ask.where = {};
    this.searchNow();
    this.search.focus();
  }

  toggleRail() {
    const open = this.rail.classList.toggle("hp-open");
    this.filters.setAttribute("aria-expanded", String(open));
  }

  showRail(facets) {
    const group = (title, name, values) => values.length === 0 ? null : el("section", {},
      el("h2", {}, title),
      el("div", { class: "hp-facets" }, values.slice(0, this.allTags ? values.length : FACETS_SHOWN).map(({ value, label, count }) => el("button", {
        type: "button", class: "hp-facet", "data-name": name, "data-value": String(value), "aria-pressed": "false",
        onclick: () => this.filter(name, value),
      }, el("span", { class: "hp-facetname" }, label ?? value), el("span", { class: "hp-number" }, count.toLocaleString("en"))))),
      values.length > FACETS_SHOWN && !this.allTags && el("button", { type: "button", class: "hp-link hp-all", onclick: () => {
        this.allTags = true;
        this.showRail(facets);
      } }, `All ${values.length}`));
    const kinds = facets.kinds.map((kind) => ({ ...kind, label: KINDS[kind.value] ?? kind.value }));
    const ratings = facets.ratings.map((rating) => ({ ...rating, label: `${"★".repeat(rating.value)}${rating.value < 5 ? " and more" : ""}` }));
    this.rail.replaceChildren(...[
      group("Kind", "kind", kinds), group("Model", "model", facets.models),
      group("Rating", "rating", ratings), group("Tags", "tag", facets.tags)].filter(Boolean));
    this.markRail();
  }

  markRail() {
    this.rail.querySelectorAll(".hp-facet").forEach((button) => {
      const on = String(this.ask.where[button.dataset.name] ?? "") === button.dataset.value;
      button.setAttribute("aria-pressed", String(on));
    });
    const active = Object.keys(this.ask.where).length;
    this.filters.replaceChildren(icon(ICONS.filter), active ? `Filters (${active})` : "Filters");
  }

  showChips() {
    const names = { kind: (v) => KINDS[v] ?? v, model: (v) => v, rating: (v) => `${v} stars or more`, tag: (v) => `tag: ${v}` };
    const chips = Object.entries(this.ask.where).map(([name, value]) => this.chip(names[name](value), () => this.filter(name, null)));
    if (this.ask.query) chips.unshift(this.chip(`“${this.ask.query}”`, () => { this.search.value = ""; this.searchNow(); }));
    this.chips.replaceChildren(...chips);
  }

  chip(text, remove, label = `Remove the filter ${text}`) {
    return el("span", { class: "hp-chip" }, el("span", {}, text), el("button", { type: "button", "aria-label": label, onclick: remove }, icon(ICONS.close, { size: 12 })));
  }

  // ---------------------------------------------------------------- keys

  rove(index, focus = true) {
    const tiles = this.grid.querySelectorAll(".hp-tile");
    if (!tiles.length) return;
    const at = Math.max(0, Math.min(index, tiles.length - 1));
    this.grid.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    tiles[at].setAttribute("tabindex", "0");
    if (focus) tiles[at].focus();
  }

  /** The tile above or below: the closest middle in the next row. */
  across(index, down) {
    const boxes = [...this.grid.querySelectorAll(".hp-tile")].map((tile) => tile.getBoundingClientRect());
    const here = boxes[index];
    const middle = here.left + here.width / 2;
    const beyond = boxes.map((box, n) => ({ n, box })).filter(({ box }) => (down ? box.top > here.top + 2 : box.top < here.top - 2));
    if (!beyond.length) return index;
    const row = down ? Math.min(...beyond.map(({ box }) => box.top)) : Math.max(...beyond.map(({ box }) => box.top));
    const near = beyond.filter(({ box }) => Math.abs(box.top - row) < 2);
    near.sort((a, b) => Math.abs(a.box.left + a.box.width / 2 - middle) - Math.abs(b.box.left + b.box.width / 2 - middle));
    return near[0].n;
  }

  key(event) {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inText = typing(event.target);
    const done = () => event.preventDefault();
    if (inText) {
      if (event.key === "Escape" && event.target === this.search && this.search.value) {
        this.search.value = "";
        this.searchNow();
        done();
      }
      return;
    }
    if (event.key === "/" && !this.dialog.open) {
      this.search.focus();
      this.search.select();
      done();
      return;
    }
    if (event.key === "?") {
      this.help();
      done();
      return;
    }
    const tile = event.target.closest(".hp-tile");
    const subject = this.dialog.open ? this.open : tile && this.cards.find((card) => card.id === tile.dataset.id);
    if (/^[0-5]$/.test(event.key) && subject) {
      this.annotate(subject, { rating: event.key === "0" ? null : Number(event.key) });
      done();
      return;
    }
    if (this.dialog.open) {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        if (event.target.getAttribute("role") === "radio") return;
        this.step(event.key === "ArrowRight" ? 1 : -1);
        done();
      }
      return;
    }
    if (!tile) return;
    const index = this.cards.indexOf(subject);
    const to = {
      ArrowRight: () => index + 1, ArrowLeft: () => index - 1, Home: () => 0, End: () => this.cards.length - 1,
      ArrowDown: () => this.across(index, true), ArrowUp: () => this.across(index, false),
    }[event.key];
    if (to) {
      this.rove(to());
      done();
    }
  }

  // ---------------------------------------------------------------- the lightbox

  select(id) {
    this.send({ do: "select", id });
  }

  step(by) {
    const at = this.cards.findIndex((card) => card.id === this.open?.id) + by;
    if (this.cards[at]) this.select(this.cards[at].id);
  }

  closed() {
    this.flush?.();
    const id = this.open?.id;
    this.open = null;
    this.panelStatus = null;
    this.send({ do: "close" });
    const at = this.cards.findIndex((card) => card.id === id);
    if (at >= 0) this.rove(at);
  }

  showDetail(item) {
    const again = this.open?.id === item.id;
    this.flush?.();
    const focused = again ? this.dialog.contains(document.activeElement) && document.activeElement.dataset.field : null;
    this.open = item;
    const at = this.cards.findIndex((card) => card.id === item.id);
    const card = this.cards[at];
    this.image = el("img", { alt: item.alt || item.label, class: "hp-full", width: item.width, height: item.height });
    const known = this.pictures.get(item.id);
    if (known || card?.url) this.image.src = known ?? card.url;
    if (!known) {
      this.image.classList.add("hp-coming");
      this.send({ do: "picture", id: item.id });
    }
    const button = (name, label, action, off) => el("button", { type: "button", class: `hp-round hp-${name}`, "aria-label": label, title: label, disabled: off, onclick: action }, icon(ICONS[name]));
    this.helpBox = el("p", { class: "hp-help", hidden: true }, "← → next picture · 0–5 stars · Esc close · / search · ? keys");
    this.dialog.setAttribute("aria-label", item.label);
    this.dialog.replaceChildren(
      el("div", { class: "hp-sheet" },
        el("figure", { class: "hp-mat" }, this.image, item.sample && el("span", { class: "hp-badge" }, "sample"),
          button("previous", "Previous picture", () => this.step(-1), at <= 0),
          button("next", "Next picture", () => this.step(1), at < 0 || at >= this.cards.length - 1)),
        el("div", { class: "hp-panel" }, this.panel(item)),
        button("close", "Close", () => this.dialog.close())),
    );
    if (!this.dialog.open) this.dialog.showModal();
    const target = focused && this.dialog.querySelector(`[data-field="${focused}"]`);
    if (target) target.focus();
    else this.dialog.querySelector(".hp-close").focus();
  }

  showPicture(message, buffers) {
    if (!this.pictures.has(message.id)) this.pictures.set(message.id, blobUrl(buffers[0]));
    if (this.pictures.size > 8) {
      const [oldest, url] = this.pictures.entries().next().value;
      if (oldest !== this.open?.id) {
        URL.revokeObjectURL(url);
        this.pictures.delete(oldest);
      }
    }
    if (this.open?.id !== message.id) return;
    this.image.src = this.pictures.get(message.id);
    this.image.classList.remove("hp-coming");
  }

  help() {
    if (this.dialog.open) this.helpBox.hidden = !this.helpBox.hidden;
    else this.say("Keys: / search · arrows move · Enter open · 0–5 stars · Esc close", "hp-hint");
  }

  panel(item) {
    this.panelStatus = el("p", { class: "hp-status", role: "status" });
    return [
      this.titleField(item),
      el("p", { class: "hp-sub" }, `${KIND[item.kind]}${item.model ? ` by ${item.model}` : ""} · ${item.size} · ${item.created}`),
      item.prompt && el("section", {}, el("h3", {}, "Prompt",
        el("button", { type: "button", class: "hp-quiet", "aria-label": "Copy the prompt", onclick: () => this.copy(item.prompt) }, icon(ICONS.copy, { size: 14 }), "Copy")),
        el("p", { class: "hp-prompt" }, item.prompt)),
      this.cost(item),
      ...item.captions.map((caption) => this.caption(caption)),
      this.notes(item),
      this.facts(item),
      this.helpBox,
    ].filter(Boolean);
  }

  titleField(item) {
    const input = el("input", { class: "hp-title", "aria-label": "Title", placeholder: item.name || "Add a title", maxlength: "200", "data-field": "title" });
    input.value = item.title;
    this.saving(input, "title");
    return input;
  }

  cost(item) {
    if (!item.cost) return null;
    const { quoted, billed, difference, exact, lines, note, each } = item.cost;
    const row = (line) => el("tr", {}, el("th", { scope: "row" }, line.label), el("td", {}, line.tokens), el("td", {}, line.rate), el("td", {}, line.dollars));
    return el("section", { class: "hp-cost", "aria-label": "Cost" },
      el("dl", { class: "hp-bill" },
        el("div", {}, el("dt", {}, "Quoted"), money(quoted, "dd")),
        el("div", {}, el("dt", {}, each ? "Billed, this picture" : "Billed"), money(billed, "dd")),
        el("div", { class: exact ? "hp-exact" : "" }, el("dt", {}, "Difference"), el("dd", { class: "hp-money" }, difference, exact && el("span", { class: "hp-tick", role: "img", "aria-label": "as quoted" }, " ✓")))),
      lines.length > 0 && el("table", { class: "hp-lines" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Billed"), el("th", { scope: "col" }, "Tokens"), el("th", { scope: "col" }, "Per million"), el("th", { scope: "col" }, "Dollars"))),
        el("tbody", {}, lines.map(row))),
      note && el("p", { class: "hp-small" }, note));
  }

  caption(caption) {
    return el("section", { class: "hp-caption" },
      el("h3", {}, caption.model === "owner" ? "Your own caption" : `${caption.task} · ${caption.model}`, caption.sample && el("span", { class: "hp-badge hp-inline" }, "sample")),
      caption.text && el("p", { class: "hp-prompt" }, caption.text),
      caption.tags.length > 0 && el("p", { class: "hp-words" }, caption.tags.map((tag) => el("span", { class: "hp-word" }, tag))),
      el("p", { class: "hp-small" }, ...[
        caption.quoted && ["quoted ", money(caption.quoted)],
        caption.billed && ["billed ", money(caption.billed)],
        caption.tokens, caption.seconds, caption.request_id && [el("code", {}, caption.request_id)],
      ].filter(Boolean).flatMap((part, n) => [n ? " · " : "", ...[part].flat()])));
  }

  notes(item) {
    const rate = (value) => this.annotate(item, { rating: value === item.rating ? null : value });
    const group = el("div", { class: "hp-rate", role: "radiogroup", "aria-label": "Rating" }, [1, 2, 3, 4, 5].map((value) => el("button", {
      type: "button", role: "radio", "aria-checked": String(item.rating === value), "aria-label": `${value} ${value === 1 ? "star" : "stars"}`,
      tabindex: value === (item.rating || 1) ? "0" : "-1", class: value <= (item.rating || 0) ? "hp-on" : "", "data-field": `star${value}`,
      onclick: () => rate(value),
      onkeydown: (event) => {
        const to = { ArrowRight: value + 1, ArrowUp: value + 1, ArrowLeft: value - 1, ArrowDown: value - 1 }[event.key];
        if (to >= 1 && to <= 5) {
          group.children[to - 1].focus();
          event.preventDefault();
        }
      },
    }, icon(STAR, { filled: value <= (item.rating || 0), size: 22 }))));
    const add = el("input", { class: "hp-addtag", "aria-label": "Add a tag", placeholder: "Add a tag", maxlength: "64", "data-field": "tag", list: "hp-tags" });
    const addNow = () => {
      const tag = add.value.trim();
      if (tag) this.annotate(item, { tag: [tag] });
      add.value = "";
    };
    add.addEventListener("keydown", (event) => event.key === "Enter" && addNow());
    add.addEventListener("change", addNow);
    const known = el("datalist", { id: "hp-tags" }, (this.head?.facets?.tags ?? []).map((tag) => el("option", { value: tag.value })));
    const area = (field, label, placeholder, value) => {
      const box = el("textarea", { rows: field === "note" ? "3" : "2", placeholder, maxlength: "4000", "data-field": field });
      box.value = value;
      this.saving(box, field);
      return el("label", { class: "hp-field" }, el("span", {}, label), box);
    };
    return el("section", { class: "hp-notes", "aria-label": "Annotations" },
      el("h3", {}, "Rating"), group,
      el("h3", {}, "Tags"),
      el("div", { class: "hp-chips" }, item.tags.map((tag) => this.chip(tag, () => this.annotate(item, { untag: [tag] }), `Remove the tag ${tag}`)), add, known),
      area("note", "Note", "What to remember about it", item.note),
      area("alt", "Alternative text", "What a person who cannot see it should know", item.alt),
      this.panelStatus);
  }

  facts(item) {
    const rows = item.facts.map(({ name, value, code }) => [el("dt", {}, name), el("dd", {}, code ? el("code", {}, value) : value)]);
    const parents = item.parents.map((id) => el("button", { type: "button", class: "hp-link", onclick: () => this.select(id) }, "open the picture it was made from"));
    return el("section", {}, el("h3", {}, "About"), el("dl", { class: "hp-facts" }, rows.flat(),
      parents.length > 0 && [el("dt", {}, "Edited from"), el("dd", {}, parents)]));
  }

  // ---------------------------------------------------------------- annotations

  /** Save a text field when typing pauses, when it is left, and when the lightbox goes. */
  saving(field, name) {
    const item = this.open;
    let saved = field.value;
    const now = () => {
      later.cancel();
      if (field.value === saved) return;
      saved = field.value;
      this.annotate(item, { [name]: field.value });
    };
    const later = debounce(900, now);
    field.addEventListener("input", () => { this.status("", ""); later(); });
    field.addEventListener("change", now);
    const before = this.flushing === item ? this.flush : null;
    this.flushing = item;
    this.flush = () => { before?.(); now(); };
  }

  /** One change at a time: the next one waits for the answer, which brings the new version. */
  annotate(item, changes) {
    if (this.dialog.open) this.status("Saving…", "");
    this.waiting.push({ item, changes });
    if (this.waiting.length === 1) this.sendChange();
  }

  sendChange() {
    const { item, changes } = this.waiting[0];
    this.send({ do: "annotate", id: item.id, version: item.version, changes });
  }

  answered() {
    this.waiting.shift();
    if (this.waiting.length) this.sendChange();
  }

  showSaved(message) {
    Object.assign(this.waiting[0]?.item ?? {}, message.item); // the next change needs its version
    this.answered();
    const index = this.cards.findIndex((card) => card.id === message.card.id);
    if (index >= 0) {
      const card = { ...message.card, url: this.cards[index].url };
      this.cards[index] = card;
      const old = this.grid.children[index];
      const focused = old.contains(document.activeElement);
      const tabindex = old.firstChild.getAttribute("tabindex");
      old.replaceWith(this.tile(card, index));
      this.layOut();
      this.grid.children[index].firstChild.setAttribute("tabindex", tabindex);
      if (focused) this.grid.children[index].firstChild.focus();
    }
    if (this.open?.id !== message.item.id) return;
    const texts = ["title", "note", "alt"].filter((name) => document.activeElement?.dataset?.field === name);
    Object.assign(this.open, message.item);
    if (!texts.length) this.refreshPanel();
    if (!this.waiting.length) this.status("Saved", "good");
  }

  refreshPanel() {
    const panel = this.dialog.querySelector(".hp-panel");
    const field = document.activeElement?.dataset?.field;
    const text = document.activeElement?.value;
    const top = panel.scrollTop;
    this.flush = null;
    panel.replaceChildren(...this.panel(this.open));
    panel.scrollTop = top;
    const again = field && panel.querySelector(`[data-field="${field}"]`);
    if (again && field === "tag") again.value = text;
    again?.focus();
    this.image.alt = this.open.alt || this.open.label;
  }

  showConflict(message) {
    this.waiting.length = 0;
    if (this.open?.id !== message.item.id) {
      this.showError(message);
      return;
    }
    Object.assign(this.open, message.item);
    this.refreshPanel();
    this.panelStatus.className = "hp-status hp-bad";
    this.panelStatus.replaceChildren(message.text, " ", this.retry("Save mine", message.changes));
  }

  retry(label, changes) {
    return el("button", { type: "button", class: "hp-link", onclick: () => this.annotate(this.open, changes) }, label);
  }

  status(text, kind) {
    if (!this.panelStatus) return;
    this.panelStatus.className = kind ? `hp-status hp-${kind}` : "hp-status";
    this.panelStatus.replaceChildren(text);
  }

  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.status("Copied", "good");
    } catch {
      this.status("The browser did not allow copying; select the text instead.", "bad");
    }
  }
}

export default pageModule(GalleryPage);
