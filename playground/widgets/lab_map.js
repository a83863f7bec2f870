// The map of sizes: one cell for each width and height in steps of 16 pixels, coloured by what it
// costs. It is painted into an image of a pixel a cell and scaled up, so that another quality takes
// milliseconds; lines and the marked place lie above it. Money is whole picodollars (BigInt).

const UNIT = 16;
const RATIOS = [[1, 1], [4, 3], [3, 2], [16, 9], [2, 1], [3, 1]];
const MEASURES = { tokens: "tokens", dollars: "dollars", per: "dollars a megapixel" };
// Light to dark for cheap to dear in the light theme, turned round in the dark one.
const RAMP = [[255, 247, 224], [252, 222, 156], [240, 178, 104], [214, 126, 76], [168, 76, 66], [108, 40, 66], [52, 18, 56]];

/** Picodollars as `money.short` writes them: "$0.00397", "$1,234.50". */
function shortMoney(pico) {
  const million = 1_000_000n;
  const half = (value, unit) => (value + unit / 2n) / unit;
  if (pico >= 1_000_000_000_000n) {
    const cents = half(pico, 10_000_000_000n);
    return `$${(cents / 100n).toString().replace(/\B(?=(\d{3})+$)/g, ",")}.${(cents % 100n).toString().padStart(2, "0")}`;
  }
  let digits = half(pico, million).toString().padStart(6, "0"); // microdollars
  if (digits.length > 6) return "$1.00";
  if (pico > 0n && /^0+$/.test(digits)) {
    const all = pico.toString().padStart(12, "0");
    const unit = 10n ** BigInt(11 - all.search(/[1-9]/)); // of the first digit that is not zero
    digits = (half(pico, unit) * unit).toString().padStart(12, "0");
  }
  digits = digits.replace(/0+$/, "");
  return `$0.${digits.padEnd(2, "0")}`;
}

function rangeMoney(low, high) {
  const [from, to] = [shortMoney(low), shortMoney(high)];
  return low === high ? from : `${from} to ${to}`;
}

class SizeMap {
  /** `onPick(size)` is called with the text of a size that was chosen. */
  constructor(onPick) {
    this.onPick = onPick;
    this.measure = "tokens";
    this.canvas = el("canvas", { class: "lb-map", tabindex: "0", role: "img", "aria-describedby": "lb-keys" });
    this.told = el("div", { class: "lb-read" });
    this.said = el("p", { class: "lb-hide", role: "status" });
    this.measures = el("div", { class: "lb-chips", role: "radiogroup", "aria-label": "Colour shows" }, Object.entries(MEASURES).map(([name, text]) => {
      const input = el("input", { type: "radio", name: "lb-measure", value: name, checked: name === this.measure, onchange: () => { this.measure = name; this.paint(); } });
      return el("label", { class: "lb-chip" }, input, text);
    }));
    this.legend = el("div", { class: "lb-legend" });
    this.table = el("div", { class: "lb-scroll", tabindex: "0", role: "region", "aria-label": "The map as a table", hidden: true });
    this.switch = el("button", { type: "button", class: "hp-link", "aria-expanded": "false", onclick: () => this.turn() }, "Show as table");
    this.node = el("div", { class: "lb-mapbox" },
      el("div", { class: "lb-mapstage" }, this.canvas),
      el("div", { class: "lb-mapside" }, this.measures, this.legend, this.told, this.said,
        this.switch, this.table,
        el("p", { class: "hp-small", id: "lb-keys" }, "Point at the map, or use the arrow keys on it (with Shift ten steps at a time), and press Enter to choose. Dots mark sizes that are larger than the chosen one and cost no more; the lines join sizes of the same price: half, once (thick), twice and four times that of the chosen one.")));
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.show(this.chosen));
    this.canvas.addEventListener("click", (event) => { this.point(event); this.pick(); });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.announce = debounce(350, (text) => { this.said.textContent = text; });
  }

  /** A model's map; `buffer` holds widths, heights and tokens (see lab/atlas.py). */
  load(message, buffer) {
    this.model = message;
    const start = buffer.byteOffset ?? 0;
    const whole = (buffer.buffer ?? buffer).slice(start, start + buffer.byteLength);
    const count = message.count;
    this.count = count;
    this.w = new Uint8Array(whole, 0, count);
    this.h = new Uint8Array(whole, count, count);
    this.tokens = {};
    message.qualities.forEach((quality, n) => {
      const at = 2 * count + 4 * count * n;
      const column = (from) => new Uint16Array(whole.slice(from, from + 2 * count));
      this.tokens[quality] = { low: column(at), high: column(at + 2 * count) };
    });
    this.index = new Int32Array(256 * 256).fill(-1);
    for (let n = 0; n < count; n += 1) this.index[this.w[n] * 256 + this.h[n]] = n;
    this.side = Math.max(...this.w, ...this.h) + 4;
    this.few = count < 50;
  }

  /** Another quality, prompt or size: `form` as the tab has it. */
  set(form) {
    if (!this.model) return;
    this.quality = this.tokens[form.quality] ? form.quality : this.model.qualities[0];
    this.prompt = Number(String(form.prompt_tokens).replace(/[,_ ]/g, "")) || 0;
    const [w, h] = String(form.size).split(/[x×]/).map((part) => Number(part) / UNIT);
    const found = this.index[w * 256 + h];
    this.chosen = found >= 0 ? found : this.chosen ?? 0;
    if (this.chosen >= this.count) this.chosen = 0;
    this.at = this.chosen;
    this.paint();
    this.show(this.chosen);
  }

  value(n) {
    const high = this.tokens[this.quality].high[n];
    if (this.measure === "tokens") return high;
    const pico = high * this.model.image_rate + this.prompt * this.model.text_rate + this.model.extra_high;
    return this.measure === "dollars" ? pico : pico / (this.w[n] * this.h[n] * UNIT * UNIT);
  }

  /** Least and most dollars of a size, exact. */
  dollars(n) {
    const { low, high } = this.tokens[this.quality];
    const rate = BigInt(this.model.image_rate);
    const text = BigInt(this.prompt) * BigInt(this.model.text_rate);
    return [BigInt(low[n]) * rate + text, BigInt(high[n]) * rate + text + BigInt(this.model.extra_high)];
  }

  isLarger(n, than) {
    const { high } = this.tokens[this.quality];
    return high[n] <= high[than] && this.w[n] * this.h[n] > this.w[than] * this.h[than];
  }

  colours() {
    const dark = this.node.closest(".hp-dark") !== null;
    const key = dark ? "dark" : "light";
    this.ramps ??= {};
    this.ramps[key] ??= Array.from({ length: 256 }, (_, n) => {
      const place = ((dark ? 255 - n : n) / 255) * (RAMP.length - 1);
      const at = Math.min(RAMP.length - 2, Math.floor(place));
      const part = place - at;
      return RAMP[at].map((from, c) => Math.round(from + (RAMP[at + 1][c] - from) * part));
    });
    return this.ramps[key];
  }

  paint() {
    if (!this.model || !this.quality) return;
    const stage = Math.floor(this.canvas.parentElement.clientWidth);
    if (!stage) return;
    const size = Math.min(stage, 680);
    const dense = window.devicePixelRatio || 1;
    const { side, count } = this;
    this.canvas.style.width = `${size}px`;
    this.canvas.style.height = `${size}px`;
    if (this.canvas.width !== Math.round(size * dense)) {
      this.canvas.width = Math.round(size * dense);
      this.canvas.height = this.canvas.width;
    }
    this.scale = this.canvas.width / side;
    const values = new Float64Array(count);
    let [least, most] = [Infinity, 0];
    for (let n = 0; n < count; n += 1) {
      const value = this.value(n);
      values[n] = value;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    this.least = least;
    this.most = most;
    const colours = this.colours();
    const image = new ImageData(side, side);
    const low = Math.log(least || 1);
    const span = Math.log(most || 1) - low || 1;
    for (let n = 0; n < count; n += 1) {
      const shade = colours[Math.round((255 * (Math.log(values[n] || 1) - low)) / span)];
      const at = 4 * ((side - 1 - this.h[n]) * side + this.w[n]);
      image.data[at] = shade[0];
      image.data[at + 1] = shade[1];
      image.data[at + 2] = shade[2];
      image.data[at + 3] = 255;
    }
    this.base ??= document.createElement("canvas");
    this.base.width = side;
    this.base.height = side;
    this.base.getContext("2d").putImageData(image, 0, 0);
    this.values = values;
    this.stale = true;
    this.over();
    this.drawLegend(colours);
    this.showTable();
    this.canvas.setAttribute("aria-label", `Map of ${count.toLocaleString("en")} sizes of ${this.model.model} at ${this.quality}: width to the right, height upwards, from ${this.words(least)} (cheap) to ${this.words(most)} (dear). The dearest are large squares; flat and tall shapes cost less.`);
  }

  words(value) {
    if (this.measure === "tokens") return `${Math.round(value).toLocaleString("en")} tokens`;
    if (this.measure === "dollars") return shortMoney(BigInt(Math.round(value)));
    return `${shortMoney(BigInt(Math.round(value * 1e6)))} a megapixel`;
  }

  drawLegend(colours) {
    const stops = [0, 64, 128, 192, 255].map((n) => `rgb(${colours[n].join(" ")})`).join(", ");
    const bar = el("div", { class: "lb-ramp" });
    bar.style.background = `linear-gradient(to right, ${stops})`;
    this.legend.replaceChildren(bar, el("div", { class: "lb-ends" }, el("span", {}, this.words(this.least)), el("span", {}, this.words(this.most))));
  }

  turn() {
    this.table.hidden = !this.table.hidden;
    this.switch.textContent = this.table.hidden ? "Show as table" : "Hide the table";
    this.switch.setAttribute("aria-expanded", String(!this.table.hidden));
    this.showTable();
  }

  /** The smallest and the largest size of each shape on the map. */
  showTable() {
    if (this.table.hidden || !this.model) return;
    const rows = [];
    for (const [across, down] of RATIOS) {
      const fits = [];
      for (let n = 0; n < this.count; n += 1) if (Math.abs(this.w[n] / this.h[n] - across / down) < 0.012 * (across / down)) fits.push(n);
      fits.sort((a, b) => this.w[a] * this.h[a] - this.w[b] * this.h[b]);
      for (const n of fits.length > 1 ? [fits[0], fits.at(-1)] : fits) rows.push([`${across}:${down}`, this.name(n), this.tokens[this.quality].high[n].toLocaleString("en"), rangeMoney(...this.dollars(n))]);
    }
    this.table.replaceChildren(tableOf(["Shape", "Size", "Tokens", "Dollars"], rows));
  }

  /** The painted map with the places that are marked; what does not move is kept as an image. */
  over() {
    const dense = window.devicePixelRatio || 1;
    const dark = this.node.closest(".hp-dark") !== null;
    const ink = dark ? "rgb(245 245 240 / 85%)" : "rgb(30 30 28 / 80%)";
    const full = this.canvas.width;
    const pen = this.canvas.getContext("2d");
    if (this.stale || this.still?.width !== full) this.keep(full, ink, dark, dense);
    pen.clearRect(0, 0, full, full);
    pen.drawImage(this.still, 0, 0);
    this.ring(pen, this.chosen, ink, dense, true);
    if (this.at !== this.chosen) this.ring(pen, this.at, ink, dense, false);
  }

  keep(full, ink, dark, dense) {
    this.still ??= document.createElement("canvas");
    this.still.width = full;
    this.still.height = full;
    this.stale = false;
    const pen = this.still.getContext("2d");
    pen.imageSmoothingEnabled = false;
    if (this.few) {
      pen.fillStyle = ink;
      for (let n = 0; n < this.count; n += 1) this.disc(pen, n, 7 * dense);
    } else {
      pen.drawImage(this.base, 0, 0, full, full);
      this.bargains(pen, dark);
      this.contours(pen, dark);
    }
    pen.font = `${11 * dense}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    this.ratioLines(pen, ink, dense);
    this.axes(pen, ink, dense);
  }

  place(n) {
    return [(this.w[n] + 0.5) * this.scale, (this.side - 1 - this.h[n] + 0.5) * this.scale];
  }

  disc(pen, n, radius) {
    const [x, y] = this.place(n);
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
  }

  /** Dots on every third cell that is larger than the chosen size and costs no more. */
  bargains(pen, dark) {
    pen.fillStyle = dark ? "rgb(190 240 200)" : "rgb(10 90 45)";
    const dot = Math.max(1.5, this.scale * 0.9);
    this.many = 0;
    for (let n = 0; n < this.count; n += 1) {
      if (!this.isLarger(n, this.chosen)) continue;
      this.many += 1;
      if ((this.w[n] + 2 * this.h[n]) % 4) continue;
      const [x, y] = this.place(n);
      pen.fillRect(x - dot / 2, y - dot / 2, dot, dot);
    }
  }

  /** Lines between cells that cost less and cells that cost more than the chosen one, and than half
   *  and twice of it. */
  contours(pen, dark) {
    const { values, scale, side } = this;
    const levels = [0.5, 1, 2, 4].map((times) => values[this.chosen] * times).filter((level) => level > this.least && level < this.most);
    for (const level of levels) {
      pen.beginPath();
      for (let n = 0; n < this.count; n += 1) {
        const more = values[n] > level;
        const [w, h] = [this.w[n], this.h[n]];
        const right = this.index[(w + 1) * 256 + h];
        const above = this.index[w * 256 + h + 1];
        if (right >= 0 && more !== values[right] > level) {
          pen.moveTo((w + 1) * scale, (side - 1 - h) * scale);
          pen.lineTo((w + 1) * scale, (side - h) * scale);
        }
        if (above >= 0 && more !== values[above] > level) {
          pen.moveTo(w * scale, (side - 1 - h) * scale);
          pen.lineTo((w + 1) * scale, (side - 1 - h) * scale);
        }
      }
      pen.strokeStyle = dark ? "rgb(0 0 0 / 70%)" : "rgb(255 255 255 / 85%)";
      pen.lineWidth = level === values[this.chosen] ? 2.5 : 1.2;
      pen.stroke();
    }
  }

  ratioLines(pen, ink, dense) {
    const full = this.canvas.width;
    const unit = this.scale / UNIT;
    pen.strokeStyle = ink;
    pen.fillStyle = ink;
    pen.lineWidth = dense * 0.6;
    pen.setLineDash([3 * dense, 4 * dense]);
    for (const [across, down] of RATIOS) {
      const reach = Math.min(3840, 3840 * (across / down));
      const [w, h] = [reach, (reach * down) / across];
      pen.beginPath();
      pen.moveTo(0, full);
      pen.lineTo(w * unit, full - h * unit);
      pen.stroke();
    }
    pen.setLineDash([]);
    for (const [across, down] of RATIOS) {
      const text = `${across}:${down}`;
      const wide = 3500;
      const [x, y] = across === down ? [3330 * unit, full - 3450 * unit] : [wide * unit, full - ((wide * down) / across) * unit];
      pen.textAlign = "center";
      this.label(pen, text, x, y - 9 * dense, dense);
    }
  }

  /** A text on a piece of the page's own colour, so that it is read on any cell. */
  label(pen, text, x, y, dense) {
    const wide = pen.measureText(text).width;
    const ink = pen.fillStyle;
    pen.fillStyle = this.node.closest(".hp-dark") ? "rgb(20 20 18 / 75%)" : "rgb(255 255 255 / 80%)";
    const left = pen.textAlign === "center" ? x - wide / 2 : pen.textAlign === "right" ? x - wide : x;
    pen.fillRect(left - 3 * dense, y - 7 * dense, wide + 6 * dense, 14 * dense);
    pen.fillStyle = ink;
    pen.fillText(text, x, y);
  }

  axes(pen, ink, dense) {
    const full = this.canvas.width;
    const unit = this.scale / UNIT;
    pen.strokeStyle = ink;
    pen.fillStyle = ink;
    pen.lineWidth = dense;
    pen.strokeRect(0.5, 0.5, full - 1, full - 1);
    for (const at of [1024, 2048, 3072]) {
      pen.textAlign = "center";
      this.label(pen, `${at.toLocaleString("en")}`, at * unit, full - 9 * dense, dense);
      pen.textAlign = "left";
      this.label(pen, `${at.toLocaleString("en")}`, 5 * dense, full - at * unit, dense);
    }
    pen.textAlign = "right";
    this.label(pen, "width in pixels →", full - 6 * dense, full - 9 * dense, dense);
    pen.textAlign = "left";
    this.label(pen, "↑ height", 5 * dense, 12 * dense, dense);
  }

  ring(pen, n, ink, dense, chosen) {
    const [x, y] = this.place(n);
    for (const [colour, width] of [[this.node.closest(".hp-dark") ? "#111" : "#fff", 5], [chosen ? "#1b6fd6" : ink, 2.5]]) {
      pen.beginPath();
      pen.arc(x, y, (chosen ? 8 : 6) * dense, 0, 2 * Math.PI);
      pen.strokeStyle = colour;
      pen.lineWidth = width * dense;
      pen.stroke();
    }
  }

  point(event) {
    if (!this.model) return;
    const box = this.canvas.getBoundingClientRect();
    const unit = box.width / this.side;
    const w = Math.floor((event.clientX - box.left) / unit);
    const h = this.side - 1 - Math.floor((event.clientY - box.top) / unit);
    const found = this.nearest(w, h, this.few ? 300 : 6);
    if (found >= 0) this.show(found);
  }

  nearest(w, h, reach) {
    if (w >= 0 && h >= 0 && w < 256 && h < 256 && this.index[w * 256 + h] >= 0) return this.index[w * 256 + h];
    let best = -1;
    let far = reach * reach;
    for (let n = 0; n < this.count; n += 1) {
      const away = (this.w[n] - w) ** 2 + (this.h[n] - h) ** 2;
      if (away < far) [best, far] = [n, away];
    }
    return best;
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.pick();
      return;
    }
    if (!steps || !this.model) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1;
    const [w, h] = [this.w[this.at], this.h[this.at]];
    // The next legal size in that direction, else the nearest one there.
    let found = -1;
    for (let n = far; n < 260 && found < 0; n += 1) {
      const [x, y] = [w + steps[0] * n, h + steps[1] * n];
      if (x < 0 || y < 0 || x > 255 || y > 255) break;
      found = this.index[x * 256 + y];
      if (found < 0 && n === far + 2) found = this.beyond(w, h, steps);
    }
    if (found >= 0) {
      this.show(found);
      this.announce(this.text(found));
    }
  }

  /** The nearest size that lies further in a direction: round the corners of the map. */
  beyond(w, h, [dx, dy]) {
    let [best, far] = [-1, Infinity];
    for (let n = 0; n < this.count; n += 1) {
      const [x, y] = [this.w[n] - w, this.h[n] - h];
      if (x * dx + y * dy <= 0) continue;
      const away = x * x + y * y;
      if (away < far) [best, far] = [n, away];
    }
    return best;
  }

  pick() {
    this.chosen = this.at;
    this.stale = true;
    this.over();
    this.onPick(this.name(this.at));
  }

  name(n) {
    return `${this.w[n] * UNIT}x${this.h[n] * UNIT}`;
  }

  text(n) {
    const { low, high } = this.tokens[this.quality];
    const count = low[n] === high[n] ? high[n].toLocaleString("en") : `${low[n].toLocaleString("en")} to ${high[n].toLocaleString("en")}`;
    return `${this.name(n)}: ${count} tokens, ${rangeMoney(...this.dollars(n))}`;
  }

  /** The read-out of a size, and its ring. */
  show(n) {
    if (!this.model || n === undefined || n === null) return;
    this.at = n;
    const [low, high] = this.dollars(n);
    const pixels = this.w[n] * this.h[n] * UNIT * UNIT;
    let larger = 0;
    for (let k = 0; k < this.count; k += 1) if (this.isLarger(k, n)) larger += 1;
    const tokens = this.tokens[this.quality];
    const count = tokens.low[n] === tokens.high[n] ? tokens.high[n].toLocaleString("en") : `${tokens.low[n].toLocaleString("en")} to ${tokens.high[n].toLocaleString("en")}`;
    const per = (high * 1_000_000n) / BigInt(pixels);
    const [w, h] = [this.w[n] * UNIT, this.h[n] * UNIT];
    const fit = w <= 690 && h <= 500 ? `${w}x${h}` : w * 500 >= h * 690 ? `690x${Math.floor((h * 690) / w)}` : `${Math.floor((w * 500) / h)}x500`;
    const row = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
    this.told.replaceChildren(
      el("p", { class: "lb-size" }, `${w} × ${h}`),
      el("p", { class: "lb-cost" }, ...(low === high ? [money(shortMoney(high))] : [money(shortMoney(low)), " to ", money(shortMoney(high))])),
      el("dl", { class: "hp-facts" },
        row("output tokens", count),
        row("with a prompt of", `${this.prompt.toLocaleString("en")} tokens`),
        row("a megapixel", shortMoney(per)),
        row("pixels", `${(pixels / 1e6).toFixed(2)} million, ${(w / h).toFixed(2)} to 1`),
        row("on a forum", fit),
        row("larger, no dearer", larger ? `${larger.toLocaleString("en")} sizes` : "none")));
    this.node.dataset.read = this.text(n);
    requestAnimationFrame(() => this.over());
  }
}
