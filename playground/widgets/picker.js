// A dialog to choose pictures of the whole gallery: by words, a page at a time.

class Picker {
  /** `take` gets the chosen ids; `most()` says how many more there is room for. */
  constructor(page, { title, take, most = () => Infinity }) {
    Object.assign(this, { page, title, take, most });
    this.dialog = el("dialog", { class: "hp-dialog hp-picker", "aria-label": title });
    this.urls = [];
    this.dialog.addEventListener("close", () => this.forget());
  }

  open() {
    this.chosen = new Set();
    this.query = el("input", { type: "search", class: "hp-input", placeholder: "Search the whole gallery: words, tags, prompts", "aria-label": "Search the gallery" });
    this.query.addEventListener("input", debounce(200, () => this.ask()));
    this.grid = el("div", { class: "hp-picks", role: "group", "aria-label": "Pictures" });
    this.count = el("p", { class: "hp-small", role: "status" });
    this.more = el("button", { type: "button", class: "hp-button", hidden: true, onclick: () => this.page.send({ do: "pick", query: this.query.value.trim(), more: true }) }, "Show more");
    this.add = el("button", { type: "button", class: "hp-primary", disabled: true, onclick: () => {
      this.take([...this.chosen]);
      this.dialog.close();
    } }, "Add");
    this.dialog.replaceChildren(
      el("div", { class: "hp-pickhead" }, el("h2", {}, this.title), el("button", { type: "button", class: "hp-button", onclick: () => this.dialog.close() }, "Close")),
      this.query, this.grid,
      el("div", { class: "hp-pickfoot" }, this.count, this.more, this.add));
    this.dialog.showModal();
    this.query.focus();
    this.ask();
  }

  close() {
    this.dialog.close();
  }

  ask() {
    this.page.send({ do: "pick", query: this.query.value.trim() });
  }

  forget() {
    this.urls.forEach((url) => URL.revokeObjectURL(url));
    this.urls = [];
  }

  show(picks, buffers) {
    if (!this.dialog.open) return;
    if (!picks.appended) {
      this.forget();
      this.grid.replaceChildren();
    }
    this.grid.append(...picks.cards.map((card) => this.tile(card, buffers)));
    const shown = this.grid.childElementCount;
    if (!shown) this.grid.append(el("p", { class: "hp-small" }, this.query.value.trim() ? "Nothing in the gallery has these words." : "The gallery has no pictures yet."));
    this.count.textContent = shown ? `${shown.toLocaleString("en")} of ${picks.total.toLocaleString("en")}` : "";
    this.more.hidden = !picks.more;
    this.mark();
  }

  tile({ id, label, thumb }, buffers) {
    const url = thumb === null ? null : blobUrl(buffers[thumb]);
    if (url) this.urls.push(url);
    const box = el("input", { type: "checkbox", "aria-label": label, onchange: () => {
      if (box.checked) this.chosen.add(id);
      else this.chosen.delete(id);
      this.mark();
    } });
    box.checked = this.chosen.has(id);
    return el("label", { class: "hp-pick", title: label }, box, url ? el("img", { src: url, alt: "" }) : el("span", { class: "hp-small" }, label));
  }

  mark() {
    const count = this.chosen.size;
    const most = this.most();
    this.add.disabled = count === 0 || count > most;
    this.add.textContent = count > most ? `Room for ${most} only` : count ? `Add ${count} ${count === 1 ? "picture" : "pictures"}` : "Add";
  }
}
