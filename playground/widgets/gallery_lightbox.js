// The lightbox: one picture with zoom and pan, all around, before and after; beside it its words,
// its bill, its annotations, its line and its history. And the table where up to four are compared.

const FIELD_WAIT = 900; // milliseconds without a key before a text is saved

class Lightbox {
  /** `host` is the page: send, annotate, status of changes, the wall's pictures. */
  constructor(host) {
    this.host = host;
    this.open = null;
    this.pictures = new Map(); // id -> {url, credentials}, the last few only
    this.lost = new Set();
    this.dialog = el("dialog", { class: "hp-lightbox", "aria-label": "Picture" });
    this.dialog.addEventListener("close", () => this.closed());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  dispose() {
    this.sphere?.dispose();
    this.pictures.forEach(({ url }) => URL.revokeObjectURL(url));
    if (this.dialog.open) this.dialog.close();
  }

  get shown() { return this.dialog.open; }

  show(item) {
    const again = this.open?.id === item.id;
    this.flush?.();
    const focused = again ? this.dialog.contains(document.activeElement) && document.activeElement.dataset.field : null;
    this.open = item;
    if (again && this.dialog.open) {
      this.refresh();
      return;
    }
    this.place = item.place ?? this.host.wall.placeOf(item.id);
    this.sphere?.dispose();
    this.sphere = null;
    this.slider = null;
    const card = this.host.wall.cards.get(this.place);
    this.image = el("img", { alt: item.alt || item.label, class: "hp-full", width: item.width, height: item.height, draggable: "false" });
    const known = this.pictures.get(item.id);
    if (known || card?.url) this.image.src = known?.url ?? card.url;
    if (!known) {
      this.image.classList.add("hp-coming");
      this.host.send({ do: "picture", id: item.id });
    }
    const button = (name, label, action, off) => el("button", { type: "button", class: `hp-round hp-${name}`, "aria-label": label, title: label, disabled: off, onclick: action }, icon(ICONS[name]));
    const total = this.host.wall.total;
    this.frame = el("div", { class: "hp-frame" }, this.image);
    this.zoom = new Zoom([this.frame]);
    this.tools = el("div", { class: "hp-mattools" });
    this.mat = el("figure", { class: "hp-mat" }, this.frame, item.sample && el("span", { class: "hp-badge" }, "sample"),
      button("previous", "Previous picture", () => this.step(-1), this.place <= 0),
      button("next", "Next picture", () => this.step(1), this.place < 0 || this.place >= total - 1), this.tools);
    this.offer(item);
    this.dialog.setAttribute("aria-label", item.label);
    this.panelBox = el("div", { class: "hp-panel", tabindex: "-1" }, this.panel(item));
    this.dialog.replaceChildren(el("div", { class: "hp-sheet" }, this.mat, this.panelBox, button("close", "Close", () => this.dialog.close())));
    if (!this.dialog.open) this.dialog.showModal();
    const target = this.focusNext ?? focused;
    this.focusNext = null;
    const field = target && this.dialog.querySelector(`[data-field="${target}"]`);
    (field || this.dialog.querySelector(".hp-close")).focus();
  }

  /** What can be done with the picture itself. */
  offer(item) {
    const tool = (label, words, action, pressed) => el("button", { type: "button", class: "hp-tool", title: words, "aria-label": words, "aria-pressed": pressed, onclick: action }, label);
    const ratio = item.width / item.height;
    const before = item.line?.before.at(-1);
    this.tools.replaceChildren(...[
      tool("+", "Zoom in", () => this.zoom.by(1.5)), tool("−", "Zoom out", () => this.zoom.by(1 / 1.5)), tool("fit", "Show the whole picture", () => this.zoom.fit()),
      ratio >= 1.9 && ratio <= 2.1 && tool("360°", "Look around in this panorama", () => this.around(), String(Boolean(this.sphere))),
      item.kind === "edit" && before && tool("before / after", "Compare with the picture it was made from", () => this.beside(before.id), String(Boolean(this.slider))),
    ].filter(Boolean));
  }

  around() {
    if (this.sphere) {
      this.sphere.dispose();
      this.sphere = null;
    } else if (!this.image.complete || this.image.classList.contains("hp-coming")) {
      this.status("The picture is still coming.", "");
      return;
    } else {
      try {
        this.sphere = new Sphere(this.image);
        this.mat.append(this.sphere.canvas);
        this.sphere.canvas.focus();
      } catch {
        this.status("This browser cannot show panoramas all around; the flat picture stays.", "bad");
      }
    }
    this.offer(this.open);
  }

  /** The parent over the picture, cut where the slider stands. */
  beside(id) {
    if (this.slider) {
      this.slider.remove();
      this.parentImage.remove();
      this.slider = null;
    } else {
      this.parentImage = el("img", { class: "hp-full hp-before", alt: "Before the edit", draggable: "false" });
      const range = el("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": "Before and after: how much of the picture before is shown" });
      const cut = () => this.parentImage.style.setProperty("--hp-cut", `${range.value}%`);
      range.addEventListener("input", cut);
      this.slider = el("div", { class: "hp-slider" }, el("span", {}, "before"), range, el("span", {}, "after"));
      cut();
      this.frame.append(this.parentImage);
      this.mat.append(this.slider);
      this.zoom.show();
      this.parentId = id;
      const known = this.pictures.get(id);
      if (known) this.parentImage.src = known.url;
      else this.host.send({ do: "picture", id });
    }
    this.offer(this.open);
  }

  picture(message, buffers) {
    if (!this.pictures.has(message.id)) this.pictures.set(message.id, { url: blobUrl(buffers[0]), credentials: message.credentials });
    const { url } = this.pictures.get(message.id);
    if (this.pictures.size > 10) {
      const spare = [...this.pictures.keys()].find((id) => id !== this.open?.id && id !== this.parentId && id !== message.id && !this.host.compared.has(id));
      if (spare) {
        URL.revokeObjectURL(this.pictures.get(spare).url);
        this.pictures.delete(spare);
      }
    }
    if (this.slider && this.parentId === message.id) this.parentImage.src = url;
    if (this.open?.id !== message.id) return;
    this.image.src = url;
    this.image.classList.remove("hp-coming");
    if (message.credentials) this.refresh();
  }

  /** The original is gone: said where the picture would be. */
  missing(id) {
    this.lost.add(id);
    if (this.open?.id !== id) return;
    this.image.classList.remove("hp-coming");
    if (!this.image.src) this.image.hidden = true;
    this.frame.append(el("p", { class: "hp-lost", role: "status" }, "The file of this picture is missing. Everything that is known about it is kept; put the file back or restore a backup."));
  }

  step(by) {
    const place = this.place + by;
    if (this.place < 0 || place < 0 || place >= this.host.wall.total) return;
    this.flush?.();
    this.host.send({ do: "select_at", place, sequence: this.host.wall.sequence });
  }

  closed() {
    this.flush?.();
    this.sphere?.dispose();
    this.sphere = null;
    this.open = null;
    this.panelStatus = null;
    this.host.send({ do: "close" });
    if (this.place >= 0) this.host.wall.rove(this.place);
  }

  // ---------------------------------------------------------------- panel

  panel(item) {
    this.panelStatus = el("p", { class: "hp-status", role: "status" });
    const prompt = item.hits?.prompt ? marked(item.hits.prompt) : item.prompt;
    const place = this.place >= 0 ? `${(this.place + 1).toLocaleString("en")} of ${this.host.wall.total.toLocaleString("en")} · ` : "";
    return [
      this.titleField(item),
      el("p", { class: "hp-sub" }, `${place}${KIND[item.kind]}${item.model ? ` by ${item.model}` : ""} · ${item.size} · ${item.created}`),
      item.deleted && el("p", { class: "hp-note" }, "This picture is in the trash."),
      item.prompt && el("section", {}, el("h3", {}, "Prompt",
        el("button", { type: "button", class: "hp-quiet", "aria-label": "Copy the prompt", onclick: () => this.copy(item.prompt) }, icon(ICONS.copy, { size: 14 }), "Copy")),
        el("p", { class: "hp-prompt" }, prompt)),
      this.cost(item),
      ...item.captions.map((caption, n) => this.caption(caption, item.captionHits?.[n])),
      this.notes(item),
      this.line(item),
      this.facts(item),
      this.history(item),
    ].filter(Boolean);
  }

  refresh() {
    const { panelBox } = this;
    const field = document.activeElement?.dataset?.field;
    const text = document.activeElement?.value;
    const top = panelBox.scrollTop;
    this.flush = null;
    const status = this.panelStatus;
    panelBox.replaceChildren(...this.panel(this.open));
    if (status) {
      this.panelStatus.replaceWith(status);
      this.panelStatus = status;
    }
    panelBox.scrollTop = top;
    const again = field && panelBox.querySelector(`[data-field="${field}"]`);
    if (again && (field === "tag" || field === "collection")) again.value = text;
    again?.focus();
    this.image.alt = this.open.alt || this.open.label;
  }

  titleField(item) {
    const input = el("input", { class: "hp-title", "aria-label": "Title", placeholder: item.name || "Add a title", maxlength: "200", "data-field": "title" });
    input.value = item.title;
    this.saving(input, "title");
    return input;
  }

  cost(item) {
    if (!item.cost) return null;
    const { quoted, billed, difference, exact, lines, note } = item.cost;
    const row = (line) => el("tr", {}, el("th", { scope: "row" }, line.label), el("td", {}, line.tokens), el("td", {}, line.rate), el("td", {}, line.dollars));
    return el("section", { class: "hp-cost", "aria-label": "Cost" },
      el("dl", { class: "hp-bill" },
        el("div", {}, el("dt", {}, "Quoted"), money(quoted, "dd")),
        el("div", {}, el("dt", {}, "Billed"), money(billed, "dd")),
        el("div", { class: exact ? "hp-exact" : "" }, el("dt", {}, "Difference"), el("dd", { class: "hp-money" }, difference, exact && el("span", { class: "hp-tick", role: "img", "aria-label": "as quoted" }, " ✓")))),
      lines.length > 0 && el("table", { class: "hp-lines" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Billed"), el("th", { scope: "col" }, "Tokens"), el("th", { scope: "col" }, "Per million"), el("th", { scope: "col" }, "Dollars"))),
        el("tbody", {}, lines.map(row))),
      note && el("p", { class: "hp-small" }, note));
  }

  caption(caption, hits) {
    return el("section", { class: "hp-caption" },
      el("h3", {}, caption.model === "owner" ? "Your own caption" : `${caption.task} · ${caption.model}`, caption.sample && el("span", { class: "hp-badge hp-inline" }, "sample")),
      caption.text && el("p", { class: "hp-prompt" }, hits?.length ? marked(hits) : caption.text),
      caption.tags.length > 0 && el("p", { class: "hp-words" }, caption.tags.map((tag) => el("span", { class: "hp-word" }, tag))),
      el("p", { class: "hp-small" }, ...[
        caption.quoted && ["quoted ", money(caption.quoted)],
        caption.billed && ["billed ", money(caption.billed)],
        caption.tokens, caption.seconds, caption.request_id && [el("code", {}, caption.request_id)],
      ].filter(Boolean).flatMap((part, n) => [n ? " · " : "", ...[part].flat()])));
  }

  notes(item) {
    const group = el("div", { class: "hp-rate", role: "radiogroup", "aria-label": "Rating" });
    const choose = (rating) => this.host.annotate(item, { rating });
    [1, 2, 3, 4, 5].forEach((n) => group.append(el("button", {
      type: "button", role: "radio", "aria-checked": String(item.rating === n), "aria-label": `${n} star${n > 1 ? "s" : ""}`,
      tabindex: (item.rating ?? 1) === n ? "0" : "-1", class: n <= (item.rating || 0) ? "hp-on" : "", "data-field": `rating${n}`,
      onclick: () => choose(item.rating === n ? null : n),
    }, icon(STAR, { filled: n <= (item.rating || 0), size: 20 }))));
    group.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = Math.max(1, Math.min(5, Number(event.target.dataset.field.at(-1)) + by));
      group.children[next - 1].focus();
    });
    const list = (id, values) => el("datalist", { id }, values.map((value) => el("option", { value })));
    const add = el("input", { class: "hp-addtag", "aria-label": "Add a tag", placeholder: "Add a tag", list: "hp-tags", maxlength: "64", "data-field": "tag", autocomplete: "off" });
    const addNow = () => {
      const tag = add.value.replace(/,/g, " ").trim();
      add.value = "";
      if (tag) this.host.annotate(item, { tag: [tag] });
    };
    add.addEventListener("change", addNow);
    add.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== ",") return;
      event.preventDefault();
      addNow();
    });
    const collection = el("input", { class: "hp-input", "data-field": "collection", list: "hp-collections", maxlength: "64", placeholder: "None", autocomplete: "off" });
    collection.value = item.collection ?? "";
    this.saving(collection, "collection");
    const area = (field, label, placeholder, value, extra) => {
      const box = el("textarea", { rows: field === "note" ? "3" : "2", placeholder, maxlength: "4000", "data-field": field });
      box.value = value;
      this.saving(box, field);
      return [el("label", { class: "hp-field" }, el("span", {}, label), box), extra].filter(Boolean);
    };
    const draft = item.draft && el("span", { class: "hp-draft" },
      el("span", { class: "hp-badge hp-inline" }, "not reviewed"), ` ${item.draft.model}: “${item.draft.text}” `,
      el("button", { type: "button", class: "hp-link", "data-field": "accept", onclick: () => this.host.annotate(item, { alt: item.draft.text }) }, "Accept as the alternative text"));
    return el("section", { class: "hp-notes", "aria-label": "Annotations" },
      el("h3", {}, "Rating"), group,
      el("h3", {}, "Tags"),
      el("div", { class: "hp-chips" }, item.tags.map((tag) => this.host.chip(tag, () => this.host.annotate(item, { untag: [tag] }), `Remove the tag ${tag}`)), add,
        list("hp-tags", this.host.values("tag")), list("hp-collections", this.host.values("collection"))),
      ...area("note", "Note", "What to remember about it", item.note),
      ...area("alt", "Alternative text", "What a person who cannot see it should know", item.alt, draft),
      el("label", { class: "hp-field" }, el("span", {}, "Collection"), collection),
      el("div", { class: "hp-rowbuttons" }, el("button", { type: "button", class: "hp-quiet", onclick: () => this.host.send({ do: "bin", id: item.id, deleted: !item.deleted }) }, item.deleted ? "Restore from the trash" : "Move to the trash")),
      this.panelStatus);
  }

  line(item) {
    const { before = [], after = [], dollars } = item.line ?? {};
    if (!before.length && !after.length) return null;
    const link = (card) => el("button", { type: "button", class: "hp-link hp-relative", onclick: () => this.host.open(card.id) },
      card.label, el("span", { class: "hp-small" }, ` ${KIND[card.kind]}`), card.price ? money(card.price) : "");
    return el("section", {}, el("h3", {}, "Line"),
      before.length > 0 && el("p", { class: "hp-small" }, "Made from"), ...before.map(link),
      after.length > 0 && el("p", { class: "hp-small" }, "Became"), ...after.map(link),
      dollars && el("p", { class: "hp-small" }, "Up to this picture the line cost ", money(dollars), "."));
  }

  facts(item) {
    const rows = item.facts.filter(({ name }) => name !== "Collection").map(({ name, value, code }) => [el("dt", {}, name), el("dd", {}, code ? el("code", {}, value) : value)]);
    const credentials = this.pictures.get(item.id)?.credentials;
    return el("section", {}, el("h3", {}, "About"), el("dl", { class: "hp-facts" }, rows.flat(),
      credentials && [el("dt", {}, "Content Credentials"), el("dd", {}, "present, not verified here")]));
  }

  history(item) {
    if (!item.history?.length) return null;
    return el("details", { class: "hp-history" }, el("summary", {}, `History (${item.history.length})`),
      el("ul", {}, item.history.map((edit) => el("li", {},
        el("span", { class: "hp-small" }, `${edit.at} · ${edit.who}${edit.refused ? " · not taken, somebody else had changed it" : ""}`),
        el("span", { class: "hp-what" }, edit.what),
        edit.id && !edit.refused && el("button", { type: "button", class: "hp-quiet", "aria-label": `Undo the change of ${edit.at}`, onclick: () => this.host.send({ do: "undo", change: edit.id }) }, "Undo this")))));
  }

  // ---------------------------------------------------------------- texts that save themselves

  /** Save a text field when typing pauses, when it is left, and when the lightbox goes. */
  saving(field, name) {
    const item = this.open;
    let saved = field.value;
    const now = () => {
      later.cancel();
      if (field.value === saved) return;
      saved = field.value;
      this.host.annotate(item, { [name]: field.value });
    };
    const later = debounce(FIELD_WAIT, now);
    field.addEventListener("input", () => { this.status("", ""); later(); });
    field.addEventListener("change", now);
    const before = this.flushing === item ? this.flush : null;
    this.flushing = item;
    this.flush = () => { before?.(); now(); };
  }

  saved(item, waiting) {
    if (this.open?.id !== item.id) return;
    const typingIn = ["title", "note", "alt", "collection"].includes(document.activeElement?.dataset?.field);
    Object.assign(this.open, item);
    if (item.alt) this.open.draft = null;
    if (!typingIn) this.refresh();
    if (!waiting) this.status("Saved", "good");
  }

  conflict(message) {
    Object.assign(this.open, message.item);
    this.refresh();
    this.panelStatus.className = "hp-status hp-bad";
    this.panelStatus.replaceChildren(message.text, " ", this.retry("Save mine", message.changes));
  }

  retry(label, changes) {
    return el("button", { type: "button", class: "hp-link", onclick: () => this.host.annotate(this.open, changes) }, label);
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

  /** True when the key was the lightbox's. */
  key(event) {
    if (this.zoom.key(event)) return true;
    const field = { t: "tag", n: "note" }[event.key];
    if (field) {
      this.dialog.querySelector(`[data-field="${field}"]`)?.focus();
      return true;
    }
    if (event.target.getAttribute("role") === "radio") return false;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) this.step(by);
    return Boolean(by);
  }
}

class Compare {
  constructor(host) {
    this.host = host;
    this.dialog = el("dialog", { class: "hp-lightbox hp-compare", "aria-label": "Compare pictures" });
    this.dialog.addEventListener("close", () => this.host.compared.clear());
  }

  show(cards) {
    this.figures = new Map();
    this.host.compared = new Set(cards.map((card) => card.id));
    this.zoom = new Zoom();
    const figure = (card) => {
      const image = el("img", { alt: card.label, src: this.host.lightbox.pictures.get(card.id)?.url ?? card.url, draggable: "false" });
      const frame = el("div", { class: "hp-frame" }, image);
      this.figures.set(card.id, image);
      this.zoom.watch(frame);
      if (!this.host.lightbox.pictures.has(card.id)) this.host.send({ do: "picture", id: card.id });
      return el("figure", {}, frame, el("figcaption", {},
        el("span", { class: "hp-comparelabel" }, card.label),
        el("span", { class: "hp-small" }, `${KIND[card.kind]} · ${card.size}`),
        card.rating ? stars(card.rating) : "", card.price ? money(card.price) : el("span", { class: "hp-small" }, "nothing billed")));
    };
    const tool = (label, words, action) => el("button", { type: "button", class: "hp-tool", "aria-label": words, title: words, onclick: action }, label);
    this.dialog.replaceChildren(
      el("div", { class: "hp-comparehead" }, el("h2", {}, `Compare ${cards.length} pictures`),
        el("span", { class: "hp-small" }, "Zoom and pan move them together."),
        el("div", { class: "hp-mattools" }, tool("+", "Zoom in", () => this.zoom.by(1.5)), tool("−", "Zoom out", () => this.zoom.by(1 / 1.5)), tool("fit", "Show the whole pictures", () => this.zoom.fit())),
        el("button", { type: "button", class: "hp-round hp-close", "aria-label": "Close", onclick: () => this.dialog.close() }, icon(ICONS.close))),
      el("div", { class: `hp-figures hp-of${cards.length}` }, cards.map(figure)));
    this.dialog.showModal();
    this.dialog.querySelector(".hp-close").focus();
  }

  picture(id, url) {
    const image = this.dialog.open && this.figures?.get(id);
    if (image) image.src = url;
  }
}
