// The wall: justified rows over any number of pictures, of which only those in sight exist.
// A place is a picture's number in the answer. Shapes of all pictures are known early, so rows,
// scroll bar and jumps are right at once; cards and small pictures are fetched as they are needed.

const GAP = 6; // pixels, as in the style sheet
const BATCH = 48; // cards that are asked for at a time, at most
const NEAR = 8; // places between two that are lacking, which are then asked for together
const AHEAD = 2; // views that are fetched where the wall moves to
const BEHIND = 0.5; // and on the other side
const UNDER_WAY = 2; // requests for what is not in sight yet, at once
const URGENT = 3; // with those for what is in sight
const MOST_CARDS = 1200; // cards that are kept, with their pictures; the farthest go first
const TALLEST = 8_000_000; // pixels that every browser lets an element be tall
const RATIOS = Float32Array.from({ length: 256 }, (_, code) => 2 ** ((code - 128) / 64));
ICONS.check = "M3 8.5 6.5 12 13 4.5";
const KIND = { image: "generated", edit: "edited", photo: "photograph" };
const shapeOf = (card) => Math.max(0, Math.min(255, Math.round(Math.log2(card.width / card.height) * 64 + 128)));
const colourOf = (short) => (short ? `rgb(${(short >> 11) << 3} ${((short >> 5) & 63) << 2} ${(short & 31) << 3})` : "");

/** Text in pieces, the hits marked; every piece is text. */
const marked = (pieces) => pieces.map(([text, hit]) => (hit ? el("mark", {}, text) : text));

class Wall {
  /** `host`: send, open(place), rate(card, stars), chosen(), picked(); `scroller` is what scrolls. */
  constructor(host, scroller) {
    this.host = host;
    this.scroller = scroller;
    this.grid = el("ul", { class: "hp-grid", "aria-label": "Pictures" });
    this.sequence = 0;
    this.clear();
    this.frame = 0;
    this.moved = () => { this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.scrolled(); }); };
    scroller.addEventListener("scroll", this.moved, { passive: true });
    this.settle = debounce(160, () => this.recentre());
  }

  clear() {
    this.cards?.forEach((card) => card.url && URL.revokeObjectURL(card.url));
    this.cards = new Map(); // place -> card
    this.nodes?.forEach((node) => node.remove());
    this.nodes = new Map(); // place -> list item
    this.asked = []; // requests under way: {start, end, when}
    this.way = 1; // 1 down, -1 up: where the wall moves to
    this.shapes = new Uint8Array();
    this.tints = new Uint16Array();
    this.rows = { start: new Int32Array(1), top: new Float64Array(1), count: 0, tall: 0 };
    this.shift = 0;
    this.last = 0;
    this.cursor = 0;
    this.selected = new Set();
    this.every = false;
    this.anchor = 0;
  }

  dispose() {
    this.scroller.removeEventListener("scroll", this.moved);
    this.settle.cancel();
    cancelAnimationFrame(this.frame);
    this.clear();
  }

  get total() { return this.shapes.length; }

  get chosen() { return this.every ? this.total : this.selected.size; }

  /** The first pictures of a new answer; with `stay` the place in sight is kept. */
  begin(sequence, cards, urls, stay) {
    const top = this.scroller.scrollTop;
    const { cursor, shift } = this;
    const focused = this.grid.contains(document.activeElement);
    this.clear();
    this.sequence = sequence;
    this.shapes = Uint8Array.from(cards, shapeOf);
    this.tints = new Uint16Array(cards.length);
    cards.forEach((card, place) => this.keep(place, card, urls[place]));
    if (stay) {
      this.cursor = cursor;
      this.shift = shift;
      this.keptTop = top; // the shapes that follow make room for it
    } else if (top > this.grid.offsetTop) this.scroller.scrollTop = Math.max(0, this.grid.offsetTop - 72);
    this.layOut();
    // What had the focus is gone (into the trash, or answered anew): the picture in its place gets it.
    if (focused && this.total) this.rove(this.cursor);
  }

  /** The shapes and colours of all pictures of the answer. */
  shape(ratios, tints) {
    this.shapes = ratios;
    this.tints = tints;
    this.layOut();
    if (this.keptTop !== undefined) {
      this.scroller.scrollTop = this.keptTop;
      this.last = this.scroller.scrollTop;
      this.keptTop = undefined;
      this.draw();
    }
  }

  /** Cards from a place on. */
  add(start, cards, urls) {
    this.asked = this.asked.filter((one) => one.start !== start);
    cards.forEach((card, n) => {
      if (this.cards.has(start + n)) URL.revokeObjectURL(urls[n] ?? "");
      else this.keep(start + n, card, urls[n]);
    });
    this.trim();
    this.ask();
  }

  keep(place, card, url) {
    card.url = url ?? null;
    this.cards.set(place, card);
    const node = this.nodes.get(place);
    if (node) this.fill(node, place);
  }

  /** A small picture that was just made, or could not be made. */
  picture(id, url) {
    for (const [place, card] of this.cards) {
      if (card.id !== id) continue;
      if (card.url) URL.revokeObjectURL(card.url);
      card.url = url;
      card.unseen = !url;
      const node = this.nodes.get(place);
      if (node) this.fill(node, place);
      return;
    }
    if (url) URL.revokeObjectURL(url);
  }

  /** What changed about a picture, wherever it is shown. */
  update(id, changes) {
    for (const [place, card] of this.cards) {
      if (card.id !== id) continue;
      Object.assign(card, changes);
      const node = this.nodes.get(place);
      if (node) this.fill(node, place);
    }
  }

  placeOf(id) {
    for (const [place, card] of this.cards) if (card.id === id) return place;
    return -1;
  }

  trim() {
    if (this.cards.size <= MOST_CARDS) return;
    const [first, last] = this.inSight(1);
    const middle = (first + last) / 2;
    const far = [...this.cards.keys()].filter((place) => !this.nodes.has(place)).sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
    for (const place of far.slice(0, this.cards.size - MOST_CARDS)) {
      const card = this.cards.get(place);
      if (card.url) URL.revokeObjectURL(card.url);
      this.cards.delete(place);
    }
  }

  // ---------------------------------------------------------------- rows

  /** Justified rows, nothing cropped: each row ends where its height comes closest to the aim. */
  layOut() {
    const width = this.grid.clientWidth - 0.5;
    if (width <= 0) return;
    this.width = width;
    const aim = parseFloat(getComputedStyle(this.scroller).getPropertyValue("--hp-row")) || 190;
    const { shapes } = this;
    const start = [];
    const top = [];
    let y = 0;
    let from = 0;
    let sum = 0;
    const close = (end, tall) => {
      start.push(from);
      top.push(y);
      y += tall + GAP;
      from = end;
    };
    for (let at = 0; at < shapes.length; at += 1) {
      const ratio = RATIOS[shapes[at]];
      const tall = (width - GAP * (at - from)) / (sum + ratio);
      sum += ratio;
      if (tall > aim) continue;
      const before = at > from ? (width - GAP * (at - 1 - from)) / (sum - ratio) : Infinity;
      if (before / aim < aim / tall) {
        close(at, before);
        sum = ratio;
        const alone = width / ratio;
        if (alone <= aim) {
          close(at + 1, alone);
          sum = 0;
        }
      } else {
        close(at + 1, tall);
        sum = 0;
      }
    }
    if (from < shapes.length) close(shapes.length, Math.min(aim * 1.2, (width - GAP * (shapes.length - 1 - from)) / sum));
    const tall = Math.max(0, y - GAP);
    this.rows = { start: Int32Array.from(start), top: Float64Array.from(top), count: start.length, tall };
    this.spacer = Math.min(tall, TALLEST);
    this.grid.style.height = `${this.spacer}px`;
    if (tall <= TALLEST) this.shift = 0;
    this.nodes.forEach((node, place) => (place < this.total ? this.put(node, place) : this.drop(place)));
    this.draw();
  }

  get view() { return this.scroller.clientHeight; }

  /** How far down the whole wall the upper edge of the view is. */
  get depth() { return this.scroller.scrollTop - this.grid.offsetTop + this.shift; }

  rowAt(y) {
    const { top, count } = this.rows;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (top[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  rowOf(place) {
    const { start, count } = this.rows;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (start[middle] <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  bounds(row) {
    const { start, top, count, tall } = this.rows;
    const end = row + 1 < count ? start[row + 1] : this.total;
    return { start: start[row], end, top: top[row], tall: (row + 1 < count ? top[row + 1] - GAP : tall) - top[row] };
  }

  /** First and last place in sight, and so many views around. */
  inSight(around) {
    if (!this.rows.count) return [0, 0];
    const first = this.bounds(this.rowAt(Math.max(0, this.depth - around * this.view)));
    const last = this.bounds(this.rowAt(Math.max(0, this.depth + (1 + around) * this.view)));
    return [first.start, last.end];
  }

  /** A wall that is taller than an element can be: near moves are exact, far ones are scaled. */
  scrolled() {
    const top = this.scroller.scrollTop;
    if (top !== this.last) this.way = top > this.last ? 1 : -1;
    if (this.rows.tall > TALLEST) {
      const here = top - this.grid.offsetTop;
      const room = this.spacer - this.view;
      const all = this.rows.tall - this.view;
      let depth = here + this.shift;
      if (Math.abs(top - this.last) > 3 * this.view || here <= 0 || here >= room) depth = (Math.max(0, Math.min(here, room)) / room) * all;
      this.reshift(Math.max(0, Math.min(depth, all)) - here);
      this.settle();
    }
    this.last = top;
    this.draw();
  }

  reshift(shift) {
    if (shift === this.shift) return;
    this.shift = shift;
    this.nodes.forEach((node, place) => this.put(node, place));
  }

  /** After a while of near moves the scroll bar is brought back to where it should stand. */
  recentre() {
    const depth = this.depth;
    const room = this.spacer - this.view;
    const all = this.rows.tall - this.view;
    const top = Math.round(this.grid.offsetTop + (depth / all) * room);
    if (this.rows.tall <= TALLEST || depth <= 0 || depth >= all || Math.abs(top - this.scroller.scrollTop) < 2) return;
    this.scroller.scrollTop = top;
    this.last = this.scroller.scrollTop;
    this.reshift(depth - (this.last - this.grid.offsetTop));
  }

  reveal(place) {
    const { top, tall } = this.bounds(this.rowOf(place));
    const above = 76; // the search stays in sight over the pictures
    let depth = this.depth;
    if (top < depth + above) depth = top - above;
    else if (top + tall > depth + this.view - 12) depth = top + tall - this.view + 12;
    else return;
    if (this.rows.tall > TALLEST && Math.abs(depth - this.depth) > this.view) {
      const all = this.rows.tall - this.view;
      this.scroller.scrollTop = this.grid.offsetTop + (Math.max(0, Math.min(depth, all)) / all) * (this.spacer - this.view);
      this.last = this.scroller.scrollTop;
      this.reshift(depth - (this.last - this.grid.offsetTop));
    } else this.scroller.scrollTop += depth - this.depth;
    this.last = this.scroller.scrollTop;
    this.draw();
  }

  // ---------------------------------------------------------------- tiles

  draw() {
    const [first, last] = this.inSight(0.75);
    for (const [place, node] of this.nodes) {
      if ((place < first || place >= last) && !node.contains(document.activeElement)) this.drop(place);
    }
    const fresh = document.createDocumentFragment();
    for (let place = first; place < last; place += 1) {
      if (this.nodes.has(place)) continue;
      const node = el("li", { "data-place": place });
      this.nodes.set(place, node);
      this.put(node, place);
      this.fill(node, place);
      fresh.append(node);
    }
    this.grid.append(fresh);
    this.ask();
  }

  drop(place) {
    this.nodes.get(place)?.remove();
    this.nodes.delete(place);
  }

  put(node, place) {
    const row = this.bounds(this.rowOf(place));
    let left = 0;
    for (let at = row.start; at < place; at += 1) left += RATIOS[this.shapes[at]] * row.tall + GAP;
    node.style.cssText = `left:${left}px;top:${row.top - this.shift}px;width:${RATIOS[this.shapes[place]] * row.tall}px;height:${row.tall}px`;
  }

  fill(node, place) {
    const card = this.cards.get(place);
    const focused = node.contains(document.activeElement);
    const picked = this.every || this.selected.has(place);
    const tint = colourOf(this.tints[place]);
    const number = `${(place + 1).toLocaleString("en")} of ${this.total.toLocaleString("en")}`;
    const words = card && [
      `${card.label}. ${KIND[card.kind]}`, card.size, card.price, card.sample && "sample", card.rating && `${card.rating} of 5 stars`,
      card.draft && "text not reviewed", card.missing && "file missing", number].filter(Boolean).join(", ");
    const button = el("button", {
      type: "button", class: "hp-tile", tabindex: place === this.cursor ? "0" : "-1", "aria-label": words ?? `Picture ${number}, coming`,
      "data-id": card?.id, style: tint ? `background:${tint}` : null,
      onclick: (event) => this.click(event, place), onfocus: () => this.rove(place, false),
    },
      card?.url && el("img", { src: card.url, alt: "", decoding: "async", draggable: "false" }),
      card?.missing && el("span", { class: card.url ? "hp-gone" : "hp-noimage" }, "file missing"),
      card?.unseen && !card.missing && el("span", { class: "hp-noimage" }, "cannot be shown"),
      card?.sample && el("span", { class: "hp-badge" }, "sample"),
      card && el("span", { class: "hp-over", "aria-hidden": "true" },
        card.pieces && el("span", { class: "hp-hits" }, marked(card.pieces)),
        el("span", { class: "hp-kind" }, KIND[card.kind]),
        card.rating ? stars(card.rating) : "",
        card.price ? money(card.price) : ""));
    const pick = el("button", {
      type: "button", class: "hp-pick", tabindex: "-1", "aria-label": `Select picture ${number}`, "aria-pressed": String(picked),
      onclick: (event) => this.toggle(place, event.shiftKey),
    }, icon(ICONS.check, { size: 14 }));
    node.classList.toggle("hp-picked", picked);
    node.replaceChildren(button, pick);
    const image = button.querySelector("img");
    if (image && !this.tints[place]) image.addEventListener("load", () => this.host.tint(place, card, image), { once: true });
    if (focused) button.focus({ preventScroll: true });
  }

  // ---------------------------------------------------------------- fetching

  /** What is in sight comes first, then what will be: both only where it is not there or coming. */
  ask() {
    if (!this.total) return;
    const now = performance.now();
    this.asked = this.asked.filter(({ when }) => now - when < 8000);
    const fetch = (most, first, last) => {
      for (const [start, end] of this.lacking(first, last)) {
        if (this.asked.length >= most) return;
        this.asked.push({ start, end, when: now });
        this.host.send({ do: "fetch", start, count: end - start, sequence: this.sequence });
      }
    };
    const [first, last] = this.inSight(0);
    fetch(URGENT, first, last);
    const [above, below] = this.way > 0 ? [BEHIND, AHEAD] : [AHEAD, BEHIND];
    const [start, end] = [this.inSight(above)[0], this.inSight(below)[1]];
    // A whole batch at a time, or every row that comes near would be a message.
    const after = () => this.lacking(last, end).length && fetch(UNDER_WAY, last, Math.min(end + BATCH, this.total));
    const before = () => this.lacking(start, first).length && fetch(UNDER_WAY, Math.max(0, start - BATCH), first);
    for (const side of this.way > 0 ? [after, before] : [before, after]) side();
  }

  /** The stretches of places without a card that nobody has asked for, nearest first. */
  lacking(first, last) {
    const found = [];
    for (let place = first; place < last; place += 1) {
      if (this.cards.has(place) || this.asked.some(({ start, end }) => start <= place && place < end)) continue;
      const one = found.at(-1);
      if (one && place - one[1] < NEAR && place - one[0] < BATCH) one[1] = place + 1;
      else found.push([place, place + 1]);
    }
    return this.way > 0 ? found : found.reverse();
  }

  // ---------------------------------------------------------------- choosing and moving

  click(event, place) {
    if (event.shiftKey || event.ctrlKey || event.metaKey) this.toggle(place, event.shiftKey);
    else if (this.chosen && this.host.choosing) this.toggle(place, false);
    else this.host.open(place);
  }

  toggle(place, range) {
    if (this.every) {
      this.every = false;
      this.selected = new Set();
    }
    if (range) {
      const [from, to] = [Math.min(this.anchor, place), Math.max(this.anchor, place)];
      for (let at = from; at <= to; at += 1) this.selected.add(at);
    } else if (!this.selected.delete(place)) this.selected.add(place);
    if (!range) this.anchor = place;
    this.mark();
  }

  choose(every) {
    this.every = every;
    this.selected = new Set();
    this.mark();
  }

  mark() {
    this.nodes.forEach((node, place) => {
      const picked = this.every || this.selected.has(place);
      node.classList.toggle("hp-picked", picked);
      node.querySelector(".hp-pick").setAttribute("aria-pressed", String(picked));
    });
    this.host.picked();
  }

  /** The chosen places as [start, end) pairs; null for all. */
  ranges() {
    if (this.every) return null;
    const ranges = [];
    for (const place of [...this.selected].sort((a, b) => a - b)) {
      if (ranges.length && ranges.at(-1)[1] === place) ranges.at(-1)[1] += 1;
      else ranges.push([place, place + 1]);
    }
    return ranges;
  }

  rove(place, focus = true) {
    const at = Math.max(0, Math.min(place, this.total - 1));
    if (at !== this.cursor) this.nodes.get(this.cursor)?.firstChild.setAttribute("tabindex", "-1");
    this.cursor = at;
    if (focus) this.reveal(at);
    const tile = this.nodes.get(at)?.firstChild;
    tile?.setAttribute("tabindex", "0");
    if (focus) tile?.focus({ preventScroll: true });
  }

  /** The place above or below: the closest middle in the next row. */
  across(place, by) {
    const row = this.rowOf(place);
    const to = Math.max(0, Math.min(row + by, this.rows.count - 1));
    if (to === row) return by > 0 ? this.total - 1 : 0;
    const middles = (n) => {
      const { start, end, tall } = this.bounds(n);
      let left = 0;
      return Array.from({ length: end - start }, (_, at) => {
        const wide = RATIOS[this.shapes[start + at]] * tall;
        left += wide + GAP;
        return left - GAP - wide / 2;
      });
    };
    const here = middles(row)[place - this.bounds(row).start];
    const there = middles(to).map((middle, n) => [Math.abs(middle - here), n]);
    return this.bounds(to).start + Math.min(...there.filter(([gap]) => gap === Math.min(...there.map(([g]) => g))).map(([, n]) => n));
  }

  key(event) {
    const screen = Math.max(1, Math.floor((this.view - 100) / 200));
    const to = {
      ArrowRight: () => this.cursor + 1, ArrowLeft: () => this.cursor - 1, Home: () => 0, End: () => this.total - 1,
      ArrowDown: () => this.across(this.cursor, 1), ArrowUp: () => this.across(this.cursor, -1),
      PageDown: () => this.across(this.cursor, screen), PageUp: () => this.across(this.cursor, -screen),
    }[event.key];
    if (!to) return false;
    const before = this.cursor;
    this.rove(to());
    if (event.shiftKey) {
      if (!this.selected.size) {
        this.anchor = before;
        this.selected.add(before);
      }
      this.toggle(this.cursor, true);
    }
    return true;
  }
}
