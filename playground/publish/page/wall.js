// A published gallery: search, filters, a wall that holds only the tiles in sight, deep links.
// Where the pictures and their words come from is the business of a source (`find`, `card`, `words`,
// `picture`, `texture`): files for the static site, a kernel for the public page.

const WALL_GAP = 6; // pixels, as in the style sheet
const BEYOND = 1.2; // windows above and below the sight that are kept ready
const SORT_WORDS = { newest: "Newest first", oldest: "Oldest first", best: "Best rated", dearest: "Dearest first", cheapest: "Cheapest first", largest: "Largest first" };
const FACET_WORDS = { kind: "Kind", model: "Model", rating: "Rating", tag: "Tags", collection: "Collection", shape: "Shape" };
const KINDS_WORDS = { image: "Generated", edit: "Edited", photo: "Photographs" };
const FACET_VALUES = 8;
const THEME_KEY = "halfpenny-theme";

const facetLabel = (name, value) => name === "kind" ? KINDS_WORDS[value] ?? value
  : name === "rating" ? `${"★".repeat(Number(value))}${Number(value) < 5 ? " and more" : ""}`
    : value.charAt(0).toUpperCase() === value.charAt(0) || name !== "shape" ? value : value.charAt(0).toUpperCase() + value.slice(1);

class Wall {
  /** `root` holds the parts by their classes (`pub-…`); what is missing is made. */
  constructor(root, source, { title = "", sorts = Object.keys(SORT_WORDS), total = 0 } = {}) {
    this.root = root;
    this.source = source;
    this.title = title;
    this.total = total;
    this.sorts = sorts;
    this.ask = { q: "", where: {}, sort: "newest" };
    this.found = { cards: [], total: 0, facets: {}, more: null };
    this.boxes = [];
    this.shown = new Map(); // place -> tile
    this.asked = 0;
    this.focused = 0;
    this.unfolded = new Set();
    this.box = new Lightbox(this);
    this.bind();
    this.follow();
  }

  part(name) {
    return this.root.querySelector(`.pub-${name}`);
  }

  bind() {
    this.list = this.part("wall");
    this.rail = this.part("rail");
    this.count = this.part("count");
    this.chips = this.part("chips");
    this.nothing = this.part("nothing");
    this.search = this.root.querySelector(".hp-search");
    this.sort = this.part("sort");
    this.sort.replaceChildren(...this.sorts.map((name) => el("option", { value: name }, SORT_WORDS[name])));
    this.filters = this.part("filters");
    this.theme = this.part("theme");
    this.root.append(this.box.dialog);
    this.searching = debounce(90, () => this.change({ q: this.search.value.trim() }));
    this.search.addEventListener("input", () => this.searching());
    this.search.closest("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.searching.cancel();
      this.change({ q: this.search.value.trim() });
    });
    this.sort.addEventListener("change", () => this.change({ sort: this.sort.value }));
    this.filters.addEventListener("click", () => {
      const open = this.rail.classList.toggle("hp-open");
      this.filters.setAttribute("aria-expanded", String(open));
    });
    this.theme.addEventListener("click", () => this.switchTheme());
    this.list.addEventListener("click", (event) => {
      const tile = event.target.closest("a[data-at]");
      if (!tile || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      this.open(this.found.cards[Number(tile.dataset.at)]);
    });
    this.root.addEventListener("keydown", (event) => this.key(event));
    const see = () => {
      this.seeing ||= requestAnimationFrame(() => {
        this.seeing = 0;
        this.see();
      });
    };
    document.addEventListener("scroll", see, { passive: true, capture: true });
    new ResizeObserver(() => {
      const width = this.root.clientWidth;
      this.root.classList.toggle("hp-narrow", width < 860);
      this.root.classList.toggle("hp-tiny", width < 540);
      if (this.found.cards.length) this.layOut();
    }).observe(this.root);
    window.addEventListener("hashchange", () => this.follow());
  }

  // ---------------------------------------------------------------- address, theme

  /** `#/item/ID?q=…&tag=…&sort=…&theme=dark`: an item, a search, a theme, or all three. */
  follow() {
    const [, item = "", query = ""] = location.hash.match(/^#\/?(?:item\/([0-9a-z]+))?\??(.*)$/) ?? [];
    const given = new URLSearchParams(query.slice(0, 1000));
    const where = {};
    for (const name of Object.keys(FACET_WORDS)) if (given.get(name)) where[name] = given.get(name).slice(0, 200);
    const sort = this.sorts.includes(given.get("sort")) ? given.get("sort") : "newest";
    if (["dark", "light"].includes(given.get("theme"))) this.setTheme(given.get("theme"));
    const ask = { q: (given.get("q") ?? "").slice(0, 300), where, sort };
    const same = JSON.stringify(ask) === JSON.stringify(this.ask) && this.ready;
    this.ask = ask;
    this.search.value = ask.q;
    this.sort.value = ask.sort;
    (same ? Promise.resolve() : this.find()).then(async () => {
      if (item && this.box.card?.id !== item) {
        const card = this.found.cards.find((each) => each.id === item) ?? await this.source.card(item);
        if (card) this.box.show(card);
        else this.say("That picture is not here (any more).");
      } else if (!item && this.box.dialog.open) this.box.dialog.close();
    });
  }

  address(card = this.box.card) {
    const query = new URLSearchParams();
    if (this.ask.q) query.set("q", this.ask.q);
    for (const [name, value] of Object.entries(this.ask.where)) query.set(name, value);
    if (this.ask.sort !== "newest") query.set("sort", this.ask.sort);
    const text = query.toString();
    return `#/${card ? `item/${card.id}` : ""}${text ? `?${text}` : ""}`;
  }

  note({ push = false } = {}) {
    const address = this.address();
    if (address === location.hash || (address === "#/" && !location.hash)) return;
    try {
      history[push ? "pushState" : "replaceState"](null, "", address);
    } catch {
      // A page in a frame may not be allowed to; the gallery works without it.
    }
  }

  setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    this.root.classList.toggle("hp-dark", theme === "dark");
    this.theme.setAttribute("aria-label", theme === "dark" ? "Light colours" : "Dark colours");
  }

  switchTheme() {
    const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    this.setTheme(next);
    try {
      localStorage.setItem(THEME_KEY, next);
    } catch {
      // Not remembered, then.
    }
  }

  copyLink(button) {
    const said = (text) => {
      button.textContent = text;
      setTimeout(() => { button.textContent = "Copy link"; }, 2000);
    };
    (navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error("no clipboard"))).then(() => said("Copied"), () => said("The address bar holds the link"));
  }

  // ---------------------------------------------------------------- search and filters

  change(part) {
    Object.assign(this.ask, part);
    this.sort.value = this.ask.sort;
    this.note();
    this.find(true);
  }

  filter(name, value) {
    const where = { ...this.ask.where };
    if (value === null || where[name] === value) delete where[name];
    else where[name] = value;
    this.change({ where });
  }

  onlyTag(tag) {
    this.box.dialog.close();
    this.search.value = "";
    this.change({ q: "", where: { tag } });
    this.list.scrollIntoView({ block: "nearest" });
  }

  async find(toTop = false) {
    const mine = ++this.asked;
    this.list.setAttribute("aria-busy", "true");
    try {
      const found = await this.source.find(structuredClone(this.ask));
      if (mine !== this.asked) return;
      this.show(found, toTop);
    } catch (problem) {
      if (mine === this.asked) this.say(problem.message);
    }
    if (mine === this.asked) this.list.setAttribute("aria-busy", "false");
  }

  say(text) {
    this.nothing.hidden = false;
    this.nothing.replaceChildren(el("p", { role: "status" }, text));
  }

  show(found, toTop) {
    this.found = found;
    this.ready = true;
    this.focused = 0;
    this.nothing.hidden = found.total > 0;
    this.list.hidden = found.total === 0;
    if (!found.total) this.showNothing();
    if (toTop && this.list.getBoundingClientRect().top < 0) this.root.scrollIntoView({ block: "start" });
    this.clear();
    this.layOut();
    const filtered = this.ask.q || Object.keys(this.ask.where).length;
    const noun = (n) => (n === 1 ? "picture" : "pictures");
    const number = found.total.toLocaleString("en");
    this.count.textContent = filtered && this.total ? `${number} of ${this.total.toLocaleString("en")} ${noun(this.total)}` : `${number} ${noun(found.total)}`;
    this.showRail();
    this.showChips();
  }

  showNothing() {
    this.nothing.replaceChildren(
      el("h2", {}, this.ask.q ? `Nothing matches “${this.ask.q}”` : "Nothing matches these filters"),
      el("p", {}, "Search reads titles, prompts, captions, tags and descriptions, as far as they were published."),
      el("button", { type: "button", class: "hp-button", onclick: () => {
        this.search.value = "";
        this.change({ q: "", where: {} });
        this.search.focus();
      } }, "Show everything"));
  }

  showRail() {
    const parts = Object.keys(FACET_WORDS).map((name) => {
      const chosen = this.ask.where[name];
      let values = this.found.facets[name] ?? [];
      if (chosen && !values.some(([value]) => String(value) === chosen)) values = [[chosen, 0], ...values];
      if (!values.length || (values.length === 1 && !chosen && values[0][1] === this.found.total)) return null;
      const all = this.unfolded.has(name) || values.length <= FACET_VALUES + 1;
      return el("section", {},
        el("h2", {}, FACET_WORDS[name]),
        el("div", { class: "hp-facets" }, (all ? values : values.slice(0, FACET_VALUES)).map(([value, count]) => el("button", {
          type: "button", class: "hp-facet", "data-facet": name, "data-value": String(value), "aria-pressed": String(chosen === String(value)), onclick: () => this.filter(name, String(value)),
        }, el("span", { class: "hp-facetname" }, facetLabel(name, String(value))), el("span", { class: "hp-number" }, count.toLocaleString("en"))))),
        !all && el("button", { type: "button", class: "hp-link", onclick: () => {
          this.unfolded.add(name);
          this.showRail();
        } }, `All ${values.length}`));
    });
    const had = this.rail.contains(document.activeElement) && document.activeElement.dataset;
    this.rail.replaceChildren(...parts.filter(Boolean));
    if (had?.facet) [...this.rail.querySelectorAll(".hp-facet")].find((each) => each.dataset.facet === had.facet && each.dataset.value === had.value)?.focus();
    const active = Object.keys(this.ask.where).length;
    this.filters.replaceChildren(icon(ICONS.filter), active ? `Filters (${active})` : "Filters");
  }

  showChips() {
    const chip = (text, remove) => el("span", { class: "hp-chip" }, el("span", {}, text), el("button", { type: "button", "aria-label": `Remove the filter ${text}`, onclick: remove }, icon(ICONS.close, { size: 12 })));
    const chips = Object.entries(this.ask.where).map(([name, value]) => chip(name === "tag" ? `tag: ${value}` : facetLabel(name, value), () => this.filter(name, null)));
    if (this.ask.q) {
      chips.unshift(chip(`“${this.ask.q}”`, () => {
        this.search.value = "";
        this.change({ q: "" });
      }));
    }
    this.chips.replaceChildren(...chips);
  }

  // ---------------------------------------------------------------- the wall

  /** Justified rows, nothing cropped, broken as the style sheet breaks them without a script. */
  layOut() {
    const { cards } = this.found;
    const width = this.list.clientWidth;
    if (!width) return;
    const aim = parseFloat(getComputedStyle(this.root).getPropertyValue("--pub-row")) || 200;
    this.boxes = [];
    let top = 0;
    let start = 0;
    let sum = 0;
    const close = (end, tall) => {
      let left = 0;
      for (let n = start; n < end; n += 1) {
        const wide = tall * this.ratio(cards[n]);
        this.boxes.push({ left, top, wide, tall });
        left += wide + WALL_GAP;
      }
      top += tall + WALL_GAP;
      start = end;
      sum = 0;
    };
    const high = (ratios, count) => (width - WALL_GAP * (count - 1)) / ratios;
    cards.forEach((card, n) => {
      const ratio = this.ratio(card);
      if (n > start && (sum + ratio) * aim + WALL_GAP * (n - start) > width + 0.05) close(n, high(sum, n - start));
      sum += ratio;
    });
    if (start < cards.length) close(cards.length, Math.min(aim, high(sum, cards.length - start)));
    this.list.classList.add("pub-laid");
    this.list.style.height = `${Math.max(0, top - WALL_GAP)}px`;
    this.shown.forEach((tile, at) => this.place(tile, at));
    this.see();
  }

  /** Very long pictures would make rows of a few pixels: the tile shows the middle of those. */
  ratio(card) {
    return Math.max(0.3, Math.min(5, card.w / card.h));
  }

  place(tile, at) {
    const box = this.boxes[at];
    if (!box) return;
    tile.style.left = `${box.left}px`;
    tile.style.top = `${box.top}px`;
    tile.style.width = `${box.wide}px`;
    tile.style.height = `${box.tall}px`;
  }

  /** Tiles that come into sight are made, those far away are taken out. */
  see() {
    if (!this.boxes.length) return;
    const above = this.list.getBoundingClientRect().top;
    const window_ = window.innerHeight;
    const from = this.firstBelow(-above - window_ * BEYOND);
    const until = -above + window_ * (1 + BEYOND);
    let to = from;
    while (to < this.boxes.length && this.boxes[to].top < until) to += 1;
    for (const [at, tile] of this.shown) {
      if ((at < from || at >= to) && !tile.contains(document.activeElement)) {
        tile.remove();
        this.shown.delete(at);
      }
    }
    let before = null;
    for (let at = from; at < to; at += 1) {
      let tile = this.shown.get(at);
      if (!tile) {
        tile = this.tile(at);
        this.shown.set(at, tile);
        this.place(tile, at);
        if (before) before.after(tile);
        else this.list.prepend(tile);
      }
      before = tile;
    }
    if (to >= this.boxes.length - 40 && this.found.more) this.loadMore();
  }

  firstBelow(top) {
    let low = 0;
    let high = this.boxes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.boxes[middle].top + this.boxes[middle].tall < top) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The next cards; when they are on their way already, those. */
  loadMore() {
    const load = async () => {
      const mine = this.asked;
      const page = await this.found.more().catch(() => null);
      if (mine !== this.asked || !page) return;
      this.found.cards.push(...page.cards);
      this.found.more = page.more;
      this.layOut();
    };
    this.loading ??= load().finally(() => { this.loading = null; });
    return this.loading;
  }

  clear() {
    // Tiles of the page as it came are taken over, so that no picture is loaded or painted twice.
    const ready = new Map();
    for (const tile of this.list.children) {
      const { id } = tile.firstElementChild.dataset;
      if (id) ready.set(id, tile);
    }
    this.shown.clear();
    const kept = [];
    this.found.cards.slice(0, 60).forEach((card, at) => {
      const tile = ready.get(card.id);
      if (!tile) return;
      this.dress(tile, card, at);
      this.shown.set(at, tile);
      kept.push(tile);
    });
    this.list.replaceChildren(...kept);
  }

  tile(at) {
    const card = this.found.cards[at];
    const tile = el("li", {}, el("a", { class: "pub-tile" }, el("img", { src: this.source.picture(card, "small"), alt: card.alt ?? card.label, width: card.w, height: card.h, decoding: "async", draggable: "false" })));
    this.dress(tile, card, at);
    return tile;
  }

  dress(tile, card, at) {
    const link = tile.firstElementChild;
    link.setAttribute("href", this.source.page?.(card) ?? `#/item/${card.id}`);
    link.dataset.id = card.id;
    link.dataset.at = String(at);
    link.tabIndex = at === this.focused ? 0 : -1;
    tile.setAttribute("aria-setsize", String(this.found.total));
    tile.setAttribute("aria-posinset", String(at + 1));
    link.querySelectorAll(".hp-badge, .hp-over").forEach((each) => each.remove());
    if (card.sample) link.append(el("span", { class: "hp-badge" }, "sample"));
    link.append(el("span", { class: "hp-over", "aria-hidden": "true" },
      el("span", { class: "pub-name" }, card.label),
      card.shape === "panorama" && el("span", {}, "360°"),
      card.rating && el("span", {}, "★".repeat(card.rating)),
      card.cost && el("span", {}, card.cost)));
  }

  // ---------------------------------------------------------------- lightbox, keys

  open(card) {
    const push = !this.box.dialog.open;
    this.box.show(card);
    this.note({ push });
  }

  beside(card, by) {
    const at = this.found.cards.findIndex((each) => each.id === card.id);
    if (at + by >= this.found.cards.length - 3 && this.found.more) this.loadMore();
    return at < 0 ? null : this.found.cards[at + by] ?? null;
  }

  closed(card) {
    this.note();
    const at = card ? this.found.cards.findIndex((each) => each.id === card.id) : -1;
    if (at >= 0) this.focus(at);
  }

  focus(at) {
    const to = Math.max(0, Math.min(at, this.found.cards.length - 1));
    const box = this.boxes[to];
    if (!box) return;
    const above = this.list.getBoundingClientRect().top + box.top;
    if (above < 60 || above + box.tall > window.innerHeight) window.scrollBy(0, above - Math.max(60, (window.innerHeight - box.tall) / 2));
    this.see();
    this.shown.get(this.focused)?.firstElementChild.setAttribute("tabindex", "-1");
    this.focused = to;
    const link = this.shown.get(to)?.firstElementChild;
    link?.setAttribute("tabindex", "0");
    link?.focus({ preventScroll: true });
  }

  /** The tile above or below: the closest middle in the next row. */
  across(at, down) {
    const here = this.boxes[at];
    const middle = here.left + here.wide / 2;
    const step = down ? 1 : -1;
    let n = at;
    while (this.boxes[n]?.top === here.top) n += step;
    const row = this.boxes[n]?.top;
    if (row === undefined) return at;
    let best = n;
    const off = (place) => Math.abs(this.boxes[place].left + this.boxes[place].wide / 2 - middle);
    for (; this.boxes[n]?.top === row; n += step) if (off(n) < off(best)) best = n;
    return best;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape" && this.search.value) {
        this.search.value = "";
        this.searching.cancel();
        this.change({ q: "" });
      }
      return;
    }
    if (event.key === "/") {
      this.search.focus();
      this.search.select();
      event.preventDefault();
      return;
    }
    const tile = event.target.closest?.("a[data-at]");
    if (!tile) return;
    const at = Number(tile.dataset.at);
    if (event.key === "End") {
      Promise.resolve(this.found.more && this.loadMore()).then(() => this.focus(this.found.cards.length - 1));
      event.preventDefault();
      return;
    }
    const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0 };
    const to = event.key === "ArrowDown" || event.key === "ArrowUp" ? this.across(at, event.key === "ArrowDown") : moves[event.key];
    if (to === undefined) return;
    this.focus(to);
    event.preventDefault();
  }
}
