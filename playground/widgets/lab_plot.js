// Plots of the pricing lab, drawn as SVG: a question, the answer in words, lines or bars with their
// names at them, and the same as a table. Nothing here knows a price: texts come with the points.

const DASHES = ["", "6 3", "2 3", "10 3 2 3", "", "6 3", "2 3", "10 3 2 3"]; // never colour alone

/** An SVG element; attributes only. */
function svgEl(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svgText(x, y, text, attributes = {}) {
  const node = svgEl("text", { x, y, ...attributes });
  node.textContent = text;
  return node;
}

/** A table of texts; a cell may be an object that `cellOf` turns into a node. */
function tableOf(head, rows, cellOf = (cell) => cell) {
  return el("table", { class: "hp-lines lb-table" },
    el("thead", {}, el("tr", {}, head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, n) => (n ? el("td", {}, cellOf(cell)) : el("th", { scope: "row" }, cellOf(cell))))))));
}

/** Where a value falls between two pixels. */
function scaleOf(kind, least, most, from, to) {
  const bend = kind === "log" ? Math.log : (value) => value;
  const low = bend(least);
  const span = bend(most) - low || 1;
  return (value) => from + ((to - from) * (bend(Math.max(value, kind === "log" ? least : value)) - low)) / span;
}

/** Pushes labels apart, each at least `gap` below the one before, none below `end`. */
function spread(labels, gap, top, end) {
  labels.sort((a, b) => a.y - b.y);
  let at = top - gap;
  for (const label of labels) at = label.y = Math.max(label.y, at + gap);
  let limit = end;
  for (const label of [...labels].reverse()) {
    label.y = Math.min(label.y, limit);
    limit = label.y - gap;
  }
}

/** A figure with its title, its answer, the plot, and the switch to the table. */
class Plot {
  constructor(figure) {
    this.figure = figure;
    this.stage = el("div", { class: "lb-stage" });
    this.told = el("p", { class: "hp-small lb-told", "aria-hidden": "true" });
    this.table = el("div", { class: "lb-scroll", tabindex: "0", role: "region", "aria-label": `${figure.question} As a table`, hidden: true });
    this.switch = el("button", { type: "button", class: "hp-link", "aria-expanded": "false", onclick: () => this.turn() }, "Show as table");
    this.node = el("figure", { class: "lb-figure" },
      el("figcaption", {}, el("h3", {}, figure.question), el("p", { class: "lb-answer" }, figure.answer)),
      this.stage, figure.lines.length ? this.told : null,
      ...figure.notes.map((note) => el("p", { class: "hp-small" }, note)),
      this.switch, this.table);
    this.width = 0;
    this.stage.addEventListener("pointermove", (event) => this.near(event));
    this.stage.addEventListener("pointerleave", () => this.far());
  }

  turn() {
    const show = this.table.hidden;
    if (show && !this.table.firstChild) this.table.append(tableOf(this.figure.head, this.figure.rows));
    this.table.hidden = !show;
    this.stage.hidden = show;
    this.told.hidden = show;
    this.switch.textContent = show ? "Show as plot" : "Show as table";
    this.switch.setAttribute("aria-expanded", String(show));
    if (!show) this.draw(true);
  }

  draw(again = false) {
    const width = Math.floor(this.stage.clientWidth);
    if (!width || (width === this.width && !again)) return;
    this.width = width;
    this.stage.replaceChildren(this.figure.bars.length ? this.drawBars(width) : this.drawLines(width));
  }

  frame(width, height) {
    return svgEl("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${this.figure.question} ${this.figure.answer}` });
  }

  drawBars(width) {
    const { bars } = this.figure;
    const row = 34;
    const most = Math.max(...bars.map((bar) => bar.value)) || 1;
    const words = Math.max(...bars.map((bar) => bar.text.length)) * 7 + 12;
    const room = Math.max(60, width - words - 4);
    const drawn = this.frame(width, bars.length * row + 4);
    bars.forEach((bar, n) => {
      const y = n * row;
      const long = Math.max(2, (room * bar.value) / most);
      const low = bar.low === null ? long : Math.max(1, (room * bar.low) / most);
      drawn.append(
        svgText(0, y + 12, bar.on ? `${bar.name} · yours` : bar.name, { class: bar.on ? "lb-name lb-yours" : "lb-name" }),
        svgEl("rect", { x: 0, y: y + 17, width: long, height: 11, rx: 2, class: `lb-bar lb-open lb-c${bar.on ? 0 : 5}` }),
        svgEl("rect", { x: 0, y: y + 17, width: low, height: 11, rx: 2, class: `lb-bar lb-c${bar.on ? 0 : 5}` }),
        svgText(long + 6, y + 27, bar.text, { class: "lb-value" }));
    });
    return drawn;
  }

  drawLines(width) {
    const { lines, marks, x, y } = this.figure;
    const small = width < 560;
    const height = small ? 300 : 340;
    const labels = Math.min(width * 0.42, Math.max(...lines.map(({ label }) => label.length)) * 7.5 + 18);
    const beside = !small;
    const ticks = Math.max(...y.ticks.map(([, text]) => text.length), 3) * 6.6 + 8;
    const box = { left: ticks, right: width - (beside ? labels : 8), top: 14, bottom: height - 40 };
    const points = lines.flatMap((line) => line.points);
    const xs = [...points.map(([at]) => at), ...marks.map(([at]) => at)];
    const ys = points.flatMap(([, value, , low]) => [value, ...(low === null || y.scale !== "log" ? [] : [low])]).filter((value) => y.scale !== "log" || value > 0);
    const [leastX, mostX] = [Math.min(...xs), Math.max(...xs)];
    const [leastY, mostY] = [y.scale === "log" ? Math.min(...ys) * 0.8 : 0, Math.max(...ys) * (y.scale === "log" ? 1.25 : 1.05)];
    this.placeX = scaleOf(x.scale, leastX, mostX, box.left, box.right);
    this.placeY = scaleOf(y.scale, leastY, mostY, box.bottom, box.top);
    const [placeX, placeY] = [this.placeX, this.placeY];
    const drawn = this.frame(width, height);
    for (const [at, text] of y.ticks) {
      if (at < leastY || at > mostY) continue;
      drawn.append(svgEl("path", { d: `M${box.left} ${placeY(at)}H${box.right}`, class: "lb-grid" }), svgText(box.left - 6, placeY(at) + 4, text, { class: "lb-tick", "text-anchor": "end" }));
    }
    let last = -1e9;
    for (const [at, text] of x.ticks) {
      if (at < leastX || at > mostX) continue;
      const px = placeX(at);
      const half = text.length * 3.3;
      const centre = Math.min(Math.max(px, box.left + half - 8), Math.max(box.right - half + 6, box.left + half));
      drawn.append(svgEl("path", { d: `M${px} ${box.bottom}v5`, class: "lb-axis" }));
      if (centre - half < last + 8) continue;
      last = centre + half;
      drawn.append(svgText(centre, box.bottom + 18, text, { class: "lb-tick", "text-anchor": "middle" }));
    }
    drawn.append(
      svgEl("path", { d: `M${box.left} ${box.bottom}H${box.right}`, class: "lb-axis" }),
      svgText(box.right, height - 6, x.title, { class: "lb-tick", "text-anchor": "end" }));
    for (const [at, text] of marks) {
      const px = placeX(at);
      const end = px > (box.left + box.right) / 2;
      drawn.append(svgEl("path", { d: `M${px} ${box.top - 8}V${box.bottom}`, class: "lb-mark" }), svgText(px + (end ? -5 : 5), box.top + 2, text, { class: "lb-marked", "text-anchor": end ? "end" : "start" }));
    }
    const names = [];
    lines.forEach((line, n) => {
      const slot = line.slot % 8;
      const places = line.points.map(([px, value]) => [placeX(px), placeY(value)]);
      const path = places.map(([px, py], k) => (k === 0 ? `M${px} ${py}` : line.steps ? `H${px}V${py}` : `L${px} ${py}`)).join("");
      drawn.append(svgEl("path", { d: path, class: `lb-line lb-c${slot}`, "stroke-dasharray": DASHES[n % 8] }));
      // A dot where the price changed; the last place of a stepped line is only its end.
      const dots = line.steps && x.scale === "time" ? places.slice(0, -1) : places;
      if (dots.length < 30) dots.forEach(([px, py]) => drawn.append(svgEl("circle", { cx: px, cy: py, r: 2.6, class: `lb-dot lb-c${slot}` })));
      const [ex, ey] = places.at(-1);
      names.push({ y: ey, ex, ey, text: line.label, slot });
    });
    if (beside) {
      // A line that ends within the plot has its name there; the others share the margin.
      const early = names.filter(({ ex }) => ex < box.right - 60 && x.scale !== "time");
      const late = names.filter((name) => !early.includes(name));
      for (const { ex, ey, text, slot } of early) drawn.append(svgText(ex + 9, ey + 4, text, { class: `lb-label lb-c${slot}` }));
      spread(late, 15, box.top, box.bottom);
      for (const { y: at, ex, ey, text, slot } of late) {
        drawn.append(
          svgEl("path", { d: `M${ex + 3} ${ey}L${box.right + 6} ${at}`, class: `lb-lead lb-c${slot}` }),
          svgText(box.right + 9, at + 4, text, { class: `lb-label lb-c${slot}` }));
      }
      return drawn;
    }
    // Too narrow for names beside the lines: a list of them below, with a piece of each line.
    const list = el("ul", { class: "lb-names" }, [...names].sort((a, b) => a.y - b.y).map(({ text, slot }) => {
      const n = lines.findIndex((line) => line.label === text);
      return el("li", {}, svgEl("svg", { width: 26, height: 10, "aria-hidden": "true" }, svgEl("path", { d: "M0 5H26", class: `lb-line lb-c${slot}`, "stroke-dasharray": DASHES[n % 8] })), text);
    }));
    return el("div", {}, drawn, list);
  }

  near(event) {
    if (!this.figure.lines.length || !this.placeX) return;
    const box = this.stage.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    for (const line of this.figure.lines) {
      for (const [x, y, text] of line.points) {
        const far = (this.placeX(x) - px) ** 2 + (this.placeY(y) - py) ** 2;
        if (!best || far < best.far) best = { far, text, x, y };
      }
    }
    this.told.textContent = best && best.far < 60 ** 2 ? best.text : "";
  }

  far() {
    this.told.textContent = "";
  }
}
