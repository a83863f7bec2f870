// The spend view: what was quoted and billed, as bars and as a table, and outcomes to resolve.

const SPEND_BY = [["day", "Day"], ["model", "Model"], ["tier", "Tier"], ["run", "Run"]];

class SpendView {
  constructor(host) {
    this.host = host;
    this.by = "day";
    this.table = false;
    this.box = el("section", { class: "hp-spendview", "aria-label": "Spending", hidden: true });
  }

  ask() {
    this.host.send({ do: "spend", by: this.by });
  }

  show(spending) {
    this.known = spending;
    const tabs = el("div", { class: "hp-tabs", role: "group", "aria-label": "Spending by" }, SPEND_BY.map(([value, label]) => el("button", {
      type: "button", class: "hp-tab", "aria-pressed": String(spending.by === value),
      onclick: () => { this.by = value; this.ask(); },
    }, label)));
    const toggle = el("label", { class: "hp-switch" }, el("input", { type: "checkbox", checked: this.table, onchange: (event) => { this.table = event.target.checked; this.show(this.known); } }), "Show as a table");
    this.box.replaceChildren(...[
      el("div", { class: "hp-spendhead" }, el("h2", {}, "What did it cost, and was that what was quoted?"), tabs, toggle),
      el("p", { class: "hp-spendsum" }, "Billed ", money(spending.total), ", quoted ", money(spending.quoted), spending.samples !== "$0.00" && [" · samples that cost nothing, priced as if real: ", money(spending.samples)]),
      spending.unknowns.length > 0 && this.unknowns(spending.unknowns),
      spending.rows.length === 0 ? el("p", { class: "hp-sub" }, "Nothing was spent yet. Quotes and bills stand here as soon as the first picture or caption is made.")
        : this.table ? this.rows(spending) : this.bars(spending),
      spending.leftOut > 0 && el("p", { class: "hp-small" }, `${spending.leftOut} more rows are not shown; playground gallery spend lists them all.`),
    ].flat().filter(Boolean));
  }

  /** One bar a row: what was billed, before the span of what was quoted. */
  bars(spending) {
    const tall = 34;
    const svg = (tag, attributes, text) => {
      const node = document.createElementNS(SVG, tag);
      Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
      if (text !== undefined) node.textContent = text;
      return node;
    };
    return el("ol", { class: "hp-bars" }, spending.rows.map((row) => {
      const plot = svg("svg", { class: "hp-bar", viewBox: `0 0 100 ${tall}`, preserveAspectRatio: "none", "aria-hidden": "true" });
      plot.append(
        svg("rect", { x: 100 * row.parts.low, y: 2, width: Math.max(0.6, 100 * (row.parts.high - row.parts.low)), height: tall - 4, class: "hp-quotedspan" }),
        svg("rect", { x: 0, y: 9, width: Math.max(0.4, 100 * row.parts.billed), height: tall - 18, class: row.sample ? "hp-billedbar hp-samplebar" : "hp-billedbar" }));
      return el("li", {}, el("span", { class: "hp-barname" }, row.name), plot,
        el("span", { class: "hp-barwords" }, row.sample ? [money(row.sample), " sample"] : [money(row.billed)], el("span", { class: "hp-small" }, ` of ${row.quoted} quoted, ${row.calls.toLocaleString("en")} call${row.calls === 1 ? "" : "s"}${row.held ? `, ${row.held} held` : ""}`)));
    }), el("li", { class: "hp-key hp-small" }, "Filled: billed. Outlined: the span that was quoted. Striped: samples, which cost nothing."));
  }

  rows(spending) {
    const head = [SPEND_BY.find(([value]) => value === spending.by)[1], "Calls", "Quoted", "Billed", "Samples", "Held"];
    return el("table", { class: "hp-lines hp-spendtable" },
      el("thead", {}, el("tr", {}, head.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, spending.rows.map((row) => el("tr", {}, el("th", { scope: "row" }, row.name),
        [row.calls.toLocaleString("en"), row.quoted, row.billed, row.sample || "–", row.held || "–"].map((text) => el("td", {}, text))))));
  }

  /** Calls that may or may not have been billed: the owner looks at the provider's page and says. */
  unknowns(unknowns) {
    return el("section", { class: "hp-unknowns" },
      el("h3", {}, unknowns.length === 1 ? "One outcome is not known" : `${unknowns.length} outcomes are not known`),
      el("p", { class: "hp-small" }, `${unknowns.length === 1 ? "Its" : "Their"} money stays held, so that no cap is passed. Look at your provider's usage page for the request, then say what was billed; 0 when it was not.`),
      el("ul", {}, unknowns.map((one) => {
        const amount = el("input", { class: "hp-input", inputmode: "decimal", "aria-label": `Billed for ${one.model} at ${one.at}, in dollars`, placeholder: one.high || "0.00", maxlength: "20" });
        const book = (dollars) => this.host.send({ do: "resolve", id: one.id, dollars, by: this.by });
        return el("li", {},
          el("span", {}, `${one.model}, ${one.at}`), el("span", { class: "hp-small" }, `${one.reason}${one.request ? ` · ${one.request}` : ""}`),
          el("span", {}, "held ", money(one.held), " · quoted ", money(one.quoted)),
          el("span", { class: "hp-rowbuttons" }, "$", amount,
            el("button", { type: "button", class: "hp-button", onclick: () => amount.value.trim() ? book(amount.value.trim()) : amount.focus() }, "Book this"),
            el("button", { type: "button", class: "hp-button", onclick: () => book("0") }, "Was not billed")));
      })));
  }
}
