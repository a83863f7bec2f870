// The playground page: what is wanted on the left, what it costs and what came on the right.
// Every key goes to the kernel; an answer to an older one is dropped.

const CHUNK_BYTES = 1 << 20;
const GLYPH = {
  swap: "M3 5h9l-2.5-2.5M13 11H4l2.5 2.5",
  lock: "M4 7.5h8V14H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  stop: "M4 4h8v8H4z",
};

class PlaygroundPage extends Page {
  constructor(model, root) {
    super(model, root, "Playground");
  }

  prepare() {
    this.sequence = 0;
    this.form = {};
    this.runs = new Map();
    this.cards = [];
    this.item = null;
    this.urls = new Map(); // what is shown -> its blob URL, the last few only
    this.waiting = [];
    this.references = [];
    this.sending = null;
    this.rememberForm = debounce(400, () => this.remember("form", this.form));
  }

  handlers(message, buffers) {
    return {
      head: () => { this.showHead(message); if (message.shut) this.say(message.shut); },
      choices: () => this.showChoices(message),
      form: () => {
        // What was typed before the first answer stays: the kernel has it too.
        this.showForm(this.formed ? message.form : { ...message.form, ...this.form });
        this.formed = true;
      },
      quote: () => this.showQuote(message),
      references: () => this.showReferences(message, buffers),
      started: () => { this.sending = null; if (message.id) this.alert.hidden = true; },
      asking: () => this.showAsking(message),
      run: () => this.showRun(message, buffers),
      history: () => this.showHistory(message, buffers),
      result: () => this.showResult(message.item, buffers),
      picture: () => this.showPicture(message, buffers),
      uploaded: () => this.uploads?.get(message.key)?.(),
      saved: () => this.showSaved(message),
      picks: () => this.picker.show(message, buffers),
      conflict: () => this.showConflict(message),
      code: () => this.showCode(message),
      error: () => this.showError(message),
    };
  }

  opening() {
    return { form: this.recall("form") };
  }

  /** On a narrow page the price and the button stay at the edge also beside the results. */
  resize(width) {
    const wide = width >= 1040;
    this.root.classList.toggle("hp-wide", wide);
    const home = wide ? this.wanted : this.main;
    if (this.sticky.parentNode !== home) home.append(this.sticky);
  }

  dispose() {
    super.dispose();
    clearInterval(this.clock);
    this.urls.forEach((url) => URL.revokeObjectURL(url));
    this.dialog.close();
    this.picker.close();
  }

  /** A blob URL under a name; the one before it under that name is given back. */
  url(name, buffer) {
    if (this.urls.has(name)) URL.revokeObjectURL(this.urls.get(name));
    const url = blobUrl(buffer);
    this.urls.delete(name);
    this.urls.set(name, url);
    if (this.urls.size > 80) {
      const [oldest, old] = this.urls.entries().next().value;
      URL.revokeObjectURL(old);
      this.urls.delete(oldest);
    }
    return url;
  }

  // ---------------------------------------------------------------- building

  build() {
    const button = (label, glyph, action, extra = {}) => el("button", { type: "button", class: "hp-button hp-square", "aria-label": label, title: label, onclick: action, ...extra }, icon(glyph));
    this.prompt = el("textarea", { class: "hp-promptbox", rows: "5", "aria-label": "Prompt", placeholder: "What do you want to see?  A glass desert, one rider, low sun …", spellcheck: "true" });
    this.prompt.addEventListener("input", () => this.set({ prompt: this.prompt.value }));
    this.count = el("span", { class: "hp-count" });
    this.template = el("select", { class: "hp-select hp-slim", "aria-label": "Start from a template" });
    this.template.addEventListener("change", () => {
      const found = this.choices.templates.find(({ name }) => name === this.template.value);
      this.template.value = "";
      if (found) this.put({ prompt: found.prompt, variables: {} });
    });
    this.splitting = el("button", { type: "button", class: "hp-quiet", "aria-pressed": "false", onclick: () => this.split() }, "Show tokens");
    this.variables = el("div", { class: "hp-variables", hidden: true });
    this.pieces = el("p", { class: "hp-pieces", hidden: true, "aria-label": "The prompt as tokens" });
    this.budget = el("select", { class: "hp-select hp-slim", "aria-label": "Budget for one call" },
      el("option", { value: "half-penny" }, "half-penny"), el("option", { value: "quarter-penny" }, "quarter-penny"), el("option", { value: "own" }, "own …"));
    this.own = el("input", { class: "hp-input hp-slim", "aria-label": "Own budget in dollars", value: "0.05", inputmode: "decimal", hidden: true });
    const budgetNow = () => {
      this.own.hidden = this.budget.value !== "own";
      this.set({ budget: this.budget.value === "own" ? this.own.value : this.budget.value });
    };
    this.budget.addEventListener("change", budgetNow);
    this.own.addEventListener("input", budgetNow);
    this.left = el("span", { class: "hp-left" });

    this.model_ = el("select", { class: "hp-select", "aria-label": "Model" });
    this.model_.addEventListener("change", () => this.set({ model: this.model_.value }, true));
    this.modelNote = el("p", { class: "hp-small" });
    this.chips = el("div", { class: "hp-sizes", role: "radiogroup", "aria-label": "Size" });
    const side = (label) => {
      const field = el("input", { class: "hp-input hp-side", inputmode: "numeric", maxlength: "5", "aria-label": label });
      field.addEventListener("input", () => this.sideTyped(field));
      field.addEventListener("change", () => this.settle());
      return field;
    };
    this.width = side("Width in pixels");
    this.height = side("Height in pixels");
    this.lock = button("Keep the ratio of width to height", GLYPH.lock, () => {
      this.ratio = this.ratio ? null : Number(this.width.value) / Number(this.height.value) || null;
      this.lock.setAttribute("aria-pressed", String(Boolean(this.ratio)));
    }, { "aria-pressed": "false" });
    this.swap = button("Swap width and height", GLYPH.swap, () => {
      [this.width.value, this.height.value] = [this.height.value, this.width.value];
      if (this.ratio) this.ratio = 1 / this.ratio;
      this.sizeTyped();
      this.settle();
    });
    this.free = el("div", { class: "hp-free" }, this.width, el("span", { "aria-hidden": "true" }, "×"), this.height, this.lock, this.swap);
    this.sizeNote = el("p", { class: "hp-small hp-note", role: "status" });
    this.quality = el("div", { class: "hp-segments", role: "radiogroup", "aria-label": "Quality" });
    this.n = el("input", { class: "hp-input hp-tiny-field", type: "number", min: "1", max: "10", value: "1", "aria-label": "Pictures in one call" });
    this.n.addEventListener("input", () => this.n.validity.valid && this.n.value && this.set({ n: Number(this.n.value) }));
    const choice = (name, label) => {
      const field = el("select", { class: "hp-select", "aria-label": label });
      field.addEventListener("change", () => this.set({ [name]: field.value }, true));
      return field;
    };
    this.format = choice("output_format", "File format");
    this.background = choice("background", "Background");
    this.moderation = choice("moderation", "Moderation");
    this.tier = choice("tier", "Tier");
    this.tierAlone = el("span", {});
    this.tierNote = el("span", { class: "hp-small" });
    this.fidelity = choice("input_fidelity", "Fidelity to the input pictures");
    this.moderation.append(el("option", { value: "auto" }, "auto"), el("option", { value: "low" }, "low"));
    this.compression = el("input", { class: "hp-input hp-tiny-field", type: "number", min: "0", max: "100", placeholder: "100", "aria-label": "Compression, 0 to 100" });
    this.compression.addEventListener("input", () => this.compression.validity.valid && this.set({ output_compression: this.compression.value === "" ? null : Number(this.compression.value) }));
    this.partial = choice("partial_images", "Previews while it is drawn");
    this.partial.addEventListener("change", () => this.set({ partial_images: Number(this.partial.value) }));
    const row = (label, ...fields) => el("div", { class: "hp-row" }, el("span", { class: "hp-label", "aria-hidden": "true" }, label), el("div", { class: "hp-rowfields" }, fields));
    this.fidelityRow = row("Fidelity", this.fidelity);
    this.compressionRow = row("Compression", this.compression);

    this.file = el("input", { type: "file", accept: "image/png,image/jpeg,image/webp", multiple: true, hidden: true, "aria-label": "Pictures to edit", onchange: () => this.pick() });
    this.path = el("input", { class: "hp-input", placeholder: "/path/to/picture.png", "aria-label": "Path of a picture on this machine" });
    const addPath = () => { if (this.path.value.trim()) this.send({ do: "add_path", path: this.path.value.trim() }); this.path.value = ""; };
    this.path.addEventListener("keydown", (event) => { if (event.key === "Enter") { addPath(); event.preventDefault(); } });
    this.pictures = el("ul", { class: "hp-references" });
    this.editHint = el("p", { class: "hp-small" });
    this.edit = el("details", { class: "hp-details" },
      el("summary", {}, "Start from pictures"),
      this.editHint,
      this.pictures,
      el("div", { class: "hp-rowfields" },
        el("button", { type: "button", class: "hp-button", onclick: () => this.file.click() }, "Upload"), this.file,
        el("button", { type: "button", class: "hp-button", onclick: () => this.picker.open() }, "From the gallery")),
      el("div", { class: "hp-rowfields" },
        this.path, el("button", { type: "button", class: "hp-button", onclick: addPath }, "Add")));
    this.button = el("button", { type: "button", class: "hp-primary", disabled: true, onclick: () => this.generate() }, "Generate");
    this.reason = el("p", { class: "hp-reason", role: "status" });
    this.sticky = el("div", { class: "hp-go" }, this.button, this.reason);

    const wanted = this.wanted = el("section", { class: "hp-card hp-wanted", "aria-label": "What you want" },
      el("div", { class: "hp-line" }, el("h2", {}, "Prompt"), this.count),
      this.prompt,
      el("div", { class: "hp-line hp-under" }, el("span", { class: "hp-budget" }, this.budget, this.own, this.left), el("span", { class: "hp-rowfields" }, this.splitting, this.template)),
      this.variables, this.pieces,
      row("Model", this.model_), this.modelNote,
      row("Size", this.chips, this.free), this.sizeNote,
      row("Quality", this.quality),
      row("Pictures", this.n),
      this.edit,
      el("details", { class: "hp-details" }, el("summary", {}, "More settings"),
        row("Format", this.format), this.compressionRow, row("Background", this.background), row("Previews", this.partial), row("Moderation", this.moderation), row("Tier", this.tier, this.tierAlone, this.tierNote), this.fidelityRow),
      this.sticky);

    this.price = el("div", { class: "hp-price" });
    this.basis = el("span", { class: "hp-basis" });
    this.thousand = el("span", { class: "hp-small" });
    this.lines = el("tbody");
    this.notes = el("ul", { class: "hp-why" });
    this.ladder = el("div", { class: "hp-ladder", role: "group", "aria-label": "The same at other qualities" });
    this.offers = el("div", { class: "hp-ladder", role: "group", "aria-label": "Other sizes at this quality" });
    this.batch = el("p", { class: "hp-small" });
    this.today = el("p", { class: "hp-small" });
    this.spoken = el("p", { class: "hp-hear", role: "status" });
    this.speak = debounce(900, () => { this.spoken.textContent = this.quote?.price ? `${this.quote.price}, ${this.quote.basis}` : ""; });
    const quote = el("section", { class: "hp-card hp-quotecard", "aria-label": "What it will cost" },
      el("div", { class: "hp-line" }, el("div", { class: "hp-rowfields" }, this.price, this.basis), this.thousand),
      el("table", { class: "hp-lines hp-parts" },
        el("thead", { class: "hp-hear" }, el("tr", {}, ["Part", "Tokens", "Dollars per million tokens", "Dollars", "Share"].map((text) => el("th", { scope: "col" }, text)))),
        this.lines),
      this.notes,
      this.ladder, this.offers,
      el("div", { class: "hp-line" }, this.batch, this.today), this.spoken);

    this.running = el("div", { class: "hp-runs", "aria-live": "polite" });
    this.result = el("div", { class: "hp-result" });
    this.strip = el("ul", { class: "hp-strip", "aria-label": "The newest pictures of the gallery" });
    const results = el("section", { class: "hp-card hp-results", "aria-label": "Results" }, this.running, this.result, this.strip);
    this.dialog = el("dialog", { class: "hp-dialog" });
    this.picker = new Picker(this, {
      title: "Pictures to start from", most: () => 16 - this.references.length,
      take: (ids) => { this.edit.open = true; this.send({ do: "items", ids }); },
    });
    this.main = el("main", { class: "hp-play" }, wanted, el("div", { class: "hp-right" }, quote, results));
    this.root.append(this.main, this.dialog, this.picker.dialog);
    this.root.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !this.button.disabled) {
        this.generate();
        event.preventDefault();
      }
    });
    this.clock = setInterval(() => this.tick(), 100);
    this.showNothing();
  }

  // ---------------------------------------------------------------- the form

  set(fields, echo = false) {
    Object.assign(this.form, fields);
    this.sequence += 1;
    this.send({ do: "set", fields, sequence: this.sequence });
    this.rememberForm();
    if (echo) this.markForm();
  }

  /** Set from elsewhere than its own field: the fields follow. */
  put(fields) {
    this.set(fields);
    this.showForm(this.form);
    this.prompt.focus();
  }

  showChoices(choices) {
    this.choices = choices;
    const options = (select, values) => select.replaceChildren(...values.map((value) => (typeof value === "string" ? el("option", { value }, value) : el("option", { value: value[0] }, value[1]))));
    options(this.model_, choices.models.map(({ name }) => name));
    this.modelNote.textContent = choices.note;
    this.modelNote.hidden = !choices.note;
    options(this.format, choices.formats);
    options(this.background, choices.backgrounds);
    options(this.partial, Array.from({ length: choices.max_partial + 1 }, (_, k) => [String(k), k ? `${k} drafts` : "none"]));
    options(this.fidelity, choices.fidelities);
    options(this.tier, choices.tiers);
    this.tier.hidden = choices.tiers.length === 1; // one is no choice
    this.tierAlone.textContent = choices.tiers.length === 1 ? choices.tiers[0] : "";
    this.tierNote.textContent = choices.tier_note;
    options(this.template, [["", "Templates"], ...choices.templates.map(({ name }) => [name, name])]);
    this.fidelityRow.hidden = choices.fidelities.length === 0;
    this.n.max = choices.max_n;
    this.free.hidden = !choices.free;
    this.edit.hidden = !choices.edits;
    this.radios(this.chips, choices.sizes, "hp-chipbutton", (size) => {
      if (this.ratio && size !== "auto") this.ratio = Number(size.split("x")[0]) / Number(size.split("x")[1]);
      this.put({ size });
    });
    this.radios(this.quality, choices.qualities, "hp-segment", (quality) => this.set({ quality }, true));
    this.markForm();
  }

  /** A group of radio buttons: one tab stop, arrows move. */
  radios(group, values, kind, choose) {
    const keep = group.contains(document.activeElement) ? document.activeElement.dataset.value : null;
    group.replaceChildren(...values.map((value) => el("button", {
      type: "button", role: "radio", class: kind, "data-value": value, "aria-checked": "false", tabindex: "-1", onclick: () => choose(value),
      onkeydown: (event) => {
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!by) return;
        const next = group.children[(values.indexOf(value) + by + values.length) % values.length];
        next.focus();
        choose(next.dataset.value);
        event.preventDefault();
      },
    }, value.replace(/(\d)x(\d)/, "$1×$2"))));
    if (keep) group.querySelector(`[data-value="${keep}"]`)?.focus();
  }

  showForm(form) {
    this.form = { ...form };
    if (this.prompt.value !== form.prompt) this.prompt.value = form.prompt;
    if (form.size !== "auto") [this.width.value, this.height.value] = form.size.split("x");
    this.n.value = form.n;
    this.compression.value = form.output_compression ?? "";
    this.markForm();
    this.showVariables(this.named ?? [], true);
    this.takeLinked();
  }

  /** What another page's link asks for (`#model=…&size=…&quality=…`), once. */
  takeLinked() {
    const linked = new URLSearchParams(location.hash.slice(1));
    if (!linked.has("size")) return;
    window.history.replaceState(null, "", location.pathname + location.search);
    this.put(Object.fromEntries(["model", "size", "quality"].filter((name) => linked.get(name)).map((name) => [name, linked.get(name)])));
  }

  markForm() {
    const { form } = this;
    if (!form.model || !this.choices) return;
    this.model_.value = form.model;
    this.format.value = form.output_format;
    this.background.value = form.background;
    this.moderation.value = form.moderation;
    this.tier.value = form.tier;
    this.partial.value = String(form.partial_images);
    this.compressionRow.hidden = form.output_format === "png";
    [...this.format.options].forEach((option) => { option.disabled = option.value === "jpeg" && form.background === "transparent"; });
    this.mark(this.chips, form.size);
    this.mark(this.quality, form.quality);
  }

  mark(group, value) {
    const buttons = [...group.children];
    const on = buttons.find((each) => each.dataset.value === value);
    buttons.forEach((each) => {
      each.setAttribute("aria-checked", String(each === on));
      each.tabIndex = each === (on ?? buttons[0]) ? 0 : -1;
    });
  }

  sideTyped(field) {
    const value = Number(field.value);
    if (this.ratio && value > 0) {
      if (field === this.width) this.height.value = Math.round(value / this.ratio);
      else this.width.value = Math.round(value * this.ratio);
    }
    this.sizeTyped();
  }

  sizeTyped() {
    this.set({ size: `${this.width.value}x${this.height.value}` }, true);
  }

  /** Leaving a side takes the legal size that the note has named. */
  settle() {
    const legal = this.quote?.size;
    if (legal && legal !== "auto" && this.quote.sequence === this.sequence && legal !== this.form.size) {
      const note = this.quote.size_note;
      [this.width.value, this.height.value] = legal.split("x");
      this.sizeTyped();
      this.bent = note;
    } else this.settling = true;
  }

  split() {
    const on = this.splitting.getAttribute("aria-pressed") !== "true";
    this.splitting.setAttribute("aria-pressed", String(on));
    this.splitting.textContent = on ? "Hide tokens" : "Show tokens";
    this.pieces.hidden = !on;
    this.send({ do: "tokens", on });
  }

  showVariables(names, again = false) {
    this.variables.hidden = names.length === 0;
    if (!again && this.named && this.named.join("\n") === names.join("\n")) return;
    this.named = names;
    this.variables.replaceChildren(...names.map((name) => {
      const field = el("input", { class: "hp-input", "aria-label": `Value of ${name}`, placeholder: name, maxlength: "400" });
      field.value = this.form.variables?.[name] ?? "";
      field.addEventListener("input", () => this.set({ variables: { ...this.form.variables, [name]: field.value } }));
      return el("label", { class: "hp-variable" }, el("span", {}, name), field);
    }));
  }

  // ---------------------------------------------------------------- the quote

  showQuote(quote) {
    if (quote.sequence < this.sequence) return;
    this.quote = quote;
    this.root.dataset.sequence = String(quote.sequence);
    const words = quote.characters ? `${quote.tokens.toLocaleString("en")} ${quote.tokens === 1 ? "token" : "tokens"}` : "";
    this.count.textContent = words ? `${words} · ${quote.characters.toLocaleString("en")} characters` : "";
    const left = quote.left;
    this.left.className = left !== null && left < 0 ? "hp-left hp-over" : "hp-left";
    this.left.textContent = left === null ? "" : left < 0 ? `${(-left).toLocaleString("en")} tokens over` : `${left.toLocaleString("en")} tokens left`;
    this.showVariables(quote.variables);
    this.sizeNote.textContent = quote.size_note || this.bent || "";
    if (!quote.size_note) this.bent = "";
    if (this.settling && quote.size && quote.size !== "auto" && quote.size !== this.form.size) {
      this.settling = false;
      this.settle();
    } else this.settling = false;
    this.price.replaceChildren(quote.price ? money(quote.price) : el("span", { class: "hp-money hp-dim" }, "$–"));
    this.basis.className = `hp-basis hp-${quote.basis || "none"}`;
    this.basis.textContent = { exact: "exact ✓", bounded: "between", unknown: "unknown" }[quote.basis] ?? "";
    this.thousand.replaceChildren(...(quote.thousand ? ["1,000 of these: ", money(quote.thousand)] : []));
    this.lines.replaceChildren(...quote.lines.map((line) => {
      const bar = el("span", { class: "hp-bar", "aria-hidden": "true" });
      bar.style.width = `${Math.max(line.share * 100, line.share ? 2 : 0)}%`;
      return el("tr", {}, el("th", { scope: "row" }, line.label), el("td", {}, line.tokens), el("td", {}, `× ${line.rate}`), el("td", {}, line.dollars), el("td", { class: "hp-barcell" }, bar));
    }));
    this.notes.replaceChildren(...quote.notes.map((note) => el("li", {}, note)));
    const offer = (each) => el("button", {
      type: "button", class: "hp-offer", "aria-pressed": each.why === "quality" ? String(each.chosen) : null,
      onclick: () => this.put(each.why === "quality" ? { quality: each.quality } : { size: each.size }),
    }, el("span", { class: "hp-offername" }, each.why === "quality" ? each.quality : each.size.replace("x", "×")), money(each.price), each.why === "quality" ? "" : el("span", { class: "hp-small" }, each.pixels));
    const named = (label, offers) => (offers.length ? [el("span", { class: "hp-label" }, label), ...offers.map(offer)] : []);
    this.ladder.replaceChildren(...named("Qualities", quote.offers.filter(({ why }) => why === "quality")));
    const others = quote.offers.filter(({ why }) => why !== "quality");
    this.offers.replaceChildren(...(others.length ? named("For no more", others) : quote.lines.length ? [el("span", { class: "hp-label" }, "For no more"), el("span", { class: "hp-small" }, "no larger or cheaper size of this shape")] : []));
    this.batch.replaceChildren(...(quote.batch ? ["as a batch, within 24 hours: ", money(quote.batch)] : ["no batch price"]));
    this.today.replaceChildren("today ", money(quote.today), ` · ${quote.cap}`);
    const stop = quote.refused || quote.waiting;
    this.button.disabled = Boolean(stop);
    const verb = this.references.length ? "Edit" : "Generate";
    this.button.replaceChildren(quote.price ? `${verb} · ${quote.price}${quote.asks ? " …" : ""}` : verb);
    this.reason.textContent = stop;
    this.reason.className = quote.refused ? "hp-reason hp-over" : "hp-reason";
    if (quote.pieces) this.showPieces(quote);
    this.speak();
  }

  showPieces(quote) {
    this.pieces.replaceChildren(
      ...quote.pieces.map((piece, n) => el("span", { class: `hp-piece hp-piece${n % 4}` }, piece)),
      quote.more_pieces ? ` … and ${quote.more_pieces.toLocaleString("en")} more` : "",
      el("span", { class: "hp-small hp-perpiece" }, quote.per_token ? `each token ${quote.per_token}; 6 more are added to every prompt` : ""));
  }

  // ---------------------------------------------------------------- calls

  generate(confirmed = false) {
    this.sending = { do: "generate", confirmed };
    this.last = { do: "generate" };
    this.send(this.sending);
  }

  ask(title, ...content) {
    this.dialog.setAttribute("aria-label", title);
    this.dialog.replaceChildren(el("h2", {}, title), ...content);
    this.dialog.showModal();
  }

  showAsking(message) {
    const again = this.last ?? { do: "generate" };
    const close = () => this.dialog.close();
    this.ask(`This costs ${message.price}`,
      el("p", {}, "That is more than $1.00, so it is asked for once more."),
      el("div", { class: "hp-rowfields" },
        el("button", { type: "button", class: "hp-primary", onclick: () => { close(); this.send({ ...again, confirmed: true }); } }, `Spend ${message.price}`),
        el("button", { type: "button", class: "hp-button", onclick: close }, "Do not")));
  }

  showRun(run, buffers) {
    const old = this.runs.get(run.id);
    const over = !["waiting", "running"].includes(run.state);
    if (run.state === "done" && run.items.length && !run.notes.length) {
      old?.node.remove();
      this.runs.delete(run.id);
      return;
    }
    const node = el("article", { class: `hp-run hp-run-${run.state}`, "aria-label": `Call: ${run.prompt}` });
    const draft = el("div", { class: "hp-draft" });
    draft.style.aspectRatio = String(run.ratio);
    if (buffers.length) draft.append(el("img", { src: this.url(run.id, buffers[0]), alt: "A draft of the picture" }));
    else if (old && !over) draft.append(...old.node.querySelectorAll(".hp-draft img"));
    const time = el("span", { class: "hp-elapsed" }, `${run.elapsed.toFixed(1)} s`);
    const title = { waiting: "Waiting", running: run.watched ? "Drawing" : "No longer waited for", done: "Done", failed: "Not made, not billed", unknown: "Lost: it may have been billed", refused: "Not sent", cancelled: "Cancelled" }[run.state];
    node.append(
      ...(over ? [] : [draft]),
      el("div", { class: "hp-runtext" },
        el("h3", {}, title, over ? "" : time),
        el("p", { class: "hp-small" }, `${run.what} · `, money(run.price)),
        el("p", { class: "hp-clip" }, run.prompt),
        run.text && el("p", { class: over && run.state !== "done" ? "hp-problem" : "hp-small" }, run.text),
        ...run.notes.map((note) => el("p", { class: "hp-small" }, note)),
        run.held && el("p", { class: "hp-small" }, money(run.held), " stays held for it; `playground spend` resolves it."),
        over
          ? el("button", { type: "button", class: "hp-quiet", onclick: () => { node.remove(); this.runs.delete(run.id); } }, "Dismiss")
          : run.watched && el("button", { type: "button", class: "hp-button", onclick: () => this.send({ do: "cancel", id: run.id }) }, icon(GLYPH.stop), "Cancel")));
    if (old) old.node.replaceWith(node);
    else {
      this.running.prepend(node);
      // On a narrow page what comes is far below the button that was pressed.
      if (!this.root.classList.contains("hp-wide") && run.state === "waiting") node.scrollIntoView({ block: "center" });
    }
    this.runs.set(run.id, { node, time, over, begun: performance.now() - run.elapsed * 1000 });
    while (this.running.children.length > 12) this.running.lastChild.remove();
  }

  tick() {
    this.runs.forEach(({ time, over, begun }) => { if (!over) time.textContent = `${((performance.now() - begun) / 1000).toFixed(1)} s`; });
  }

  // ---------------------------------------------------------------- results

  showNothing() {
    const example = (text) => el("button", { type: "button", class: "hp-link", onclick: () => this.put({ prompt: text }) }, text);
    this.result.replaceChildren(el("div", { class: "hp-empty" },
      el("h2", {}, "Your first picture"),
      el("p", {}, "Write a prompt: the price above follows every key. Ctrl+Enter sends it. What comes is kept in the gallery with its quote and its bill."),
      el("p", {}, "Or begin with one of these:"),
      ["A glass desert with mirrored dunes, one rider, low sun", "A paper boat on a sea of ink, storm light", "Original ancient wizard profile card, readable stats, cinematic lighting"].map(example)));
  }

  showHistory(message, buffers) {
    this.cards = message.cards;
    this.strip.hidden = message.cards.length === 0;
    this.strip.replaceChildren(...message.cards.map((card) => {
      const src = card.thumb === null ? null : this.url(`small-${card.id}`, buffers[card.thumb]);
      const ratio = card.width / card.height;
      const node = el("button", { type: "button", class: "hp-tile", "aria-label": `${card.label}, ${card.size}, ${card.price}`, "data-id": card.id, onclick: () => this.send({ do: "select", id: card.id }) },
        src ? el("img", { src, alt: "" }) : el("span", { class: "hp-noimage" }, "lost"));
      node.style.aspectRatio = String(ratio);
      return el("li", {}, node);
    }));
    this.markStrip();
  }

  markStrip() {
    this.strip.querySelectorAll(".hp-tile").forEach((tile) => {
      if (tile.dataset.id === this.item?.id) tile.setAttribute("aria-current", "true");
      else tile.removeAttribute("aria-current");
    });
  }

  showResult(item, buffers) {
    this.flush?.();
    this.item = item;
    this.waiting.length = 0;
    const small = item.thumb === null ? null : this.url(`small-card-${item.id}`, buffers[item.thumb]);
    this.image = el("img", { class: "hp-made", alt: item.alt || item.label, width: item.width, height: item.height, src: small });
    this.before = null;
    this.frame = el("div", { class: "hp-frame" }, this.image, item.sample && el("span", { class: "hp-badge" }, "sample"));
    this.frame.style.aspectRatio = `${item.width} / ${item.height}`;
    this.frame.style.maxWidth = `min(100%, ${(item.width / item.height) * 400}px)`;
    this.lineage = item.lineage.map((card) => ({ ...card, src: card.thumb === null ? null : this.url(`small-from-${card.id}`, buffers[card.thumb]) }));
    const slider = this.lineage.length > 0 && this.slider();
    const act = (label, action, disabled = false) => el("button", { type: "button", class: "hp-button", disabled, onclick: action }, label);
    const bill = this.bill(item);
    this.result.replaceChildren(
      el("figure", { class: "hp-matte" }, this.frame, slider || ""),
      el("div", { class: "hp-actions" },
        act("Edit this", () => { this.edit.open = true; this.send({ do: "add_item", id: item.id }); this.prompt.focus(); }, !this.choices?.edits),
        act("Again", () => { this.last = { do: "again", id: item.id }; this.send(this.last); }, !item.repeatable),
        act("Vary", () => { this.send({ do: "vary", id: item.id }); this.prompt.focus(); }, !item.repeatable),
        act("Copy as Python", () => this.send({ do: "copy", id: item.id, language: "python" }), !item.repeatable),
        act("Copy as curl", () => this.send({ do: "copy", id: item.id, language: "curl" }), !item.repeatable),
        act("Download", () => this.download())),
      bill,
      this.panel = el("div", { class: "hp-annotations" }));
    this.fillPanel();
    this.markStrip();
    this.send({ do: "picture", id: item.id });
    if (slider) this.send({ do: "picture", id: this.lineage[0].id });
  }

  bill(item) {
    const cost = item.cost;
    const fact = (name) => item.facts.find((each) => each.name === name)?.value;
    const asked = fact("Asked for");
    const tokens = item.quoted_tokens;
    return el("section", { class: "hp-cost", "aria-label": "Quoted and billed" },
      cost && el("dl", { class: "hp-bill" },
        el("div", {}, el("dt", {}, "Quoted"), money(cost.quoted, "dd")),
        el("div", {}, el("dt", {}, "Billed"), money(cost.billed, "dd")),
        el("div", { class: cost.exact ? "hp-exact" : "" }, el("dt", {}, "Difference"), el("dd", { class: "hp-money" }, cost.difference, cost.exact && " ✓")),
        item.lineage.length > 0 && el("div", {}, el("dt", {}, "With what it was made from"), money(item.altogether, "dd"))),
      tokens.length > 0 && el("p", { class: "hp-small" }, tokens.map((each, n) => `${n ? " · " : ""}${each.label.toLowerCase()}: ${each.quoted} quoted, ${each.billed} billed`).join("")),
      el("p", { class: "hp-small" }, [item.model, asked ? `asked for ${asked}${asked.includes("delivered") ? "" : `, delivered ${item.size}`}` : item.size, fact("Quality"), fact("Took"), item.created].filter(Boolean).join(" · "),
        fact("Request") && [" · ", el("code", {}, fact("Request"))]),
      // Long enough to scroll within its lines at any width: keys must reach it then.
      el("p", { class: "hp-prompt hp-clip3", ...(item.prompt.length > 200 || item.prompt.includes("\n") ? { tabindex: "0" } : {}) }, item.prompt),
      this.lineage.length > 0 && el("div", { class: "hp-lineage" }, el("span", { class: "hp-label" }, "Made from"), this.lineage.map((card) => el("button", { type: "button", class: "hp-tile", "aria-label": `Made from: ${card.label}`, onclick: () => this.send({ do: "select", id: card.id }) }, card.src ? el("img", { src: card.src, alt: "" }) : "?"))));
  }

  /** Before and after: the older picture is uncovered from the left. */
  slider() {
    const parent = this.lineage[0];
    this.before = el("img", { class: "hp-before", alt: `Before: ${parent.label}`, src: parent.src });
    const line = el("span", { class: "hp-cut", "aria-hidden": "true" });
    const range = el("input", { type: "range", min: "0", max: "100", value: "0", class: "hp-range", "aria-label": "Before and after: how much of the picture before is shown" });
    const show = () => {
      this.before.style.clipPath = `inset(0 ${100 - range.value}% 0 0)`;
      line.style.left = `${range.value}%`;
      line.hidden = range.value === "0";
    };
    range.addEventListener("input", show);
    this.frame.append(this.before, line);
    show();
    return el("label", { class: "hp-slider" }, el("span", { class: "hp-small" }, "after"), range, el("span", { class: "hp-small" }, "before"));
  }

  showPicture(message, buffers) {
    const url = this.url(`full-${message.id}`, buffers[0]);
    if (this.item?.id === message.id) {
      this.image.src = url;
      this.image.classList.add("hp-whole");
      this.full = { id: message.id, url };
    } else if (this.lineage?.[0]?.id === message.id && this.before) this.before.src = url;
  }

  download() {
    if (this.full?.id !== this.item.id) return;
    const name = `halfpenny-${this.item.id.slice(0, 8)}.${this.item.facts.find((fact) => fact.name === "File")?.value.match(/(png|jpeg|webp),/)?.[1] ?? "png"}`;
    el("a", { href: this.full.url, download: name }).click();
  }

  async showCode(message) {
    if (!message.text) return;
    const box = el("textarea", { class: "hp-code", readonly: true, rows: "10", "aria-label": "Code" });
    box.value = message.text;
    let said = "Copied.";
    try {
      await navigator.clipboard.writeText(message.text);
    } catch {
      said = "Select and copy it here: the browser did not allow copying.";
    }
    this.ask(message.language === "curl" ? "As curl" : "As Python", el("p", { class: "hp-small", role: "status" }, said, message.language === "curl" ? " The key is read from $OPENAI_API_KEY." : ""), box,
      el("button", { type: "button", class: "hp-button", onclick: () => this.dialog.close() }, "Close"));
    box.select();
  }

  // ---------------------------------------------------------------- annotations

  fillPanel() {
    const { item } = this;
    const focused = this.panel.contains(document.activeElement) ? document.activeElement.dataset.field : null;
    this.status = el("p", { class: "hp-status", role: "status" });
    const rate = (value) => this.annotate({ rating: value === item.rating ? null : value });
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
    }, icon(STAR, { filled: value <= (item.rating || 0), size: 20 }))));
    const add = el("input", { class: "hp-addtag", "aria-label": "Add a tag", placeholder: "Add a tag", maxlength: "64", "data-field": "tag" });
    const addNow = () => {
      const tag = add.value.trim();
      add.value = "";
      if (tag) this.annotate({ tag: [tag] });
    };
    add.addEventListener("keydown", (event) => event.key === "Enter" && addNow());
    add.addEventListener("change", addNow);
    const chip = (tag) => el("span", { class: "hp-chip" }, el("span", {}, tag), el("button", { type: "button", "aria-label": `Remove the tag ${tag}`, onclick: () => this.annotate({ untag: [tag] }) }, icon(ICONS.close, { size: 12 })));
    const flushes = [];
    const area = (field, label, placeholder) => {
      const box = el("textarea", { rows: "2", placeholder, maxlength: "4000", "data-field": field });
      box.value = item[field];
      let saved = box.value;
      const now = () => {
        later.cancel();
        if (box.value === saved) return;
        saved = box.value;
        this.annotate({ [field]: box.value }, item);
      };
      const later = debounce(900, now);
      box.addEventListener("input", () => { this.status.textContent = ""; later(); });
      box.addEventListener("change", now);
      flushes.push(now);
      return el("label", { class: "hp-field" }, el("span", {}, label), box);
    };
    this.panel.replaceChildren(
      el("div", { class: "hp-line" }, group, this.status),
      el("div", { class: "hp-chips" }, item.tags.map(chip), add),
      el("div", { class: "hp-two" }, area("note", "Note", "What to remember about it"), area("alt", "Alternative text", "What a person who cannot see it should know")));
    this.flush = () => flushes.forEach((now) => now());
    if (focused) this.panel.querySelector(`[data-field="${focused}"]`)?.focus();
  }

  annotate(changes, item = this.item) {
    this.status.textContent = "Saving…";
    this.waiting.push({ changes, item });
    if (this.waiting.length === 1) this.sendChange();
  }

  sendChange() {
    const { changes, item } = this.waiting[0];
    this.send({ do: "annotate", id: item.id, version: item.version, changes });
  }

  showSaved(message) {
    const target = this.waiting.shift()?.item;
    if (target) Object.assign(target, message.item);
    if (this.waiting.length) this.sendChange();
    if (this.item?.id !== message.item.id) return;
    Object.assign(this.item, message.item);
    if (!["note", "alt"].includes(document.activeElement?.dataset?.field)) this.fillPanel();
    this.status.textContent = this.waiting.length ? "Saving…" : "Saved";
    this.image.alt = this.item.alt || this.item.label;
  }

  showConflict(message) {
    this.waiting.length = 0;
    if (this.item?.id !== message.item.id) return this.showError(message);
    Object.assign(this.item, message.item);
    this.fillPanel();
    this.status.replaceChildren(message.text, " ", el("button", { type: "button", class: "hp-link", onclick: () => this.annotate(message.changes) }, "Save mine"));
    return null;
  }

  showError(message) {
    if (message.changes) this.waiting.length = 0;
    this.say(message.text);
  }

  // ---------------------------------------------------------------- pictures to edit

  async pick() {
    const files = [...this.file.files];
    this.file.value = "";
    for (const file of files) await this.upload(file, file.name);
  }

  /** In pieces of a megabyte, each answered before the next: no message grows too large. */
  async upload(blob, name, mask = false) {
    const key = `${Date.now()}-${Math.random()}`;
    this.uploads ??= new Map();
    for (let at = 0; at === 0 || at < blob.size; at += CHUNK_BYTES) {
      const piece = await blob.slice(at, at + CHUNK_BYTES).arrayBuffer();
      const answered = new Promise((resolve) => this.uploads.set(key, resolve));
      this.send({ do: "upload", key, name, last: at + CHUNK_BYTES >= blob.size, mask }, [piece]);
      await answered;
    }
    this.uploads.delete(key);
  }

  showReferences(message, buffers) {
    this.references = message.pictures.map((picture, n) => ({ ...picture, src: this.url(picture.id, buffers[n]) }));
    const any = this.references.length > 0;
    if (any) this.edit.open = true;
    this.editHint.textContent = any
      ? `${this.references.length} of 16. The price includes them. A mask on the first says where to change it.`
      : "Upload up to 16 pictures, take one from the results (Edit this), or name a file. They are kept in the gallery as photographs.";
    this.pictures.replaceChildren(...this.references.map((picture, n) => el("li", {},
      el("img", { src: picture.src, alt: "" }),
      el("span", { class: "hp-clip" }, picture.name),
      el("span", { class: "hp-small" }, `${picture.width}×${picture.height}`),
      n === 0 && el("button", { type: "button", class: "hp-button", onclick: () => this.paint(picture) }, message.mask ? "Change the mask" : "Paint a mask"),
      n === 0 && el("label", { class: "hp-quiet hp-maskfile", title: "A picture of the same size; what is transparent in it is drawn anew" }, "Mask from a file",
        el("input", { type: "file", accept: "image/png,image/webp", "aria-label": "Mask from a file", onchange: (event) => { const [file] = event.target.files; event.target.value = ""; if (file) this.upload(file, file.name, true); } })),
      n === 0 && message.mask && el("button", { type: "button", class: "hp-quiet", onclick: () => this.send({ do: "clear_mask" }) }, "No mask"),
      el("button", { type: "button", class: "hp-quiet", "aria-label": `Take ${picture.name} out`, onclick: () => this.send({ do: "remove", id: picture.id }) }, "Remove"))));
    this.fidelityRow.hidden = !this.choices?.fidelities.length;
  }

  /** The mask painter: what is painted becomes transparent in the mask, and is drawn anew. */
  paint(picture) {
    const scale = Math.min(1, 1024 / Math.max(picture.width, picture.height));
    const canvas = el("canvas", { class: "hp-canvas", tabindex: "0", role: "application", width: Math.round(picture.width * scale), height: Math.round(picture.height * scale), "aria-label": "Mask: paint where the picture shall change. Arrows move, space paints, + and − change the brush, E erases, Ctrl+Z takes back." });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const undo = [];
    let radius = Math.round(canvas.width / 14);
    let erasing = false;
    let at = { x: canvas.width / 2, y: canvas.height / 2 };
    let from = null;
    const ring = el("span", { class: "hp-ring", "aria-hidden": "true" });
    const place = () => {
      const by = canvas.clientWidth / canvas.width;
      ring.style.width = ring.style.height = `${radius * 2 * by}px`;
      ring.style.left = `${(at.x - radius) * by}px`;
      ring.style.top = `${(at.y - radius) * by}px`;
    };
    const keep = () => {
      undo.push(pen.getImageData(0, 0, canvas.width, canvas.height));
      if (undo.length > 20) undo.shift();
    };
    const stroke = (to) => {
      pen.globalCompositeOperation = erasing ? "destination-out" : "source-over";
      pen.strokeStyle = "rgb(214 41 118)";
      pen.lineWidth = radius * 2;
      pen.lineCap = "round";
      pen.beginPath();
      pen.moveTo((from ?? to).x, (from ?? to).y);
      pen.lineTo(to.x + 0.01, to.y);
      pen.stroke();
      from = to;
    };
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      return { x: ((event.clientX - box.left) / box.width) * canvas.width, y: ((event.clientY - box.top) / box.height) * canvas.height };
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      keep();
      from = null;
      at = point(event);
      stroke(at);
    });
    canvas.addEventListener("pointermove", (event) => {
      at = point(event);
      place();
      if (event.buttons) stroke(at);
    });
    canvas.addEventListener("pointerup", () => { from = null; });
    const back = () => { if (undo.length) pen.putImageData(undo.pop(), 0, 0); };
    const tool = (label, action, pressed) => el("button", { type: "button", class: "hp-button", "aria-pressed": pressed, onclick: action }, label);
    const brush = tool("Brush", () => use(false), "true");
    const eraser = tool("Eraser", () => use(true), "false");
    const use = (erase) => {
      erasing = erase;
      brush.setAttribute("aria-pressed", String(!erase));
      eraser.setAttribute("aria-pressed", String(erase));
    };
    const size = el("input", { type: "range", min: "4", max: String(Math.round(canvas.width / 4)), value: String(radius), "aria-label": "Size of the brush" });
    size.addEventListener("input", () => { radius = Number(size.value); place(); });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const by = event.shiftKey ? 40 : 10;
      if (step) {
        at = { x: Math.max(0, Math.min(canvas.width, at.x + step[0] * by)), y: Math.max(0, Math.min(canvas.height, at.y + step[1] * by)) };
      } else if (event.key === " ") { keep(); from = null; stroke(at); from = null; }
      else if (event.key === "+" || event.key === "-") { radius = Math.max(4, Math.min(canvas.width / 4, radius * (event.key === "+" ? 1.2 : 0.8))); size.value = radius; }
      else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) back();
      else if (event.key.toLowerCase() === "e") use(true);
      else if (event.key.toLowerCase() === "b") use(false);
      else return;
      place();
      event.preventDefault();
    });
    const done = async () => {
      const out = el("canvas", { width: picture.width, height: picture.height });
      const ink = out.getContext("2d");
      ink.fillStyle = "#000";
      ink.fillRect(0, 0, out.width, out.height);
      ink.globalCompositeOperation = "destination-out";
      ink.drawImage(canvas, 0, 0, out.width, out.height);
      const blob = await new Promise((resolve) => out.toBlob(resolve, "image/png"));
      this.dialog.close();
      await this.upload(blob, "mask.png", true);
    };
    const board = el("div", { class: "hp-board" }, el("img", { src: picture.src, alt: "" }), canvas, ring);
    board.style.aspectRatio = `${picture.width} / ${picture.height}`;
    board.style.width = `min(100%, calc(60vh * ${picture.width / picture.height}))`;
    this.ask("Paint where it shall change",
      el("div", { class: "hp-rowfields" }, brush, eraser, el("label", { class: "hp-rowfields" }, "Size", size), tool("Undo", back), tool("Clear", () => { keep(); pen.clearRect(0, 0, canvas.width, canvas.height); })),
      board,
      el("div", { class: "hp-rowfields" }, el("button", { type: "button", class: "hp-primary", onclick: done }, "Use this mask"), el("button", { type: "button", class: "hp-button", onclick: () => this.dialog.close() }, "Cancel")));
    requestAnimationFrame(() => { place(); canvas.focus(); });
  }
}

export default pageModule(PlaygroundPage);
