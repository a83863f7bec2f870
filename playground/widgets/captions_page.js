// The captions page: photos in, one question to several models, their answers side by side.

const PIECE = 1 << 20; // bytes of an upload in one message
const TASKS = {
  describe: "Describe", alt: "Alt text", tags: "Tags", ocr: "Text in it", attributes: "Attributes", own: "My own prompt",
};
const WHERE = { decorative: "decorative, with an empty alt text", alt: "alt text", tags: "tags", caption: "caption" };
const USE = { alt: "Use as alt text", tags: "Add these tags" };
const STATUS = { waiting: "waiting", asking: "writing…", failed: "failed", unknown: "bill unknown", cancelled: "cancelled" };
const TIERS = { flex: "half the price, slower, may be refused when busy", priority: "faster, dearer" };
const MARKS = ["", "6 3", "2 3", "10 3 2 3"]; // dashes, so that lines differ without colour too
const LANGUAGES = ["English", "German", "French", "Spanish", "Italian", "Portuguese", "Dutch", "Polish", "Arabic", "Hindi", "Japanese", "Chinese"];
const OUR_SCHEMA = `{
  "type": "object",
  "properties": {
    "colour": {"type": "string"},
    "material": {"type": "string"},
    "style": {"type": "string"},
    "condition": {"type": "string", "enum": ["new", "used", "damaged"]}
  },
  "required": ["colour", "material", "style", "condition"],
  "additionalProperties": false
}`;

/** An SVG element; attributes only. */
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

class CaptionsPage extends Page {
  constructor(model, root) {
    super(model, root, "Captions");
  }

  prepare() {
    this.shots = new Map(); // id -> {values, url, image, row, item}
    this.cells = new Map(); // "id model" -> {values, node}
    this.options = null;
    this.uploads = []; // files that wait, the first one under way
    this.number = 0;
    this.sequence = 0;
    this.onTokens = true;
    this.seen = 0; // which of the models is drawn
    this.looked = null;
    this.changes = {};
    this.pressed = null; // what the pointer is down on
    this.held = new Map(); // answers that came meanwhile
    this.lost = "No answer from the page's kernel for ten seconds: the connection may be gone. Reload the page; what was answered is in the gallery.";
  }

  dispose() {
    super.dispose();
    document.removeEventListener("pointerup", this.released);
    document.removeEventListener("pointercancel", this.released);
    this.shots.forEach((shot) => shot.url && URL.revokeObjectURL(shot.url));
    this.picker.close();
    this.asker.close();
  }

  opening() {
    const kept = { photos: this.recall("photos"), options: this.recall("question") };
    return { kept: kept.photos || kept.options ? kept : null };
  }

  /** On a narrow page the price and the button stay at the edge also beside the answers. */
  resize() {
    const home = this.root.classList.contains("hp-narrow") ? this.body : this.asked;
    if (this.pay.parentNode !== home) home.append(this.pay);
  }

  handlers(message, buffers) {
    return {
      head: () => this.showHead(message),
      choices: () => this.showChoices(message),
      shots: () => this.showShots(message.ids),
      shot: () => this.showShot(message, buffers),
      estimate: () => this.showEstimate(message),
      view: () => this.showView(message),
      cell: () => this.showCell(message),
      progress: () => this.showProgress(message),
      set: () => this.answered(message.sequence),
      keep: () => this.remember("photos", message.photos),
      waiting: () => { this.waitingWords.textContent = message.text; this.waiting.hidden = !message.text; },
      picks: () => this.picker.show(message, buffers),
      error: () => this.showError(message),
    };
  }

  showHead(head) {
    super.showHead(head);
    if (head.shut) this.say(head.shut);
  }

  showError(message) {
    if (this.uploads[0]?.offset === 0) this.uploads = []; // the page is full
    super.showError(message);
    this.alert.scrollIntoView({ block: "nearest" });
  }

  act(message, buffers) {
    this.alert.hidden = true;
    this.send(message, buffers);
  }

  // ---------------------------------------------------------------- building

  build() {
    const section = (title, ...rest) => el("section", { class: "cp-part" }, el("h2", {}, title), ...rest);
    this.file = el("input", { type: "file", multiple: true, accept: "image/*", class: "cp-file", "aria-label": "Choose photos to upload" });
    this.file.addEventListener("change", () => { this.take(this.file.files); this.file.value = ""; });
    this.list = el("ul", { class: "cp-list", "aria-label": "Photos" });
    this.path = el("input", { type: "text", class: "cp-input", placeholder: "~/Pictures", "aria-label": "Folder on the machine that runs this page", spellcheck: "false" });
    this.url = el("input", { type: "url", class: "cp-input", placeholder: "https://…/photo.jpg", "aria-label": "Address of a photo", spellcheck: "false" });
    const line = (input, words, send) => {
      const go = () => input.value.trim() && send(input.value.trim());
      input.addEventListener("keydown", (event) => event.key === "Enter" && go());
      return el("div", { class: "cp-line" }, input, el("button", { type: "button", class: "hp-button", onclick: go }, words));
    };
    this.urlLine = line(this.url, "Fetch", (url) => this.act({ do: "url", url }));
    this.urlLine.hidden = true;
    this.drop = el("div", { class: "cp-drop" },
      el("div", { class: "cp-ways" },
        el("label", { class: "hp-button cp-choose" }, "Choose photos", this.file),
        el("button", { type: "button", class: "hp-button", onclick: () => this.picker.open() }, "From the gallery")),
      this.keeps = el("p", { class: "hp-small" }, "or drop them anywhere on this page"));
    this.waitingWords = el("span", {});
    this.waiting = el("div", { class: "hp-small cp-waiting", role: "status", hidden: true }, this.waitingWords,
      el("button", { type: "button", class: "hp-link", onclick: () => this.act({ do: "bring" }) }, "Show them here"),
      el("button", { type: "button", class: "hp-link", onclick: () => this.act({ do: "drop" }) }, "Remove them"));
    this.more = el("details", { class: "cp-more" }, el("summary", {}, "From a folder or an address"),
      line(this.path, "Read", (path) => this.act({ do: "folder", path })), this.urlLine);

    this.tasks = el("div", { class: "cp-chips", role: "radiogroup", "aria-label": "What to ask for" });
    this.fields = el("div", { class: "cp-fields" });
    this.lengths = el("div", { class: "cp-lengths", role: "radiogroup", "aria-label": "Length of the answer" });
    this.language = el("input", { type: "text", class: "cp-input", list: "cp-languages", placeholder: "as the prompt", maxlength: "60" });
    this.language.addEventListener("input", () => this.change({ language: this.language.value }));
    this.models = el("ul", { class: "cp-models", "aria-label": "Models" });
    this.addModel = el("select", { class: "hp-select cp-add", "aria-label": "Add a model" });
    this.addModel.addEventListener("change", () => {
      if (this.addModel.value) this.change({ models: [...this.options.models, this.addModel.value] }, true);
    });
    this.tiers = el("div", { class: "cp-chips", role: "radiogroup", "aria-label": "Tier" });
    this.tierLine = el("div", { class: "cp-inline cp-tiers", hidden: true }, el("span", { class: "hp-small" }, "Tier"), this.tiers, el("span", { class: "hp-small" }));
    this.promptBox = el("p", { class: "cp-prompt" });
    this.promptCount = el("summary", {}, "The prompt");
    this.total = el("p", { class: "cp-total" });
    this.wait = el("p", { class: "cp-wait" });
    this.announced = el("p", { class: "cp-hide", role: "status" });
    this.announce = debounce(900, (text) => { this.announced.textContent = text; });
    this.go = el("button", { type: "button", class: "cp-go", onclick: () => this.run() }, "Caption");
    this.stop = el("button", { type: "button", class: "hp-button cp-stop", hidden: true, onclick: () => this.act({ do: "cancel" }) }, "Cancel");
    this.bar = el("progress", { class: "cp-bar", max: "1", value: "0", "aria-label": "Captions written", hidden: true });

    this.sight = el("section", { class: "cp-sight", "aria-label": "What the model sees", hidden: true });
    this.buildSight();
    this.results = el("section", { class: "cp-results", "aria-label": "Answers", hidden: true });
    this.empty = el("section", { class: "cp-empty" },
      el("h2", {}, "Words for your photos, by several models at once"),
      el("ol", {},
        el("li", {}, "Add photos: the price of asking about them shows at once, before anything is sent."),
        el("li", {}, "See each photo the way a model does, and how small it can be sent before the words suffer."),
        el("li", {}, "Read the answers side by side. What you accept goes to the gallery, with who wrote it.")),
      el("button", { type: "button", class: "hp-button", onclick: () => this.act({ do: "samples" }) }, "Try it with two sample photos"));

    this.picker = new Picker(this, { title: "Photos from the gallery", take: (ids) => this.act({ do: "items", ids }) });
    this.asker = el("dialog", { class: "cp-dialog", "aria-label": "Confirm the price" });
    this.root.append(
      this.body = el("div", { class: "cp-body" },
        this.asked = el("div", { class: "cp-ask" },
          section("Photos", this.drop, this.more, this.waiting, this.list),
          section("Ask for", this.tasks, this.fields,
            el("label", { class: "hp-field" }, el("span", {}, "Language"), this.language),
            el("datalist", { id: "cp-languages" }, LANGUAGES.map((value) => el("option", { value }))),
            el("details", { class: "cp-more" }, this.promptCount, this.promptBox)),
          section("Answer at most", this.lengths),
          section("Models", this.models, this.addModel, this.tierLine),
          this.pay = el("div", { class: "cp-pay" }, this.total, this.go, this.stop, this.bar, this.wait, this.announced)),
        el("main", { class: "cp-out" }, this.empty, this.sight, this.results)),
      this.picker.dialog, this.asker);
    this.dropping();
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
    this.root.addEventListener("pointerdown", (event) => { this.pressed = event.target; });
    this.released = () => setTimeout(() => {
      this.pressed = null;
      const held = [...this.held.values()];
      this.held.clear();
      held.forEach((values) => this.showCell(values));
    });
    document.addEventListener("pointerup", this.released);
    document.addEventListener("pointercancel", this.released);
  }

  dropping() {
    const over = (on) => this.root.classList.toggle("cp-over", on);
    this.root.addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
    this.root.addEventListener("dragleave", (event) => event.target === this.root && over(false));
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      this.take(event.dataTransfer?.files ?? []);
    });
  }

  /** Radio buttons that look like chips; the arrow keys move, as in a radio group. */
  radios(group, name, entries, chosen, pick) {
    const shown = JSON.stringify(entries);
    if (group.dataset.shown === shown) {
      for (const input of group.querySelectorAll("input")) input.checked = input.value === String(chosen);
      return;
    }
    group.dataset.shown = shown;
    const focused = group.contains(document.activeElement);
    group.replaceChildren(...entries.map(({ value, label, detail }) => {
      const input = el("input", { type: "radio", name: `${this.unique}-${name}`, value: String(value), onchange: () => pick(value) });
      input.checked = value === chosen;
      return el("label", { class: "cp-chip" }, input, el("span", {}, label), detail && el("span", { class: "cp-detail" }, detail));
    }));
    if (focused) group.querySelector("input:checked")?.focus();
  }

  // ---------------------------------------------------------------- the question

  showChoices(choices) {
    this.unique = `cp${Math.random().toString(36).slice(2, 8)}`;
    this.choices = choices;
    this.options = choices.options;
    this.urlLine.hidden = !choices.urls;
    this.keeps.textContent = `or drop them anywhere on this page; ${choices.keeps}`;
    this.radios(this.tasks, "task", choices.tasks.map((value) => ({ value, label: TASKS[value] ?? value })), this.options.task, (task) => this.change({ task }, true));
    this.language.value = this.options.language;
    this.showFields();
    this.showLengths(choices.lengths.map((tokens) => ({ tokens, words: Math.floor(tokens * 0.75), price: "" })));
  }

  change(changes, now = false) {
    Object.assign(this.options, changes);
    Object.assign(this.changes, changes);
    if ("task" in changes) this.showFields();
    if (now || !this.unanswered) this.sendChanges();
  }

  /** At once, or when the answer to the one before has come: typing is never queued up. */
  sendChanges() {
    const { changes } = this;
    this.changes = {};
    this.sequence += 1;
    this.unanswered = true;
    this.act({ do: "set", changes, sequence: this.sequence });
    this.remember("question", this.options);
  }

  answered(sequence) {
    if (sequence < this.sequence) return;
    this.unanswered = false;
    this.root.dataset.sequence = String(sequence);
    if (Object.keys(this.changes).length) this.sendChanges();
  }

  /** What only one task needs; built when the task changes, so that typing is not disturbed. */
  showFields() {
    const { task } = this.options;
    const text = (field, label, rows, placeholder, mono) => {
      const box = el("textarea", { rows, placeholder, maxlength: "100000", spellcheck: mono ? "false" : "true", class: mono ? "cp-mono" : "" });
      box.value = this.options[field];
      box.addEventListener("input", () => this.change({ [field]: box.value }));
      return el("label", { class: "hp-field" }, el("span", {}, label), box);
    };
    this.schemaStatus = el("p", { class: "hp-status", role: "status" });
    if (task === "own") this.fields.replaceChildren(text("own", "Your prompt", "4", "What do you want to know about each photo?"));
    else if (task === "alt") {
      const limit = el("input", { type: "number", min: "20", max: "1000", step: "5", class: "cp-input cp-number", value: this.options.alt_limit });
      limit.addEventListener("input", () => this.change({ alt_limit: Number(limit.value) }));
      const box = el("input", { type: "checkbox", onchange: () => this.change({ decorative: box.checked }, true) });
      box.checked = this.options.decorative;
      this.fields.replaceChildren(
        el("label", { class: "cp-inline" }, "At most", limit, "characters", el("span", { class: "hp-small" }, "without “image of”")),
        el("label", { class: "cp-inline" }, box, "A photo may be only decoration"));
    } else if (task === "tags") this.fields.replaceChildren(text("vocabulary", "Only these tags (empty: any)", "3", "cat, garden, night"));
    else if (task === "attributes") {
      const editor = text("schema", "JSON schema (empty: category, colours, materials, style, condition)", "6", "", true);
      const fill = () => { editor.querySelector("textarea").value = OUR_SCHEMA; this.change({ schema: OUR_SCHEMA }, true); };
      this.fields.replaceChildren(editor, el("div", { class: "cp-line" }, this.schemaStatus, el("button", { type: "button", class: "hp-link", onclick: fill }, "Start from an example")));
    } else this.fields.replaceChildren();
  }

  showLengths(lengths) {
    const known = lengths.some(({ tokens }) => tokens === this.options.max_tokens);
    const all = known ? lengths : [...lengths, { tokens: this.options.max_tokens, words: Math.floor(this.options.max_tokens * 0.75), price: "" }];
    this.radios(this.lengths, "length", all.map(({ tokens, words, price }) => ({ value: tokens, label: `${words} words`, detail: price || `${tokens} tokens` })), this.options.max_tokens, (max_tokens) => this.change({ max_tokens }, true));
  }

  showEstimate(estimate) {
    this.estimate = estimate;
    if (!this.choices) return;
    const { task, language } = this.options;
    if (!Object.keys(this.changes).length) this.options = { ...estimate.options, language, own: this.options.own, vocabulary: this.options.vocabulary, schema: this.options.schema, alt_limit: this.options.alt_limit, task };
    this.showModels(estimate.models);
    this.showLengths(estimate.lengths);
    this.promptCount.replaceChildren(`The prompt: ${estimate.prompt_tokens} tokens`);
    const prompt = estimate.prompt ?? this.options.own; // what was typed is not sent back
    if (this.promptBox.textContent !== prompt) this.promptBox.textContent = prompt;
    if (this.schemaStatus) {
      this.schemaStatus.textContent = estimate.schema_problem;
      this.schemaStatus.className = "hp-status hp-bad";
    }
    this.total.replaceChildren(...(estimate.total
      ? [el("span", { class: "cp-sum" }, ...this.range(estimate.total)), el("span", { class: "cp-kind" }, estimate.exact ? "exact ✓" : "between: the answers’ length is open"),
        el("span", { class: "cp-each" }, ...(estimate.each ? [...this.range(estimate.each), " a photo"] : []))]
      : [el("span", { class: "cp-sum cp-dim" }, "$0.00"), el("span", { class: "cp-kind" }, estimate.answered ? "all of it is answered" : "nothing to ask yet")]));
    const [words, price] = estimate.button.split(" · ");
    this.go.replaceChildren(words, ...(price ? [" · ", price] : []));
    this.go.disabled = Boolean(estimate.wait);
    this.wait.textContent = estimate.wait || (estimate.answered ? `${estimate.answered} ${estimate.answered === 1 ? "answer is" : "answers are"} here already and not asked again.` : estimate.asks ? "You will be asked to confirm this price." : "");
    this.announce(estimate.wait || estimate.button);
    this.tierLine.hidden = estimate.tiers.length < 2;
    this.radios(this.tiers, "tier", estimate.tiers.map((value) => ({ value, label: value })), this.options.tier, (tier) => this.change({ tier }, true));
    this.tierLine.lastChild.textContent = TIERS[this.options.tier] ?? "";
    this.radios(this.details, "detail", estimate.details.map((value) => ({ value, label: value })), this.options.detail, (detail) => this.change({ detail }, true));
  }

  range(text) {
    return text.split(/(\$[\d.,]+)/).map((part) => (part.startsWith("$") ? money(part) : part));
  }

  showModels(rows) {
    const chosen = this.options.models;
    const shown = JSON.stringify([chosen, rows.map(({ model, price }) => [model, price])]);
    if (this.models.dataset.shown === shown) return;
    this.models.dataset.shown = shown;
    const focused = this.models.contains(document.activeElement) ? document.activeElement.dataset.model : null;
    this.models.replaceChildren(...chosen.map((name, n) => {
      const row = rows.find((one) => one.model === name);
      const known = this.choices.models.find((one) => one.name === name);
      return el("li", {},
        el("span", { class: `cp-mark cp-c${n}`, "aria-hidden": "true" }),
        el("span", { class: "cp-modelname" }, name, el("span", { class: "hp-small" }, known ? `${known.price} per million tokens` : "")),
        el("span", { class: "cp-price" }, row?.price ? this.range(row.price) : ""),
        el("button", { type: "button", class: "cp-x", "data-model": name, "aria-label": `Remove the model ${name}`, onclick: () => this.change({ models: chosen.filter((one) => one !== name) }, true) }, icon(ICONS.close, { size: 12 })));
    }));
    if (focused) (this.models.querySelector("button") ?? this.addModel).focus();
    const rest = this.choices.models.filter(({ name }) => !chosen.includes(name));
    this.addModel.replaceChildren(el("option", { value: "" }, chosen.length ? "Compare with another model…" : "Choose a model…"), ...rest.map(({ name, price }) => el("option", { value: name }, `${name} · ${price}`)));
    this.addModel.disabled = chosen.length >= this.choices.most_models;
  }

  // ---------------------------------------------------------------- photos

  take(files) {
    for (const file of files) {
      this.number += 1;
      this.uploads.push({ id: `u${this.unique}${this.number}`, file, offset: 0, started: false });
    }
    if (this.uploads.length && !this.uploads[0].started) this.sendPiece();
  }

  async sendPiece() {
    const upload = this.uploads[0];
    if (!upload) return;
    upload.started = true;
    const { id, file, offset } = upload;
    let piece;
    try {
      piece = await file.slice(offset, offset + PIECE).arrayBuffer();
    } catch {
      this.say(`${file.name} could not be read; add it again.`);
      this.uploads.shift();
      this.sendPiece();
      return;
    }
    this.act({ do: "upload", id, name: file.name, size: file.size, offset }, [piece]);
  }

  uploaded(shot) {
    const upload = this.uploads[0];
    if (!upload || upload.id !== shot.id) return;
    upload.offset = shot.received;
    if (shot.problem || shot.ready || shot.received >= upload.file.size) this.uploads.shift();
    this.sendPiece();
  }

  showShots(ids) {
    for (const [id, shot] of this.shots) {
      if (ids.includes(id)) continue;
      if (shot.url) URL.revokeObjectURL(shot.url);
      shot.item.remove();
      shot.row.remove();
      this.shots.delete(id);
      for (const key of [...this.cells.keys()]) if (key.startsWith(`${id} `)) this.cells.delete(key);
    }
    this.showRooms();
  }

  showShot(values, buffers) {
    let shot = this.shots.get(values.id);
    if (!shot) {
      shot = { url: null, item: el("li"), row: el("article", { class: "cp-row" }), answers: el("div", { class: "cp-answers" }) };
      this.shots.set(values.id, shot);
      this.list.append(shot.item);
    }
    shot.values = values;
    if (buffers?.length) {
      if (shot.url) URL.revokeObjectURL(shot.url);
      shot.url = blobUrl(buffers[0]);
      shot.image = new Image();
      shot.image.onload = () => this.looked?.id === values.id && this.drawPhoto();
      shot.image.src = shot.url;
    }
    const { name, problem, ready, size, bytes, received, expected } = values;
    const part = expected && received ? `${Math.round((100 * received) / expected)} % received` : "being read…";
    shot.item.className = `cp-shot${problem ? " cp-wrong" : ""}`;
    shot.item.replaceChildren(
      el("button", { type: "button", class: "cp-look", disabled: !ready, "aria-label": `Look at ${name}`, onclick: () => this.act({ do: "look", id: values.id }) },
        shot.url ? el("img", { src: shot.url, alt: "" }) : el("span", { class: "cp-noimage", "aria-hidden": "true" })),
      el("span", { class: "cp-shotname" }, el("span", {}, name), el("span", { class: problem ? "cp-problem" : "hp-small", role: problem ? "alert" : null }, problem || (ready ? `${size.replace("x", " × ")} · ${bytes}` : part))),
      el("button", { type: "button", class: "cp-x", "aria-label": `Remove ${name}`, onclick: () => this.act({ do: "remove", id: values.id }) }, icon(ICONS.close, { size: 12 })));
    if (!shot.row.firstChild) shot.row.append(el("figure", {}), shot.answers);
    if (ready) {
      shot.row.firstChild.replaceChildren(el("img", { src: shot.url ?? "", alt: "" }), el("figcaption", {}, name));
      if (!shot.row.isConnected) this.place(values.id, shot.row);
    }
    this.showRooms();
    this.uploaded(values);
  }

  /** Answers stand in the order of the photos, whichever was read first. */
  place(id, row) {
    const ids = [...this.shots.keys()];
    const after = ids.slice(ids.indexOf(id) + 1).map((one) => this.shots.get(one).row).find((one) => one.isConnected);
    this.results.insertBefore(row, after ?? null);
  }

  showRooms() {
    const ready = [...this.shots.values()].some((shot) => shot.values?.ready);
    this.empty.hidden = ready;
    this.sight.hidden = !ready;
    this.results.hidden = this.cells.size === 0;
    for (const shot of this.shots.values()) shot.row.hidden = shot.answers.childElementCount === 0;
  }

  // ---------------------------------------------------------------- what the model sees

  buildSight() {
    this.canvas = el("canvas", { class: "cp-canvas", role: "img" });
    this.grid = svg("svg", { class: "cp-grid", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.frame = el("div", { class: "cp-frame" }, this.canvas, this.grid);
    this.who = el("div", { class: "cp-chips", role: "radiogroup", "aria-label": "As seen by" });
    this.sentence = el("p", { class: "cp-sentence", role: "status" });
    this.details = el("div", { class: "cp-chips", role: "radiogroup", "aria-label": "Detail" });
    this.slider = el("input", { type: "range", class: "cp-slider", min: "64", step: "16", "aria-label": "Longest side that is sent, in pixels" });
    this.slider.addEventListener("input", () => this.resizeTo(Number(this.slider.value)));
    this.slid = el("output", { class: "cp-slid" });
    this.plot = el("div", { class: "cp-plot" });
    this.axis = el("div", { class: "cp-chips cp-axis", role: "radiogroup", "aria-label": "Drawn as" });
    this.table = el("details", { class: "cp-more" }, el("summary", {}, "Show as table"), el("div", { class: "cp-table" }));
    this.table.addEventListener("toggle", () => this.showTable());
    this.fullText = el("p", { class: "hp-small" });
    this.sight.append(
      el("div", { class: "cp-stage" },
        el("div", { class: "cp-seen" }, el("h2", {}, "What the model sees"), this.frame, this.sentence, this.who),
        el("div", { class: "cp-curve" },
          el("div", { class: "cp-curvehead" }, el("h2", {}, "How small can it be sent?"), this.axis),
          this.plot,
          el("div", { class: "cp-slide" }, this.slider, this.slid),
          this.fullText,
          el("div", { class: "cp-inline" }, el("span", { class: "hp-small" }, "Detail"), this.details),
          this.table)));
  }

  resizeTo(edge) {
    const resize = edge >= Number(this.slider.max) ? null : edge;
    this.slid.textContent = resize === null ? "as it is" : `${resize} px`;
    this.change({ resize });
  }

  showView(view) {
    const other = this.looked?.id !== view.id;
    this.looked = view.id === null ? null : view;
    this.showRooms();
    if (!this.looked) return;
    this.seen = Math.min(this.seen, Math.max(0, view.sights.length - 1));
    const most = Math.max(64, Math.ceil(view.long / 16) * 16);
    this.slider.max = String(most);
    if (other || document.activeElement !== this.slider) {
      const at = this.options?.resize ?? most;
      this.slider.value = String(Math.min(at, most));
      this.slid.textContent = this.options?.resize && at < view.long ? `${at} px` : "as it is";
    }
    this.radios(this.who, "who", view.sights.map(({ model }, value) => ({ value, label: model })), this.seen, (value) => { this.seen = value; this.drawPhoto(); });
    this.radios(this.axis, "axis", [{ value: true, label: "tokens" }, { value: false, label: "dollars" }], this.onTokens, (value) => { this.onTokens = value; this.drawCurve(); });
    for (const [id, shot] of this.shots) shot.item.classList.toggle("cp-on", id === view.id);
    // A key in the prompt changes neither the photo nor, mostly, the curve: the price comes first.
    const photo = JSON.stringify([view.id, this.seen, view.sights, view.refused]);
    const curve = JSON.stringify([view.long, view.curves, this.options?.resize]);
    if (photo !== this.drawn?.photo) this.drawPhoto();
    if (curve !== this.drawn?.curve || photo !== this.drawn?.photo) {
      this.drawCurve();
      if (this.table.open) this.showTable();
    }
    this.drawn = { photo, curve };
  }

  /** The photo with no more pixels than the model gets, under the grid that it is cut into. */
  drawPhoto() {
    const view = this.looked;
    const seen = view?.sights[this.seen];
    const image = this.shots.get(view?.id)?.image;
    if (!seen) {
      this.sentence.textContent = view?.refused?.[0]?.why ?? "";
      return;
    }
    const label = view.refused.length ? ` ${view.refused[0].why}` : "";
    this.sentence.textContent = `${seen.text}${label}`;
    this.canvas.setAttribute("aria-label", `${view.name}: ${seen.text}`);
    this.frame.style.aspectRatio = `${seen.width} / ${seen.height}`;
    // Never wider than the column; never taller than the stage.
    this.frame.style.maxWidth = `min(100%, ${(380 * seen.width) / seen.height}px)`;
    this.grid.setAttribute("viewBox", `0 0 ${seen.width} ${seen.height}`);
    let path = "";
    for (let n = 1; n < seen.columns; n += 1) path += `M${n * seen.cell} 0V${seen.height}`;
    for (let n = 1; n < seen.rows; n += 1) path += `M0 ${n * seen.cell}H${seen.width}`;
    this.grid.replaceChildren(...(path ? [svg("path", { d: path, class: "cp-under" }), svg("path", { d: path, class: "cp-over" })] : []));
    if (!image?.complete || !image.naturalWidth) return;
    this.canvas.width = Math.min(seen.width, image.naturalWidth);
    this.canvas.height = Math.max(1, Math.round((this.canvas.width * seen.height) / seen.width));
    const pen = this.canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, 0, 0, this.canvas.width, this.canvas.height);
  }

  drawCurve() {
    const view = this.looked;
    if (!view?.curves.length) {
      this.plot.replaceChildren();
      return;
    }
    const [width, height, left, right, top, bottom] = [460, 190, 8, 8, 14, 26];
    const value = (point) => (this.onTokens ? point.tokens : point.dollars ?? 0);
    const most = Math.max(...view.curves.flatMap(({ points }) => points.map(value))) || 1;
    const first = view.curves[0].points[0].edge;
    const x = (edge) => left + ((width - left - right) * (Math.max(edge, first) - first)) / Math.max(1, view.long - first);
    const y = (amount) => height - bottom - ((height - top - bottom) * amount) / most;
    const names = view.sights.map(({ model }) => model);
    // Models with the same curve share one line and one label.
    const lines = [];
    view.curves.forEach((curve, n) => {
      const shape = curve.points.map((point) => `${x(point.edge).toFixed(1)} ${y(value(point)).toFixed(1)}`).join("L");
      const same = lines.find((line) => line.shape === shape);
      if (same) same.names.push(names[n]);
      else lines.push({ shape, names: [names[n]], n, curve, last: curve.points.at(-1) });
    });
    const at = this.options.resize && this.options.resize < view.long ? this.options.resize : view.long;
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${this.onTokens ? "Tokens" : "Dollars"} of ${view.name} by its longest side. ${view.curves.map((curve, n) => `${names[n]}: ${curve.text}`).join(" ")}` });
    drawn.append(svg("path", { d: `M${left} ${height - bottom}H${width - right}`, class: "cp-base" }));
    const words = (px, py, text, anchor, kind = "") => {
      const node = svg("text", { x: px, y: py, "text-anchor": anchor, class: `cp-text ${kind}` });
      node.textContent = text;
      drawn.append(node);
    };
    words(left, height - 8, `${first} px`, "start");
    words(width - right, height - 8, `${view.long.toLocaleString("en")} px, all of it`, "end");
    drawn.append(svg("path", { d: `M${x(at)} ${top - 8}V${height - bottom}`, class: "cp-at" }));
    let before = -99;
    lines.sort((a, b) => value(b.last) - value(a.last)).forEach((line) => {
      drawn.append(svg("path", { d: `M${line.shape}`, class: `cp-curveline cp-s${line.n}`, "stroke-dasharray": MARKS[line.n % 4] }));
      const end = Math.max(y(value(line.last)) - 5, before + 13, top - 2);
      before = end;
      words(width - right, end, `${line.names.join(", ")} · ${this.onTokens ? `${line.last.tokens_text} tokens` : line.last.price}`, "end", `cp-t${line.n}`);
    });
    this.plot.replaceChildren(drawn);
    const near = (points) => points.reduce((best, point) => (Math.abs(point.edge - at) < Math.abs(best.edge - at) ? point : best));
    this.fullText.replaceChildren(...view.curves.flatMap((curve, n) => {
      const point = near(curve.points);
      return [n ? el("br") : "", el("strong", {}, names[n]), ` at about ${point.edge.toLocaleString("en")} px: ${point.tokens_text} tokens, ${point.price} a photo. ${curve.text}`];
    }));
  }

  showTable() {
    const view = this.looked;
    if (!view?.curves.length || !this.table.open) return;
    const names = view.sights.map(({ model }) => model);
    const rows = view.curves[0].points.map((point, n) => el("tr", {}, el("th", { scope: "row" }, `${point.edge.toLocaleString("en")} px`),
      view.curves.map((curve) => [el("td", {}, curve.points[n]?.tokens_text ?? ""), el("td", {}, curve.points[n]?.price ?? "")]).flat()));
    const head = el("tr", {}, el("th", { scope: "col" }, "Longest side"), names.flatMap((name) => [el("th", { scope: "col" }, `${name}, tokens`), el("th", { scope: "col" }, `${name}, dollars`)]));
    this.table.lastChild.replaceChildren(el("table", { class: "hp-lines" }, el("thead", {}, head), el("tbody", {}, rows)));
    this.table.lastChild.tabIndex = 0;
  }

  // ---------------------------------------------------------------- asking

  run() {
    if (!this.estimate || this.go.disabled) return;
    if (Object.keys(this.changes).length) this.sendChanges();
    if (!this.estimate.asks) {
      this.act({ do: "run" });
      return;
    }
    const consent = this.estimate.most;
    this.asker.replaceChildren(
      el("h2", {}, `This may cost ${this.estimate.most_text}`),
      el("p", {}, `${this.estimate.calls} calls for ${this.estimate.shots} photos. Nothing has been sent yet.`),
      el("div", { class: "cp-line" },
        el("button", { type: "button", class: "hp-button", onclick: () => this.asker.close() }, "Do not send"),
        el("button", { type: "button", class: "cp-go", onclick: () => { this.asker.close(); this.act({ do: "run", consent }); } }, `Spend up to ${this.estimate.most_text}`)));
    this.asker.showModal();
  }

  showProgress(progress) {
    this.stop.hidden = !progress.running;
    this.bar.hidden = !progress.running;
    this.go.hidden = progress.running;
    this.bar.max = Math.max(1, progress.total);
    this.bar.value = progress.done;
    this.stop.disabled = progress.cancelling;
    this.stop.textContent = progress.cancelling ? "Cancelling…" : `Cancel · ${progress.done} of ${progress.total} written`;
    if (progress.running) {
      this.wait.textContent = progress.cancelling
        ? "What is being written may be billed all the same; the rest is not sent."
        : `billed so far ${progress.billed}. Cancelling keeps what came; what is being written may be billed.`;
    } else if (progress.total) {
      this.announce(`Done: ${progress.done} answers, billed ${progress.billed}${progress.held ? `, ${progress.held} held` : ""}.`);
    }
  }

  showCell(values) {
    const shot = this.shots.get(values.id);
    if (!shot) return;
    const key = `${values.id} ${values.model}`;
    let cell = this.cells.get(key);
    if (!cell) {
      cell = { node: el("section", { class: "cp-cell", "aria-label": `${values.model} about ${shot.values.name}` }) };
      this.cells.set(key, cell);
      shot.answers.append(cell.node);
      this.showRooms();
    }
    // Between press and release a button must stay where it is, or the click is lost.
    if (this.pressed && cell.node.contains(this.pressed)) {
      this.held.set(key, values);
      return;
    }
    const before = cell.values;
    cell.values = values;
    const streaming = values.status === "asking";
    if (before && streaming && before.status === "asking") {
      cell.node.querySelector(".cp-stream").textContent = values.text;
      return;
    }
    const focused = cell.node.contains(document.activeElement) ? document.activeElement.dataset.field : null;
    // The text that is being typed is the newest there is.
    const typed = focused === "text" ? document.activeElement.value : null;
    const caret = typed === null ? 0 : document.activeElement.selectionStart;
    cell.node.className = `cp-cell cp-is-${values.status}${values.accepted ? " cp-kept" : ""}`;
    cell.node.replaceChildren(...this.cell(values, shot.values.name));
    if (focused) {
      const again = cell.node.querySelector(`[data-field="${focused}"]`) ?? cell.node.querySelector("[data-field=undo], [data-field=accept], [data-field=again], button");
      if (typed !== null && again?.dataset.field === "text") {
        again.value = typed;
        again.setSelectionRange(caret, caret);
      }
      again?.focus();
    }
  }

  cell(values, name) {
    const { id, model, status, text, edited, task } = values;
    const head = el("h3", {}, model, values.sample && el("span", { class: "hp-badge hp-inline" }, "sample"), STATUS[status] && el("span", { class: `cp-state cp-${status}` }, STATUS[status]));
    const meta = [
      values.billed && ["billed ", money(values.billed)], values.billed && values.quoted && ["quoted ", ...this.range(values.quoted)],
      values.tokens && `${values.tokens} tokens`, values.seconds,
    ].filter(Boolean).flatMap((part, n) => [n ? " · " : "", ...[part].flat()]);
    const facts = el("p", { class: "hp-small" }, ...meta);
    const again = el("button", { type: "button", class: "hp-link", "data-field": "again", title: `Ask ${model} the same about ${name} once more; it is billed anew`, onclick: () => this.act({ do: "again", id, model }) }, values.quoted ? `Ask again · ${values.quoted}` : "Ask again");
    if (status === "waiting" || status === "asking") return [head, el("p", { class: "cp-stream" }, text), facts];
    if (status !== "done") return [head, el("p", { class: "cp-problem", role: "alert" }, values.message), facts, again];
    const box = el("textarea", { class: task === "attributes" ? "cp-answer cp-mono" : "cp-answer", rows: String(Math.min(9, Math.max(3, Math.ceil((edited ?? text).length / 42)))), "aria-label": `What ${model} says about ${name}; you can edit it`, "data-field": "text", maxlength: "4096" });
    box.value = edited ?? text;
    const save = (accept) => this.act({ do: "edit", id, model, text: box.value, accept });
    box.addEventListener("change", () => save(false));
    if (values.decorative) {
      box.hidden = true;
      box.dataset.field = "";
    }
    const only = values.decorative && el("p", { class: "cp-decorative" }, "Only decoration: screen readers skip this photo, its alt text stays empty.");
    const use = values.decorative ? "Mark as decorative" : USE[task] ?? "Use as caption";
    const notes = [...values.advice, ...values.notes];
    const bar = values.accepted
      ? [el("span", { class: "cp-accepted" }, "✓ ", `in the gallery as ${WHERE[values.accepted] ?? values.accepted}`),
        el("button", { type: "button", class: "hp-link", "data-field": "undo", onclick: () => this.act({ do: "undo", id, model }) }, "Undo")]
      : [el("button", { type: "button", class: "hp-button cp-accept", "data-field": "accept", "aria-label": `${use}: ${model} about ${name}`, onclick: () => save(true) }, use)];
    if (edited !== null) bar.push(el("button", { type: "button", class: "hp-link", "data-field": "revert", onclick: () => this.act({ do: "edit", id, model, text }) }, values.decorative ? "It needs a text" : "Undo my edit"));
    if (task === "alt" && !values.accepted && !values.decorative) bar.push(el("button", { type: "button", class: "hp-link", "data-field": "decorative", onclick: () => this.act({ do: "edit", id, model, text: "DECORATIVE" }) }, "It is only decoration"));
    return [head, only, box, notes.length > 0 && el("p", { class: "cp-advice" }, notes.join(" · ")), facts, el("div", { class: "cp-bar2" }, ...bar, again)].filter(Boolean);
  }
}

export default pageModule(CaptionsPage);
