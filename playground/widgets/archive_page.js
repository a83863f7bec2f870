// The archive page: plan a folder or a selection, try some, run the rest, watch, come back later.

const TASKS = {
  describe: "Describe", alt: "Alt text", tags: "Tags", ocr: "Text in it", attributes: "Attributes", own: "My own prompt",
};
const LANGUAGES = ["English", "German", "French", "Spanish", "Italian", "Portuguese", "Dutch", "Polish", "Arabic", "Hindi", "Japanese", "Chinese"];
const TIERS = { standard: "Now", flex: "Flex · half price, when there is room", batch: "Batch · half price, within 24 h" };
const PHASES = {
  starting: "starting", scanning: "looking at the photos", comparing: "looking for near-duplicates", pricing: "working out the price",
  planned: "planned", pilot: "trying some", running: "running", paused: "paused", ended: "ended", killed: "was killed",
};
const plural = (count, one, many = `${one}s`) => `${count} ${count === "1" || count === 1 ? one : many}`;

class ArchivePage extends Page {
  constructor(model, root) {
    super(model, root, "Archive");
  }

  prepare() {
    this.unique = `ap${Math.random().toString(36).slice(2, 8)}`;
    this.changes = {};
    this.urls = new Map(); // sha256 -> address of its small picture
    this.asked = new Set(); // small pictures on their way
    this.shown = new Map(); // part -> what it shows, so that nothing is built twice
    this.from = "folder";
    this.board = null;
    this.setLater = debounce(350, () => this.sendChanges());
    this.capLater = debounce(250, () => this.sendCap());
    this.lost = "No answer from the page's kernel for ten seconds. A run goes on without this page: reload to see it.";
  }

  dispose() {
    super.dispose();
    this.urls.forEach((url) => URL.revokeObjectURL(url));
    this.asker.close();
  }

  handlers(message, buffers) {
    return {
      head: () => this.showHead(message),
      choices: () => this.showChoices(message),
      board: () => this.showBoard(message),
      brought: () => this.showBrought(message),
      selection: () => { this.counted.textContent = `${plural(message.total.toLocaleString("en"), "picture")}${message.words ? ` ${message.words}` : ""}`; },
      hits: () => this.showHits(message, buffers),
      small: () => this.showSmall(message, buffers),
      others: () => this.showOthers(message.runs),
      error: () => this.showError(message),
    };
  }

  act(message) {
    this.alert.hidden = true;
    this.send(message);
  }

  showError(message) {
    super.showError(message);
    this.alert.scrollIntoView({ block: "nearest" });
  }

  showPages(pages) {
    super.showPages(pages);
    this.gallery = pages.find(({ href }) => href.includes("gallery"))?.href;
  }

  showHead(head) {
    super.showHead(head);
    if (head.shut) this.say(head.shut);
    this.fill(this.kind, "Any kind", head.facets.kinds.map(({ value, count }) => [value, `${value} (${count})`]));
    this.fill(this.tag, "Any tag", head.facets.tags.map(({ value, count }) => [value, `${value} (${count})`]));
  }

  fill(select, first, entries) {
    const chosen = select.value;
    this.part(`options ${first}`, entries, () => select.replaceChildren(el("option", { value: "" }, first), ...entries.map(([value, label]) => el("option", { value }, label))));
    select.value = chosen;
  }

  /** Build a part only when what it shows has changed: focus stays, clicks arrive. */
  part(name, values, build) {
    const text = JSON.stringify(values);
    if (this.shown.get(name) === text) return;
    this.shown.set(name, text);
    build();
  }

  // ---------------------------------------------------------------- building

  build() {
    const section = (title, ...rest) => el("section", { class: "ap-part" }, el("h2", {}, title), ...rest);
    this.path = el("input", { type: "text", class: "ap-input", placeholder: "~/Pictures", "aria-label": "Folder on the machine that runs this page", spellcheck: "false" });
    this.path.addEventListener("keydown", (event) => event.key === "Enter" && this.plan());
    this.folder = el("div", { class: "ap-from" }, this.path);
    this.query = el("input", { type: "search", class: "ap-input", placeholder: "Words (empty: everything)", "aria-label": "Search the gallery" });
    this.kind = el("select", { class: "hp-select ap-input", "aria-label": "Kind of picture" });
    this.tag = el("select", { class: "hp-select ap-input", "aria-label": "Tag" });
    this.untagged = el("input", { type: "checkbox" });
    this.counted = el("span", { class: "hp-small", role: "status" });
    const count = debounce(200, () => this.from === "gallery" && this.send({ do: "count", ...this.selection() }));
    for (const [node, kind] of [[this.query, "input"], [this.kind, "change"], [this.tag, "change"], [this.untagged, "change"]]) node.addEventListener(kind, count);
    this.chosen = el("div", { class: "ap-from", hidden: true }, this.query, el("div", { class: "ap-two" }, this.kind, this.tag),
      el("label", { class: "ap-inline" }, this.untagged, "Only those without tags"), this.counted);
    this.sources = el("div", { class: "ap-chips", role: "radiogroup", "aria-label": "Where the photos are" });
    this.radios(this.sources, "from", [{ value: "folder", label: "A folder" }, { value: "gallery", label: "From the gallery" }], this.from, (from) => {
      this.from = from;
      this.folder.hidden = from !== "folder";
      this.chosen.hidden = from !== "gallery";
      if (from === "gallery") this.send({ do: "count", ...this.selection() });
    });
    this.similar = el("input", { type: "checkbox" });
    this.similar.checked = true;
    this.lookButton = el("button", { type: "button", class: "hp-button ap-wide", onclick: () => this.plan() }, "Look at the photos · free");

    this.tasks = el("div", { class: "ap-chips", role: "radiogroup", "aria-label": "What to ask for" });
    this.fields = el("div", { class: "ap-fields" });
    this.language = el("input", { type: "text", class: "ap-input", list: `${this.unique}-languages`, placeholder: "as the prompt", maxlength: "60" });
    this.language.addEventListener("input", () => this.change({ language: this.language.value }));
    this.promptBox = el("p", { class: "ap-prompt" });
    this.modelSelect = el("select", { class: "hp-select ap-input", "aria-label": "Model" });
    this.modelSelect.addEventListener("change", () => this.change({ models: [this.modelSelect.value] }, true));
    this.edges = el("div", { class: "ap-chips", role: "radiogroup", "aria-label": "Longest side that is sent" });
    this.details = el("div", { class: "ap-chips", role: "radiogroup", "aria-label": "Detail" });
    this.lengths = el("div", { class: "ap-chips", role: "radiogroup", "aria-label": "Length of the answer" });
    this.tiers = el("div", { class: "ap-chips", role: "radiogroup", "aria-label": "How they are sent" });
    this.tierNote = el("p", { class: "hp-small" });

    this.cap = el("input", { type: "text", inputmode: "decimal", class: "ap-input ap-cap", placeholder: "no cap", "aria-label": "Cap for this run, pilot included, in dollars" });
    this.cap.addEventListener("input", () => this.capLater());
    this.go = el("button", { type: "button", class: "ap-go", disabled: true, onclick: () => this.buy("run") }, "Caption");
    this.try = el("button", { type: "button", class: "hp-button ap-wide ap-try", disabled: true, onclick: () => this.buy("pilot") }, "Try some first");
    this.count = el("input", { type: "number", min: "2", max: "1000", class: "ap-input ap-count", "aria-label": "How many photos to try" });
    this.count.addEventListener("input", debounce(200, () => Number(this.count.value) >= 2 && this.send({ do: "sample", count: Math.round(Number(this.count.value)) })));
    this.trying = el("div", { class: "ap-trying", hidden: true }, this.try, this.count);
    this.pause = el("button", { type: "button", class: "hp-button ap-wide", hidden: true, onclick: () => this.act({ do: this.board?.phase === "paused" ? "resume" : "pause" }) }, "Pause");
    this.stop = el("button", { type: "button", class: "hp-button ap-wide", hidden: true, onclick: () => { this.stop.disabled = true; this.stop.textContent = "Cancelling…"; this.act({ do: "cancel" }); } }, "Cancel");
    this.again = el("button", { type: "button", class: "ap-go", hidden: true, onclick: () => this.act({ do: "again" }) }, "Go on");
    this.fresh = el("button", { type: "button", class: "hp-button ap-wide", hidden: true, onclick: () => this.act({ do: "dismiss" }) }, "Start another plan");
    this.wait = el("p", { class: "ap-wait" });
    this.announced = el("p", { class: "ap-hide", role: "status" });
    this.announce = debounce(900, (text) => { this.announced.textContent = text; });

    this.empty = el("section", { class: "ap-empty" },
      el("h2", {}, "A whole archive, captioned once, at a price you know before"),
      el("ol", {},
        el("li", {}, "Name a folder, or choose pictures of the gallery. Looking at them costs nothing: dimensions, copies and near-duplicates are found on this machine."),
        el("li", {}, "Try fifty at random. Their bills tell what all of them will cost, within a few percent."),
        el("li", {}, "Set a cap and start. The run is a program of its own: close this tab, and come back when you like.")),
      el("p", { class: "hp-small" }, "Nothing is asked twice: what the gallery has an answer for is left out, also after a crash."));
    this.rooms = {};
    const room = (name, label) => { this.rooms[name] = el("section", { class: "ap-room", "aria-label": label, hidden: true }); return this.rooms[name]; };
    this.note = el("p", { class: "ap-headline", role: "status", hidden: true });
    this.others = el("details", { class: "ap-more", hidden: true }, el("summary", {}, "Other runs"), el("ul", { class: "ap-runs" }));
    this.buildFind();
    this.asker = el("dialog", { class: "ap-dialog", "aria-label": "Confirm the price" });
    this.askBox = el("div", { class: "ap-ask" },
      section("Photos", this.sources, this.folder, this.chosen,
        el("label", { class: "ap-inline" }, this.similar, "Find near-duplicates before paying"),
        this.lookButton),
      section("Ask for", this.tasks, this.fields,
        el("label", { class: "hp-field" }, el("span", {}, "Language"), this.language),
        el("datalist", { id: `${this.unique}-languages` }, LANGUAGES.map((value) => el("option", { value }))),
        el("details", { class: "ap-more" }, el("summary", {}, "The prompt"), this.promptBox)),
      section("Model", this.modelSelect),
      section("Send them", this.edges, el("div", { class: "ap-row" }, el("span", { class: "hp-small" }, "Detail"), this.details)),
      section("Answer at most", this.lengths),
      section("Send", this.tiers, this.tierNote));
    this.asking = el("p", { class: "ap-asking hp-small", hidden: true });
    this.pay = el("div", { class: "ap-pay" },
      el("label", { class: "ap-capline" }, el("span", {}, "Cap for this run"), this.cap),
      this.go, this.trying, this.again, this.pause, this.stop, this.fresh, this.wait, this.announced);
    this.root.append(
      el("div", { class: "ap-body" },
        el("div", { class: "ap-left" }, this.askBox, this.asking, this.pay),
        el("main", { class: "ap-out" }, this.note, this.empty,
          room("run", "The run"), room("finished", "What it cost"), room("plan", "The plan"), room("forecast", "What all of it will cost"),
          room("newest", "Newest captions"), room("aside", "Photos that were set aside"), room("alike", "Photos that look alike"), room("savings", "Smaller photos"),
          this.others)),
      this.asker);
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
  }

  /** Radio buttons that look like chips; the arrow keys move, as in a radio group. */
  radios(group, name, entries, chosen, pick) {
    const focused = group.contains(document.activeElement);
    group.replaceChildren(...entries.map(({ value, label, off }) => {
      const input = el("input", { type: "radio", name: `${this.unique}-${name}`, value: String(value), disabled: Boolean(off), onchange: () => pick(value) });
      input.checked = value === chosen;
      return el("label", { class: "ap-chip" }, input, el("span", {}, label));
    }));
    if (focused) group.querySelector("input:checked")?.focus();
  }

  // ---------------------------------------------------------------- the question

  showChoices(choices) {
    this.choices = choices;
    const before = this.options;
    this.options = { ...choices.options, ...this.changes };
    const { options } = this;
    this.part("tasks", [choices.tasks, options.task], () => this.radios(this.tasks, "task", choices.tasks.map((value) => ({ value, label: TASKS[value] ?? value })), options.task, (task) => this.change({ task }, true)));
    this.part("models", choices.models, () => this.modelSelect.replaceChildren(...choices.models.map(({ name, price }) => el("option", { value: name }, `${name} · ${price}`))));
    this.modelSelect.value = options.model;
    this.part("edges", [choices.edges, options.resize], () => this.radios(this.edges, "edge", choices.edges.map((value) => ({ value, label: value === null ? "as they are" : `${value.toLocaleString("en")} px` })), options.resize, (resize) => this.change({ resize }, true)));
    this.part("details", [choices.details, options.detail], () => this.radios(this.details, "detail", choices.details.map((value) => ({ value, label: value })), options.detail, (detail) => this.change({ detail }, true)));
    const lengths = choices.lengths.includes(options.max_tokens) ? choices.lengths : [...choices.lengths, options.max_tokens];
    this.part("lengths", [lengths, options.max_tokens], () => this.radios(this.lengths, "length", lengths.map((value) => ({ value, label: `${Math.floor(value * 0.75)} words` })), options.max_tokens, (max_tokens) => this.change({ max_tokens }, true)));
    this.part("tiers", [choices.tier, choices.refused], () => {
      const refused = choices.refused ?? {};
      this.radios(this.tiers, "tier", Object.entries(TIERS).map(([value, label]) => ({ value, label, off: refused[value] })), choices.tier, (tier) => this.act({ do: "tier", tier }));
      this.tierNote.textContent = [choices.tier === "batch" && "Trying some first stays live, at the standard price.", ...Object.values(refused)].filter(Boolean).join(" ");
    });
    this.promptBox.textContent = choices.prompt;
    if (document.activeElement !== this.language) this.language.value = options.language;
    if (before?.task !== options.task || !this.fields.contains(document.activeElement)) this.part("fields", options, () => this.showFields());
    if (document.activeElement !== this.cap) this.cap.value = choices.cap;
  }

  change(changes, now = false) {
    Object.assign(this.changes, changes);
    if (now) this.sendChanges();
    else this.setLater();
  }

  sendChanges() {
    this.setLater.cancel();
    const { changes } = this;
    this.changes = {};
    this.act({ do: "set", changes });
  }

  sendCap() {
    this.capLater.cancel();
    this.send({ do: "cap", text: this.cap.value });
  }

  /** What only one task needs. */
  showFields() {
    const { task } = this.options;
    const text = (field, label, rows, placeholder, mono) => {
      const box = el("textarea", { rows, placeholder, maxlength: "100000", spellcheck: mono ? "false" : "true", class: mono ? "ap-mono" : "" });
      box.value = this.options[field];
      box.addEventListener("input", () => this.change({ [field]: box.value }));
      return el("label", { class: "hp-field" }, el("span", {}, label), box);
    };
    if (task === "own") this.fields.replaceChildren(text("own", "Your prompt", "4", "What do you want to know about each photo?"));
    else if (task === "alt") {
      const limit = el("input", { type: "number", min: "20", max: "1000", step: "5", class: "ap-input ap-number", value: this.options.alt_limit });
      limit.addEventListener("input", () => this.change({ alt_limit: Number(limit.value) }));
      this.fields.replaceChildren(el("label", { class: "ap-inline" }, "At most", limit, "characters"));
    } else if (task === "tags") this.fields.replaceChildren(text("vocabulary", "Only these tags (empty: any)", "3", "cat, garden, night"));
    else if (task === "attributes") this.fields.replaceChildren(text("schema", "JSON schema (empty: category, colours, materials, style, condition)", "5", "", true));
    else this.fields.replaceChildren();
  }

  selection() {
    const where = {};
    if (this.kind.value) where.kind = this.kind.value;
    if (this.tag.value) where.tag = this.tag.value;
    return { search: this.query.value.trim(), where, untagged: this.untagged.checked };
  }

  plan() {
    if (Object.keys(this.changes).length) this.sendChanges();
    const similar = this.similar.checked;
    if (this.from === "folder") this.act({ do: "look", from: "folder", path: this.path.value, similar });
    else this.act({ do: "look", from: "gallery", ...this.selection(), similar });
  }

  // ---------------------------------------------------------------- buying

  buy(what) {
    const offer = this.board?.[what];
    if (!offer || offer.wait) return;
    if (Object.keys(this.changes).length) {
      this.sendChanges(); // the price on the button is not this question's
      return;
    }
    this.sendCap(); // as it stands there, also when it was typed just now
    if (!offer.asks) {
      this.act({ do: what });
      return;
    }
    const spend = el("button", { type: "button", class: "ap-go", onclick: () => { this.asker.close(); this.act({ do: what, consent: offer.most }); } }, `Spend up to ${offer.most_text}`);
    this.asker.replaceChildren(
      el("h2", {}, `This may cost up to ${offer.most_text}`),
      el("p", {}, `${offer.button}. The most is what every answer would cost at its full length; it is never exceeded. Nothing has been sent yet.`),
      el("div", { class: "ap-two" }, el("button", { type: "button", class: "hp-button", onclick: () => this.asker.close() }, "Do not send"), spend));
    this.asker.showModal();
  }

  range(text) {
    return text.split(/(\$[\d.,]+)/).map((part) => (part.startsWith("$") ? money(part) : part));
  }

  /** A button's words, with its price in one piece. */
  priced(text) {
    const [words, price] = text.split(" · ");
    return price ? [`${words} · `, el("span", { class: "ap-price" }, price)] : [words];
  }

  showBoard(board) {
    const before = this.board;
    this.board = board;
    const { stage, phase } = board;
    const running = stage === "running";
    const lost = stage === "lost";
    this.empty.hidden = stage !== "empty";
    this.root.dataset.stage = stage;
    this.root.dataset.phase = phase ?? "";
    if (board.id !== before?.id) {
      this.similar.checked = true;
      if (board.path && document.activeElement !== this.path) this.path.value = board.path;
      this.part("id", board.id ?? "", () => this.found.replaceChildren());
    }
    this.go.hidden = running || lost || (stage === "ended" && board.asking === "0" && !board.waiting);
    this.trying.hidden = running || lost || stage === "empty" || Boolean(board.forecast) || stage === "ended";
    if (document.activeElement !== this.count && board.sample_count) this.count.value = board.sample_count;
    this.pause.hidden = !running || (board.by_batch && phase === "running");
    this.stop.hidden = !running && stage !== "looking";
    this.again.hidden = !lost;
    this.fresh.hidden = stage === "empty" || stage === "looking";
    this.fresh.textContent = running ? "Plan another (this run goes on)" : "Start another plan";
    this.pause.textContent = phase === "paused" ? "Resume" : "Pause";
    if (!running || before?.stage !== "running") { this.stop.disabled = false; this.stop.textContent = running ? "Cancel" : "Stop looking"; }
    this.askBox.hidden = running || lost;
    this.asking.hidden = !this.askBox.hidden;
    this.part("asking", board.question ?? "", () => this.asking.replaceChildren(board.question ?? ""));
    this.cap.disabled = running;
    this.go.replaceChildren(...this.priced(board.run.button));
    this.go.disabled = Boolean(board.run.wait);
    this.try.replaceChildren(...this.priced(board.pilot.button));
    this.try.disabled = Boolean(board.pilot.wait);
    this.again.replaceChildren(phase === "pilot" || phase === "running" || phase === "paused" ? "Go on where it was" : "Look again");
    this.wait.textContent = this.waitText(board);
    this.wait.classList.toggle("ap-bad", Boolean(board.run.wait) && stage === "planned");
    this.note.hidden = !board.headline && !board.problem;
    this.note.className = `ap-headline${lost || board.problem ? " ap-alarm" : ""}`;
    this.part("note", [board.headline, board.problem], () => this.note.replaceChildren(board.headline || board.problem));
    if (this.newest) this.newest.textContent = stage === "planned" && board.forecast ? "What the photos that were tried are called" : "Newest captions";
    this.showPlan(board);
    this.showForecast(board);
    this.showRun(board);
    this.showFinished(board);
    this.showAlike(board);
    this.showSavings(board);
    this.showAside(board);
    this.speak(board, before);
  }

  waitText(board) {
    if (board.stage === "running" && board.batches && board.phase === "running") {
      return board.batches.cancelling
        ? "The provider was asked to end them; what was done by then is booked. That takes up to ten minutes."
        : "The provider works on them without this page or this machine: close what you like. Cancelling keeps what is done.";
    }
    if (board.stage === "running" && board.by_batch && board.phase === "running") return "The photos are being handed in. This runs without the page: you can close the tab.";
    if (board.stage === "running") {
      return board.phase === "paused"
        ? "Paused: nothing more is sent until you resume."
        : "This runs without the page: you can close the tab. Cancelling keeps what came; what is under way may still be billed.";
    }
    if (board.stage === "empty") return "";
    if (board.stage === "ended" && board.asking === "0" && !board.waiting) return "Everything here is answered; nothing is asked twice.";
    return board.run.wait || [board.run.note, this.trying.hidden ? "" : board.pilot.note].filter(Boolean).join(" ") || (board.run.asks ? "You will be asked to confirm this price." : "");
  }

  speak(board, before) {
    if (board.stage !== before?.stage || board.phase !== before?.phase) {
      this.announce(board.stage === "planned" ? board.run.button : board.headline || PHASES[board.phase] || "");
      return;
    }
    const quarter = (progress) => (progress ? Math.floor((4 * progress.done) / progress.planned) : 0);
    if (board.stage === "running" && quarter(board.progress) !== quarter(before.progress)) this.announce(`${board.progress.text} captions, billed ${board.billed}`);
  }

  // ---------------------------------------------------------------- the plan

  tile(label, value, note) {
    return el("div", { class: "ap-tile" }, el("dt", {}, label), el("dd", {}, ...[value].flat(), note && el("span", { class: "ap-note" }, note)));
  }

  showPlan(board) {
    const room = this.rooms.plan;
    room.hidden = board.stage === "empty" || board.stage === "running" || (board.stage === "ended" && board.asking === "0");
    if (room.hidden) return;
    const looking = board.stage === "looking";
    const values = [board.stage, board.phase, board.source, board.photos, board.bytes, board.asking, board.skipped, board.copies, board.unreadable, board.quote, board.compared, board.to_compare, board.compare_left];
    this.part("plan", values, () => {
      const left = [
        board.skipped !== "0" && `${board.skipped} answered already`,
        board.copies !== "0" && `${board.copies} exact ${board.copies === "1" ? "copy" : "copies"}`,
        board.alike?.once && board.alike.photos && `${board.alike.photos.toLocaleString("en")} near-duplicates`,
        board.unreadable !== "0" && `${board.unreadable} unreadable`,
      ].filter(Boolean).join(" · ");
      const comparing = board.phase === "comparing" && board.to_compare > 0;
      const bar = looking && el("div", { class: "ap-looking" },
        el("progress", { class: "ap-bar", "aria-label": PHASES[board.phase], ...(comparing ? { max: String(board.to_compare), value: String(board.compared) } : {}) }),
        el("span", { class: "hp-small" }, comparing
          ? `${PHASES.comparing}: ${board.compared.toLocaleString("en")} of ${board.to_compare.toLocaleString("en")}${board.compare_left ? ` · about ${board.compare_left} left` : ""}`
          : `${PHASES[board.phase] ?? ""}…`),
        comparing && el("button", { type: "button", class: "hp-link", onclick: () => this.act({ do: "skip" }) }, "Skip this"));
      room.replaceChildren(
        el("h2", {}, looking ? "Looking, nothing is sent" : "The plan", el("span", { class: "ap-source" }, board.source)),
        el("dl", { class: "ap-tiles" },
          this.tile("Photos", board.photos, board.bytes),
          this.tile("To ask about", board.asking, left || "all of them"),
          this.tile("Price", board.quote ? this.range(board.quote) : "–", board.quote ? "between: the answers’ length is open" : "")),
        ...(bar ? [bar] : []));
    });
  }

  showForecast(board) {
    const room = this.rooms.forecast;
    room.hidden = !board.forecast || board.stage === "running" || board.stage === "ended";
    if (room.hidden) return;
    this.part("forecast", board.forecast, () => room.replaceChildren(
      el("h2", {}, "What all of it will cost"),
      el("p", { class: "ap-big" }, ...this.range(board.forecast.text)),
      el("p", { class: "hp-small" }, `With ${board.forecast.level} probability, by the bills of ${board.forecast.sampled} photos drawn at random; those are paid for and included. Their answers are below: read some before you go on.`)));
  }

  showSavings(board) {
    const room = this.rooms.savings;
    room.hidden = !board.savings?.length || board.stage === "running" || board.stage === "ended" || board.asking === "0";
    if (room.hidden) return;
    this.part("savings", board.savings, () => {
      const pick = (resize, label) => el("button", { type: "button", class: "hp-link", "aria-label": `Send them ${resize === null ? "as they are" : `with at most ${label}`}`, onclick: () => this.change({ resize }, true) }, "choose");
      const head = ["Longest side sent", "Price", "Saves at least", "Upload", ""].map((word, n) => el(n === 4 ? "td" : "th", n === 4 ? {} : { scope: "col" }, word));
      room.replaceChildren(el("h2", {}, "What would smaller photos save?"),
        el("div", { class: "ap-scroll", tabindex: "0", role: "group", "aria-label": "Prices by size" }, el("table", { class: "hp-lines ap-table" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, board.savings.map((row) =>
          el("tr", { class: row.chosen ? "ap-chosen" : null },
            el("th", { scope: "row" }, row.label), el("td", {}, ...this.range(row.price)), el("td", {}, row.saves ? money(row.saves) : "–"),
            el("td", {}, row.bytes, row.fewer && el("span", { class: "ap-note" }, row.fewer)), el("td", {}, row.chosen ? el("span", { class: "ap-on" }, "✓ chosen") : pick(row.resize, row.label))))))));
    });
  }

  showAlike(board) {
    const room = this.rooms.alike;
    const alike = board.alike;
    room.hidden = !alike || board.stage === "looking" || board.stage === "running" || (alike.looked && !alike.groups);
    if (room.hidden) return;
    if (!alike.looked) {
      this.part("alike", alike, () => room.replaceChildren(el("h2", {}, "Near-duplicates"), el("p", { class: "hp-small" }, "Not looked for: copies in another size or format, and bursts, are asked about one by one."), el("button", { type: "button", class: "hp-button", onclick: () => this.act({ do: "compare" }) }, "Look for them")));
      return;
    }
    this.part("alike", [alike, board.partly], () => {
      const focused = room.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      const box = el("input", { type: "checkbox", "data-key": "once", onchange: () => this.act({ do: "once", on: box.checked }) });
      box.checked = alike.once;
      room.replaceChildren(
        el("h2", {}, `${plural(alike.groups.toLocaleString("en"), "group")} of photos that look alike`),
        el("label", { class: "ap-inline" }, box, el("span", {}, `Ask once per group: leaves out ${plural(alike.photos.toLocaleString("en"), "photo")}`, alike.photos ? [", saves ", ...this.range(alike.price)] : "")),
        el("p", { class: "hp-small" }, alike.once ? "The largest of each group is asked about. The others get no copied caption: they are left out, beside their twin, until you ask." : "Each is asked about, unless you choose otherwise here.", board.partly ? " The search was cut short: there may be more." : ""),
        el("ul", { class: "ap-groups" }, alike.list.map((group, g) => el("li", {}, el("ul", { class: "ap-group", "aria-label": `Group ${g + 1}` }, group.photos.map((photo, n) => this.alikePhoto(photo, n, alike.once)),
          group.count > group.photos.length && el("li", { class: "hp-small" }, `and ${group.count - group.photos.length} more`))))),
        ...(alike.groups > alike.list.length ? [el("p", { class: "hp-small" }, `and ${(alike.groups - alike.list.length).toLocaleString("en")} more groups`)] : []));
      if (focused) (room.querySelector(`[data-key="${focused}"]`) ?? box).focus();
      const wanted = alike.list.flatMap((group) => group.photos.map(({ id }) => id)).filter((id) => !this.urls.has(id) && !this.asked.has(id));
      wanted.forEach((id) => this.asked.add(id));
      if (wanted.length) this.send({ do: "smalls", ids: wanted });
    });
  }

  alikePhoto(photo, n, once) {
    const out = once && photo.twin;
    const state = photo.answered ? "answered" : out ? "left out" : "asked";
    return el("li", { class: `ap-photo${out ? " ap-left-out" : ""}` },
      el("span", { class: "ap-frame", "data-small": photo.id }, this.urls.has(photo.id) && el("img", { src: this.urls.get(photo.id), alt: "" })),
      el("span", { class: "ap-name", title: photo.name }, photo.name), el("span", { class: "hp-small" }, `${photo.size} · ${state}`),
      out && el("button", { type: "button", class: "hp-link", "data-key": `any-${photo.id.slice(0, 12)}`, "aria-label": `Ask about ${photo.name} anyway`, onclick: () => this.act({ do: "anyway", ids: [photo.id] }) }, "Ask anyway"));
  }

  showSmall({ id }, buffers) {
    this.asked.delete(id);
    if (!buffers?.length) return;
    this.keep(id, buffers[0]);
    for (const frame of this.root.querySelectorAll(`[data-small="${id}"]`)) frame.replaceChildren(el("img", { src: this.urls.get(id), alt: "" }));
  }

  keep(id, buffer) {
    if (this.urls.has(id)) URL.revokeObjectURL(this.urls.get(id));
    this.urls.set(id, blobUrl(buffer));
    if (this.urls.size > 600) {
      const [oldest] = this.urls.keys();
      URL.revokeObjectURL(this.urls.get(oldest));
      this.urls.delete(oldest);
    }
  }

  // ---------------------------------------------------------------- the run

  showRun(board) {
    const room = this.rooms.run;
    const now = board.progress;
    room.hidden = board.stage !== "running";
    if (room.hidden) return;
    if (!this.live) {
      const words = ["speed", "left", "billed", "held", "burn", "completion"];
      const labels = { speed: "Photos a second", left: "Left, at this speed", billed: "Billed", held: "Held, may be billed", burn: "Burning an hour", completion: "Cost at completion" };
      this.live = Object.fromEntries(words.map((word) => [word, el("dd", {})]));
      this.live.head = el("h2", {});
      this.live.done = el("p", { class: "ap-big" });
      this.live.bar = el("progress", { class: "ap-bar", max: "1", value: "0", "aria-label": "Captions written" });
      room.replaceChildren(this.live.head, this.live.done, this.live.bar, el("dl", { class: "ap-tiles ap-live" }, words.map((word) => el("div", { class: "ap-tile" }, el("dt", {}, labels[word]), this.live[word]))));
    }
    const { live } = this;
    const batches = board.phase === "running" ? board.batches : null;
    for (const word of ["speed", "burn", "completion"]) live[word].parentElement.hidden = Boolean(batches);
    live.left.previousElementSibling.textContent = batches ? "Comes within 24 h" : "Left, at this speed";
    const kind = batches ? (batches.cancelling ? "Cancelling" : "Waiting for batches") : board.phase === "paused" ? "Paused" : board.phase === "pilot" ? "Trying some, drawn at random" : "Running";
    this.part("livehead", [kind, board.source], () => live.head.replaceChildren(kind, el("span", { class: "ap-source" }, board.source)));
    if (batches) {
      live.done.replaceChildren(batches.text);
      live.bar.max = batches.lines;
      live.bar.value = batches.done;
      live.left.replaceChildren("by ", batches.by);
    } else live.done.replaceChildren(now ? `${now.text}` : "…", el("span", { class: "ap-note" }, now && (now.failed !== "0" || now.unknown !== "0") ? `${now.failed} set aside · ${now.unknown} with an unknown bill` : ""));
    if (!batches) {
      live.bar.max = now?.planned ?? 1;
      live.bar.value = now?.done ?? 0;
    }
    live.speed.textContent = board.phase === "paused" ? "paused" : now?.speed ?? "–";
    if (!batches) live.left.textContent = board.phase === "paused" ? "–" : now?.left || "–";
    live.billed.replaceChildren(money(board.billed), el("span", { class: "ap-note" }, board.cap ? `of ${board.cap} at most` : board.sample ? "sample prices" : ""));
    live.held.replaceChildren(board.held ? money(board.held) : "–");
    live.burn.replaceChildren(...(now?.burn && now.burn !== "–" && board.phase !== "paused" ? [money(now.burn)] : ["–"]));
    live.completion.replaceChildren(...(now?.completion ? this.range(now.completion) : ["–"]));
  }

  buildFind() {
    this.finder = el("input", { type: "search", class: "ap-input", placeholder: "Search the captions", "aria-label": "Search the captions" });
    const go = () => this.finder.value.trim() && this.send({ do: "find", query: this.finder.value.trim() });
    this.finder.addEventListener("input", debounce(200, go));
    this.found = el("div", { class: "ap-found", role: "status" });
  }

  showFinished(board) {
    const room = this.rooms.finished;
    room.hidden = board.stage !== "ended";
    if (room.hidden) return;
    const { bill } = this;
    this.part("finished", [board.answers, board.billed, board.held, bill, board.progress, board.headline, board.quote, this.gallery], () => {
      const now = board.progress;
      room.replaceChildren(
        el("h2", {}, board.headline ? "As far as it came" : "Done", el("span", { class: "ap-source" }, board.source)),
        el("dl", { class: "ap-tiles" },
          this.tile("Captions", board.answers, now ? `${now.speed} a second` : ""),
          this.tile("Quoted", bill ? this.range(bill.quoted) : "–"),
          this.tile("Billed", money(board.billed), bill ? (bill.within ? `✓ ${bill.verdict}` : bill.verdict) : ""),
          ...(board.held ? [this.tile("Held", money(board.held), "may still be billed")] : [])),
        el("div", { class: "ap-two" }, this.finder,
          this.gallery ? el("a", { class: "hp-button ap-link", href: this.gallery }, "Open the gallery") : el("span", { class: "hp-small" }, "The gallery page shows them all, and finds them by their words.")),
        this.found);
    });
  }

  showBrought({ cards, bill }) {
    this.bill = bill;
    const room = this.rooms.newest;
    room.hidden = cards.length === 0;
    this.newest ??= el("h2", {}, "Newest captions");
    this.part("newest", cards.map(({ id, text, tags }) => [id, text, tags]), () => room.replaceChildren(
      this.newest,
      el("ul", { class: "ap-cards" }, cards.map((card) => el("li", { class: "ap-card" },
        el("span", { class: "ap-frame", "data-small": card.sha256 }, this.urls.has(card.sha256) && el("img", { src: this.urls.get(card.sha256), alt: "" })),
        el("div", { class: "ap-words" }, el("p", {}, card.text), card.tags.length > 0 && el("p", { class: "hp-words" }, card.tags.map((tag) => el("span", { class: "hp-word" }, tag))),
          el("p", { class: "hp-small" }, card.name, " · ", money(card.dollars), card.sample && el("span", { class: "hp-badge hp-inline" }, "sample"))))))));
    if (this.board) this.showFinished(this.board);
  }

  showHits({ query, total, cards }, buffers) {
    const urls = cards.map(({ thumb }) => (thumb === null ? null : blobUrl(buffers[thumb])));
    this.found.replaceChildren(el("p", { class: "hp-small" }, `${plural(total.toLocaleString("en"), "picture")} for “${query}”`),
      el("ul", { class: "ap-cards" }, cards.map((card, n) => el("li", { class: "ap-card" }, el("span", { class: "ap-frame" }, urls[n] && el("img", { src: urls[n], alt: "", onload: () => URL.revokeObjectURL(urls[n]) })), el("div", { class: "ap-words" }, el("p", {}, card.text), el("p", { class: "hp-small" }, card.name))))));
  }

  showAside(board) {
    const room = this.rooms.aside;
    room.hidden = !board.reasons?.length || board.stage === "looking";
    if (room.hidden) return;
    this.part("aside", [board.reasons, board.list], () => {
      const open = new Set([...room.querySelectorAll("details[open]")].map((each) => each.dataset.why));
      const all = board.reasons.reduce((sum, { count }) => sum + count, 0);
      room.replaceChildren(el("h2", {}, `${plural(all.toLocaleString("en"), "photo")} set aside`),
        el("ul", { class: "ap-reasons" }, board.reasons.map(({ why, count, files, advice }) => el("li", {},
          el("p", {}, el("strong", {}, `${count.toLocaleString("en")} × `), why), el("p", { class: "hp-small" }, advice),
          el("details", { class: "ap-more", "data-why": why, open: open.has(why) }, el("summary", {}, count > files.length ? `The first ${files.length} files` : "The files"), el("ul", { class: "ap-files" }, files.map((file) => el("li", {}, el("code", {}, file)))))))),
        ...(board.list ? [el("p", { class: "hp-small" }, "The whole list: ", el("code", {}, board.list), " in the gallery’s folder.")] : []));
    });
  }

  showOthers(runs) {
    this.others.hidden = runs.length === 0;
    const going = runs.some((run) => run.going);
    this.part("others", runs, () => {
      this.others.firstChild.textContent = going ? "Other runs (one is going on)" : "Other runs";
      this.others.lastChild.replaceChildren(...runs.map((run) => el("li", {},
        el("span", { class: "ap-words" }, el("span", {}, run.what), el("span", { class: "hp-small" }, `${run.when} · ${PHASES[run.phase] ?? run.phase} · ${run.answers} captions · `, money(run.billed))),
        el("button", { type: "button", class: "hp-button", "aria-label": `Show the run of ${run.when}`, onclick: () => this.act({ do: "show", id: run.id }) }, "Show"))));
    });
  }
}

export default pageModule(ArchivePage);
