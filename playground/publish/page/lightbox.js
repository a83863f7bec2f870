// One picture, large: zoom and pan, all around, before and after, what is known about it.

const KIND_WORDS = { image: "Generated picture", edit: "Edited picture", photo: "Photograph" };
const LIGHTBOX_KEYS = [
  ["← →", "previous, next"], ["+ − 0", "zoom in, out, fit"], ["P", "all around (panoramas)"],
  ["B", "before and after (edits)"], ["I", "show or hide the words"], ["Esc", "close"], ["?", "these keys"],
];

class Lightbox {
  /** `gallery` gives cards by their place, details, and addresses of pictures. */
  constructor(gallery) {
    this.gallery = gallery;
    this.card = null;
    this.pointers = new Map();
    const round = (name, label, mark, action) => el("button", { type: "button", class: `hp-round pub-${name}`, "aria-label": label, title: label, onclick: action }, icon(mark, { size: 20 }));
    this.image = el("img", { class: "pub-full", alt: "", draggable: "false" });
    this.canvas = null;
    this.stage = el("div", { class: "pub-stage" }, this.image);
    this.previous = round("previous", "Previous picture", ICONS.previous, () => this.step(-1));
    this.next = round("next", "Next picture", ICONS.next, () => this.step(1));
    this.around = el("button", { type: "button", class: "hp-button pub-tool", "aria-pressed": "false", onclick: () => this.toggleAround() }, "360°");
    this.compare = el("button", { type: "button", class: "hp-button pub-tool", "aria-pressed": "false", onclick: () => this.toggleCompare() }, "Before / after");
    this.tools = el("div", { class: "pub-boxtools" }, this.around, this.compare);
    this.panel = el("div", { class: "pub-panel", tabindex: "0", role: "region", "aria-label": "About this picture" });
    this.dialog = el("dialog", { class: "pub-lightbox", "aria-label": "Picture" },
      el("div", { class: "pub-sheet" },
        el("figure", { class: "pub-mat" }, this.stage, this.tools, this.previous, this.next),
        this.panel,
        round("close", "Close", ICONS.close, () => this.dialog.close())));
    this.dialog.addEventListener("close", () => this.closed());
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, (event) => this.up(event));
    this.stage.addEventListener("dblclick", (event) => !this.sphere && this.zoomTo(this.scale > 1 ? 1 : this.natural(), event.clientX, event.clientY));
  }

  async show(card) {
    const first = !this.dialog.open;
    this.card = card;
    this.stop();
    this.fit();
    const { image } = this;
    // The small picture is there already; the larger one replaces it when it has come.
    image.src = this.gallery.source.picture(card, "small");
    image.alt = card.alt ?? card.label;
    image.width = card.w;
    image.height = card.h;
    this.sharp = "";
    this.sharpen("medium");
    this.around.hidden = card.shape !== "panorama";
    this.compare.hidden = true;
    this.panel.replaceChildren(...this.facts(card, null));
    this.panel.scrollTop = 0;
    this.previous.disabled = !this.gallery.beside(card, -1);
    this.next.disabled = !this.gallery.beside(card, 1);
    if (first) this.dialog.showModal();
    const words = await this.gallery.source.words(card.id);
    if (this.card !== card) return;
    this.panel.replaceChildren(...this.facts(card, words ?? {}));
    this.image.alt = words?.alt ?? this.image.alt;
    if (words?.parent) {
      const parent = await this.gallery.source.card(words.parent);
      if (this.card === card && parent) {
        this.parent = parent;
        this.compare.hidden = false;
      }
    }
  }

  sharpen(what) {
    const { card } = this;
    if (this.sharp === what || (this.sharp === "large" && what === "medium")) return;
    this.sharp = what;
    const coming = new Image();
    coming.onload = () => {
      if (this.card === card && this.sharp === what) this.image.src = coming.src;
    };
    coming.src = this.gallery.source.picture(card, what);
  }

  facts(card, words) {
    const dt = (name, value) => value && [el("dt", {}, name), el("dd", {}, value)];
    const text = (name, value) => value && el("section", {}, el("h3", {}, name), el("p", { class: "pub-text" }, value));
    const tags = card.tags ?? [];
    const page = this.gallery.source.page?.(card);
    const rows = [
      ["Kind", KIND_WORDS[card.kind]], ["Size", `${card.w} × ${card.h}`], ["Model", card.model], ["Quality", words?.quality],
      ["Billed", card.cost && money(card.cost)], ["Rating", card.rating && stars(card.rating)], ["Collection", card.collection], ["Date", words?.date],
    ].map(([name, value]) => dt(name, value)).filter(Boolean).flat();
    return [
      el("h2", {}, card.label, card.sample && el("span", { class: "hp-badge hp-inline" }, "sample")),
      words === null && el("p", { class: "hp-small" }, "…"),
      text("Prompt", words?.prompt),
      ...(words?.captions ?? []).map((caption) => text(caption.by ? `Caption by ${caption.by}` : "Caption", caption.text)),
      text("Note", words?.note),
      tags.length > 0 && el("section", {}, el("h3", {}, "Tags"), el("p", { class: "hp-chips" }, tags.map((tag) => el("button", { type: "button", class: "pub-tag", onclick: () => this.gallery.onlyTag(tag) }, tag)))),
      el("dl", { class: "hp-facts" }, rows),
      el("p", { class: "pub-links" },
        el("button", { type: "button", class: "hp-link", onclick: (event) => this.gallery.copyLink(event.currentTarget) }, "Copy link"),
        page && el("a", { class: "hp-link", href: page }, "Page of its own")),
      el("p", { class: "hp-small pub-help" }, "? shows the keys"),
    ].filter(Boolean);
  }

  help() {
    const line = this.panel.querySelector(".pub-help");
    line?.replaceChildren(el("dl", { class: "hp-facts pub-keys" }, LIGHTBOX_KEYS.flatMap(([keys, what]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, what)])));
    line?.scrollIntoView({ block: "nearest" });
  }

  step(by) {
    const card = this.gallery.beside(this.card, by);
    if (card) this.gallery.open(card);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    if (typing(event.target) || event.target.matches("input[type=range]")) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const actions = {
      ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
      "+": () => this.zoomTo(this.scale * 1.4), "=": () => this.zoomTo(this.scale * 1.4), "-": () => this.zoomTo(this.scale / 1.4), "0": () => this.fit(),
      p: () => !this.around.hidden && this.toggleAround(), b: () => !this.compare.hidden && this.toggleCompare(),
      i: () => this.dialog.classList.toggle("pub-bare"), "?": () => this.help(),
    };
    if (this.sphere?.key(event.key) || actions[name]) {
      if (!this.sphere || !["ArrowLeft", "ArrowRight", "+", "=", "-"].includes(name)) actions[name]?.();
      event.preventDefault();
    }
  }

  closed() {
    this.stop();
    const { card } = this;
    this.card = null;
    this.image.removeAttribute("src");
    this.gallery.closed(card);
  }

  // ---------------------------------------------------------------- zoom and pan

  natural() {
    const shown = this.image.getBoundingClientRect().width / this.scale || 1;
    return Math.max(1.5, Math.min(8, this.card.w / shown));
  }

  fit() {
    this.scale = 1;
    this.offset = [0, 0];
    this.apply();
  }

  apply() {
    const [x, y] = this.offset;
    this.image.style.transform = this.scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${this.scale})`;
    this.stage.classList.toggle("pub-zoomed", this.scale > 1);
    if (this.scale > 1.3 && this.card?.large) this.sharpen("large");
  }

  /** Zoom about a point of the window, which stays where it is. */
  zoomTo(scale, x, y) {
    if (this.sphere || this.after) return;
    const box = this.stage.getBoundingClientRect();
    const at = [(x ?? box.left + box.width / 2) - box.left - box.width / 2, (y ?? box.top + box.height / 2) - box.top - box.height / 2];
    const to = Math.max(1, Math.min(10, scale));
    this.offset = this.offset.map((offset, n) => at[n] - ((at[n] - offset) * to) / this.scale);
    this.scale = to;
    this.hold();
  }

  /** Keep the picture in sight. */
  hold() {
    const box = this.stage.getBoundingClientRect();
    const most = [box.width, box.height].map((side) => (side * (this.scale - 1)) / 2);
    this.offset = this.offset.map((offset, n) => Math.max(-most[n], Math.min(most[n], offset)));
    this.apply();
  }

  wheel(event) {
    if (this.sphere || this.after) return;
    event.preventDefault();
    this.zoomTo(this.scale * (event.deltaY > 0 ? 1 / 1.15 : 1.15), event.clientX, event.clientY);
  }

  down(event) {
    if (this.sphere || this.after || event.target.closest("button")) return;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size === 1) this.began = [event.clientX, event.clientY];
    this.stage.setPointerCapture(event.pointerId);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      this.zoomTo((this.scale * apart(now)) / Math.max(1, apart(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      this.began = null;
    } else if (this.scale > 1) {
      this.offset = [this.offset[0] + now[0] - before[0], this.offset[1] + now[1] - before[1]];
      this.hold();
      this.began = null;
    }
    this.pointers.set(event.pointerId, now);
  }

  /** A quick stroke to the side turns the page, one downwards closes. */
  up(event) {
    this.pointers.delete(event.pointerId);
    const { began } = this;
    this.began = null;
    if (!began || event.type !== "pointerup" || event.pointerType === "mouse" || this.scale > 1) return;
    const [x, y] = [event.clientX - began[0], event.clientY - began[1]];
    if (Math.abs(x) > 60 && Math.abs(x) > 2 * Math.abs(y)) this.step(x < 0 ? 1 : -1);
    else if (y > 90 && y > 2 * Math.abs(x)) this.dialog.close();
  }

  // ---------------------------------------------------------------- all around; before and after

  async toggleAround() {
    if (this.sphere) {
      this.stop();
      return;
    }
    this.stop();
    const { card } = this;
    try {
      const picture = await this.gallery.source.texture(card);
      if (this.card !== card) return;
      const canvas = el("canvas", { class: "pub-sphere", tabindex: "0", role: "img", "aria-label": `${card.label}, all around: drag, or use the arrow keys` });
      this.stage.append(canvas);
      this.canvas = canvas;
      this.sphere = new Sphere(canvas, picture);
      this.image.hidden = true;
      this.around.setAttribute("aria-pressed", "true");
      canvas.focus();
    } catch {
      this.stop();
      this.around.textContent = "360° needs WebGL";
    }
  }

  toggleCompare() {
    if (this.after) {
      this.stop();
      return;
    }
    this.stop();
    this.fit();
    const before = el("img", { class: "pub-full pub-before", src: this.gallery.source.picture(this.parent, "medium"), alt: `Before: ${this.parent.alt ?? this.parent.label}` });
    const slider = el("input", { type: "range", min: "0", max: "100", value: "50", class: "pub-slider", "aria-label": "How much of the picture before is shown" });
    const apply = () => {
      before.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
      this.line.style.left = `${slider.value}%`;
    };
    this.line = el("span", { class: "pub-line", "aria-hidden": "true" });
    slider.addEventListener("input", apply);
    const names = el("span", { class: "pub-names", "aria-hidden": "true" }, el("span", {}, "before"), el("span", {}, "after"));
    // The frame has the picture's own box, so that the line cuts both at the same place.
    this.after = el("div", { class: "pub-compare" }, el("div", { class: "pub-frame" }, el("img", { class: "pub-full", src: this.gallery.source.picture(this.card, "medium"), alt: this.image.alt, width: this.card.w, height: this.card.h }), before, this.line, names, slider));
    apply();
    this.stage.append(this.after);
    this.image.hidden = true;
    this.compare.setAttribute("aria-pressed", "true");
    slider.focus();
  }

  stop() {
    if (this.canvas && document.activeElement === this.canvas) this.around.focus();
    this.sphere?.dispose();
    this.canvas?.remove();
    this.after?.remove();
    this.sphere = this.canvas = this.after = null;
    this.image.hidden = false;
    this.around.textContent = "360°";
    this.around.setAttribute("aria-pressed", "false");
    this.compare.setAttribute("aria-pressed", "false");
  }
}
