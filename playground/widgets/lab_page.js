// The pricing lab: tabs, each with a form and what the kernel makes of it. Nothing on it spends.

class LabPage extends Page {
  constructor(model, root) {
    super(model, root, "Pricing lab");
  }

  prepare() {
    this.panels = new Map(); // tab -> {node, form, fields, out, problem, plots, seen}
    this.tab = "sizes";
    this.playground = "";
    this.later = {};
    this.lost = "No answer from the page's kernel for ten seconds: the connection may be gone. Reload the page; nothing was spent.";
  }

  handlers(message, buffers) {
    return {
      tabs: () => this.showTabs(message),
      tab: () => this.showTab(message, buffers),
      map: () => this.showMap(message, buffers),
      problem: () => this.showProblem(message),
      post: () => this.showPost?.(message.text),
    };
  }

  build() {
    this.provider.replaceChildren(el("span", { class: "hp-dot hp-hollow", "aria-hidden": "true" }), "works without a key: nothing here spends");
    this.blocks = new Blocks(this);
    this.bar = el("div", { class: "lb-tabs", role: "tablist", "aria-label": "Parts of the lab" });
    this.bar.addEventListener("keydown", (event) => this.moveTab(event));
    this.body = el("div", { class: "lb-body" });
    this.root.append(this.bar, this.body);
    this.map = new SizeMap((size) => this.change("sizes", { size }, 0));
    // Colours of the map follow the theme.
    this.themed = new MutationObserver(() => this.map.paint());
    this.themed.observe(this.root, { attributes: true, attributeFilter: ["class"] });
  }

  resize() {
    this.map.paint();
    this.panels.get(this.tab)?.plots.forEach((plot) => plot.draw());
  }

  dispose() {
    super.dispose();
    this.themed.disconnect();
  }

  act(message) {
    this.alert.hidden = true;
    if (message.do === "visit" && message.tab !== this.tab) this.select(message.tab, false);
    if (message.tab) this.panels.get(message.tab).asked += 1;
    this.send(message);
  }

  // ---------------------------------------------------------------- tabs and forms

  showTabs({ tabs, fields, forms, playground }) {
    this.playground = playground;
    this.bar.replaceChildren();
    this.body.replaceChildren();
    this.panels.clear();
    for (const [tab, name, about] of tabs) {
      const button = el("button", { type: "button", role: "tab", id: `lb-tab-${tab}`, "aria-controls": `lb-panel-${tab}`, "data-tab": tab, onclick: () => this.select(tab) }, name);
      const form = el("div", { class: "lb-form" });
      const problem = el("p", { class: "lb-problem", role: "alert" });
      const out = el("div", { class: "lb-out" });
      const node = el("section", { class: `lb-panel lb-on-${tab}`, role: "tabpanel", id: `lb-panel-${tab}`, "aria-labelledby": `lb-tab-${tab}`, hidden: true },
        el("h2", { class: "lb-about" }, about), form, problem, tab === "sizes" && this.map.node, out);
      this.bar.append(button);
      this.body.append(node);
      const panel = { node, button, form, out, problem, plots: [], inputs: new Map(), seen: tab === "sizes", asked: Number(tab === "sizes"), done: 0 };
      this.panels.set(tab, panel);
      this.buildForm(tab, panel, fields[tab]);
      this.fill(panel, forms[tab]);
    }
    this.select(this.tab, false);
  }

  buildForm(tab, panel, fields) {
    for (const field of fields) {
      if (field.kind === "presets") {
        panel.form.append(el("div", { class: "lb-presets", role: "group", "aria-label": "Examples" }, field.choices.map(([name, claim]) => el("button", { type: "button", class: "hp-button lb-preset", title: claim, onclick: () => this.act({ do: "preset", name }) }, name, el("span", { class: "hp-small" }, claim)))));
        continue;
      }
      const change = (wait) => this.change(tab, { [field.name]: input.value }, wait);
      let input;
      if (field.kind === "select") {
        input = el("select", { class: "hp-select lb-select" }, field.choices.map(([value, text]) => el("option", { value }, text)));
        input.addEventListener("change", () => change(0));
      } else {
        input = el(field.kind === "area" ? "textarea" : "input", { class: "lb-input", placeholder: field.help || null, spellcheck: "false", autocomplete: "off", ...(field.kind === "area" ? { rows: "3" } : { type: "text", size: String(field.size ?? 10) }) });
        input.addEventListener("input", () => change(220));
        input.addEventListener("keydown", (event) => event.key === "Enter" && field.kind !== "area" && change(0));
        if (field.suggestions) {
          const list = el("datalist", { id: `lb-list-${tab}-${field.name}` }, field.suggestions.map((value) => el("option", { value })));
          input.setAttribute("list", list.id);
          panel.form.append(list);
        }
      }
      const label = el("label", { class: field.kind === "area" ? "lb-field lb-wide" : "lb-field" }, el("span", {}, field.label), input);
      panel.form.append(label);
      if (field.examples) {
        panel.form.append(el("div", { class: "lb-examples", role: "group", "aria-label": "Examples" }, "Try ", field.examples.map(([name, text]) => el("button", { type: "button", class: "hp-link", onclick: () => { input.value = text; change(0); } }, name))));
      }
      panel.inputs.set(field.name, { input, label, only: field.only });
    }
  }

  /** The form as the kernel has it; what is being typed is newer and stays. */
  fill(panel, form) {
    const kind = form.kind ?? form.what ?? form.club;
    for (const [name, { input, label, only }] of panel.inputs) {
      if (only) label.hidden = !only.includes(kind);
      if (document.activeElement !== input && form[name] !== undefined) input.value = form[name];
    }
    panel.values = form;
  }

  select(tab, ask = true) {
    this.tab = tab;
    for (const [name, { node, button }] of this.panels) {
      const on = name === tab;
      node.hidden = !on;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    const panel = this.panels.get(tab);
    panel.button.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (tab === "sizes") this.map.paint();
    if (ask && (!panel.seen || tab === "board")) this.act({ do: "visit", tab });
    panel.plots.forEach((plot) => plot.draw());
  }

  moveTab(event) {
    const names = [...this.panels.keys()];
    const at = names.indexOf(this.tab);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.select(names[(next + names.length) % names.length]);
    this.panels.get(this.tab).button.focus();
  }

  change(tab, changes, wait) {
    const panel = this.panels.get(tab);
    panel.pending = { ...panel.pending, ...changes };
    panel.values = { ...panel.values, ...changes };
    clearTimeout(panel.timer);
    const go = () => {
      const all = panel.pending;
      panel.pending = null;
      if (all) this.act({ do: "set", tab, changes: all });
    };
    // The map has all it needs for another quality; the kernel's own words follow.
    if (tab === "sizes" && this.map.model && !("model" in changes) && !("on" in changes)) this.map.set(panel.values);
    if (wait) panel.timer = setTimeout(go, wait);
    else go();
  }

  toggleWord(word, locked) {
    const { input } = this.panels.get("coach").inputs.get("locked");
    const bare = word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
    const words = input.value.split(",").map((each) => each.trim()).filter(Boolean);
    const rest = words.filter((each) => each.toLowerCase() !== bare.toLowerCase());
    input.value = (locked ? rest : [...rest, bare]).join(", ");
    this.change("coach", { locked: input.value }, 0);
  }

  // ---------------------------------------------------------------- answers

  showTab({ tab, blocks, form }, buffers) {
    const panel = this.panels.get(tab);
    if (!panel) return;
    panel.seen = true;
    if (panel.asked - panel.done <= 1 && !panel.pending) this.fill(panel, form);
    const focused = this.focusIn(panel);
    panel.plots = [];
    panel.out.replaceChildren(...this.blocks.draw(blocks, buffers, panel.plots));
    this.refocus(panel, focused);
    // What was changed since has its own answer on the way: the map is ahead of this one.
    if (tab === "sizes" && panel.asked - panel.done <= 1 && !panel.pending) this.map.set(form);
    if (tab === this.tab) panel.plots.forEach((plot) => plot.draw());
    this.root.dataset[`shown${tab}`] = String(Number(this.root.dataset[`shown${tab}`] ?? 0) + 1);
  }

  /** What has the focus within a tab, so that it has it again after it was drawn anew. */
  focusIn(panel) {
    const node = document.activeElement;
    if (!panel.out.contains(node)) return null;
    for (const name of ["data-exercise", "data-check", "data-word"]) if (node.hasAttribute(name)) return `[${name}="${CSS.escape(node.getAttribute(name))}"]`;
    return `.${node.className.split(" ").filter(Boolean).map((each) => CSS.escape(each)).join(".")}`;
  }

  refocus(panel, selector) {
    if (selector && selector !== ".") panel.out.querySelector(selector)?.focus();
  }

  showMap(message, buffers) {
    this.map.load(message, buffers[0]);
    // Only the qualities that the model has can be chosen.
    const { input } = this.panels.get("sizes").inputs.get("quality");
    const before = input.value;
    input.replaceChildren(...message.qualities.map((quality) => el("option", { value: quality }, quality)));
    input.value = message.qualities.includes(before) ? before : message.qualities[0];
  }

  showProblem({ tab, text }) {
    const panel = this.panels.get(tab);
    if (!panel) return;
    panel.done += 1;
    panel.problem.textContent = text;
    panel.problem.hidden = !text;
    panel.out.classList.toggle("lb-old", Boolean(text));
    panel.seen = true;
  }
}

export default pageModule(LabPage);
