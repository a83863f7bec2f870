// The static site's source: everything is in files beside the page, also when it is opened from a
// disk, where a page may load scripts and pictures but may not read files.

const TERM = /(-?)(?:(tag|model|kind|rating|cost|size|collection|shape):)?(?:"([^"]*)"?|(\S+))/gu;
const COMPARED = /^(<=|>=|<|>|=)?\s*\$?(\d+(?:\.\d+)?)(mp)?$/iu;
const MAX_TERMS = 24;

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^\p{L}\p{N}]+/gu, " ").toLowerCase().trim();

/** The terms of a search, read as the public page reads them. */
function parseSearch(text) {
  const terms = [];
  for (const match of text.slice(0, 300).matchAll(TERM)) {
    const [whole, minus, facet, phrase, word] = match;
    const raw = phrase ?? word;
    const wanted = !minus;
    const compared = ["rating", "cost", "size"].includes(facet) && raw.match(COMPARED);
    if (compared) {
      const number = Number(compared[2]) * (compared[3] ? 1e6 : 1);
      terms.push({ wanted, facet, compare: compared[1] ?? (facet === "rating" ? ">=" : "="), number });
    } else if (facet && !["rating", "cost", "size"].includes(facet)) terms.push({ wanted, facet, value: raw.trim().toLowerCase() });
    else {
      const words = fold(`${facet ?? ""} ${raw}`);
      if (words) terms.push({ wanted, words, prefix: phrase === undefined && (match.index + whole.length === text.length || raw.endsWith("*")) });
    }
    if (terms.length >= MAX_TERMS) break;
  }
  return terms;
}

const COMPARE = { "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "=": (a, b) => a === b };

class LocalSource {
  constructor(index) {
    this.index = index;
    this.cards = new Array(index.count);
    this.details = new Array(index.count);
    this.places = new Map();
    this.folded = new Array(index.count);
    this.waiting = new Map(); // name of a file -> { promise, done }
  }

  // ---------------------------------------------------------------- files

  file(name) {
    const known = this.waiting.get(name);
    if (known) return known.promise;
    const entry = {};
    entry.promise = new Promise((done, failed) => {
      entry.done = done;
      const script = el("script", { src: `data/${name}.js` });
      script.onerror = () => failed(new Error("A part of this site is missing; load the page again."));
      script.onload = () => script.remove();
      document.head.append(script);
    });
    this.waiting.set(name, entry);
    return entry.promise;
  }

  arrived(name, put) {
    const known = this.waiting.get(name);
    put();
    if (known) known.done();
    else this.waiting.set(name, { promise: Promise.resolve() });
  }

  putCards(chunk, cards) {
    this.arrived(`items-${chunk}`, () => cards.forEach((card, n) => {
      const place = chunk * this.index.chunk + n;
      this.cards[place] = card;
      this.places.set(card.id, place);
    }));
  }

  putWords(chunk, words) {
    this.arrived(`words-${chunk}`, () => words.forEach((each, n) => { this.details[chunk * this.index.chunk + n] = each; }));
  }

  all(kind) {
    return Promise.all(Array.from({ length: this.index.chunks }, (_, chunk) => this.file(`${kind}-${chunk}`)));
  }

  // ---------------------------------------------------------------- what the wall asks for

  async find(ask) {
    const plain = !ask.q && !Object.keys(ask.where).length;
    if (plain && ask.sort === "newest" && this.index.chunks > 1 && !this.complete) {
      // The first pictures don't wait for the last ones.
      await this.file("items-0");
      return { cards: this.cards.slice(0, this.index.chunk), total: this.index.count, facets: this.index.facets, more: () => this.rest() };
    }
    await this.all("items");
    const terms = parseSearch(ask.q);
    if (terms.some((term) => term.words)) await this.all("words");
    let places = [...this.cards.keys()];
    if (!plain) places = places.filter((place) => this.matches(place, terms, ask.where));
    const sorts = { best: (c) => -(c.rating ?? 0), dearest: (c) => -(c.pico ?? -1), cheapest: (c) => c.pico ?? Infinity, largest: (c) => -c.w * c.h };
    if (ask.sort === "oldest") places.reverse();
    else if (sorts[ask.sort]) places.sort((a, b) => sorts[ask.sort](this.cards[a]) - sorts[ask.sort](this.cards[b]) || a - b);
    const cards = places.map((place) => this.cards[place]);
    return { cards, total: cards.length, facets: plain ? this.index.facets : this.facets(cards), more: null };
  }

  async rest() {
    await this.all("items");
    this.complete = true;
    return { cards: this.cards.slice(this.index.chunk), more: null };
  }

  async card(id) {
    if (!this.places.has(id)) await this.all("items");
    return this.cards[this.places.get(id)] ?? null;
  }

  async words(id) {
    const place = this.places.get(id);
    await this.file(`words-${Math.floor(place / this.index.chunk)}`);
    return this.details[place];
  }

  picture(card, what) {
    return `pictures/${card.id}-${what === "small" ? "s" : what === "large" && card.large ? "l" : "m"}.webp`;
  }

  page(card) {
    return `item/${card.id}.html`;
  }

  /** A picture whose pixels WebGL may read: from a disk, that is only one that came as text. */
  async texture(card) {
    const picture = new Image();
    if (location.protocol === "file:") {
      await this.file(`around-${card.id}`);
      picture.src = this.texts.get(card.id);
    } else picture.src = this.picture(card, "large");
    await picture.decode();
    return picture;
  }

  putTexture(id, text) {
    this.texts ??= new Map();
    this.arrived(`around-${id}`, () => this.texts.set(id, text));
  }

  // ---------------------------------------------------------------- matching

  text(place) {
    if (this.folded[place] === undefined) {
      const card = this.cards[place];
      const words = this.details[place] ?? {};
      const parts = [words.title, words.prompt, ...(words.captions ?? []).map((each) => each.text), words.note, ...(card.tags ?? []), card.collection, words.alt];
      // Between two texts stands what no search holds, so that no phrase spans both.
      this.folded[place] = ` ${parts.filter(Boolean).map(fold).join(" \u0001 ")} `;
    }
    return this.folded[place];
  }

  matches(place, terms, where) {
    const card = this.cards[place];
    return terms.every((term) => term.wanted === this.holds(place, card, term)) && Object.entries(where).every(([name, value]) => this.has(card, name, value.toLowerCase()));
  }

  holds(place, card, term) {
    if (term.words) return this.text(place).includes(term.prefix ? ` ${term.words}` : ` ${term.words} `);
    if (term.number === undefined) return this.has(card, term.facet, term.value);
    const value = term.facet === "rating" ? card.rating ?? 0 : term.facet === "cost" ? card.pico && card.pico / 1e12 : card.w * card.h;
    return value !== undefined && COMPARE[term.compare](value, term.number);
  }

  has(card, name, value) {
    if (name === "tag") return (card.tags ?? []).some((tag) => tag.toLowerCase() === value);
    if (name === "rating") return (card.rating ?? 0) >= Number(value);
    if (name === "model") return (card.model ?? "").toLowerCase().includes(value);
    return (card[name] ?? "").toLowerCase() === value;
  }

  facets(cards) {
    const counts = { kind: new Map(), model: new Map(), tag: new Map(), collection: new Map(), shape: new Map() };
    const stars = new Map();
    const add = (map, value) => value && map.set(value, (map.get(value) ?? 0) + 1);
    for (const card of cards) {
      for (const name of ["kind", "model", "collection", "shape"]) add(counts[name], card[name]);
      (card.tags ?? []).forEach((tag) => add(counts.tag, tag));
      for (let n = 1; n <= (card.rating ?? 0); n += 1) add(stars, n);
    }
    const sorted = (map) => [...map].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 40);
    return { ...Object.fromEntries(Object.entries(counts).map(([name, map]) => [name, sorted(map)])), rating: [...stars].filter(([n]) => cards.some((card) => card.rating === n)).sort((a, b) => b[0] - a[0]) };
  }
}

// ---------------------------------------------------------------- start

// Each data file calls `halfpenny(kind, …)`; the index comes after the first pictures.
const early = [];
let site = null;
window.halfpenny = (kind, ...rest) => {
  if (kind === "index") {
    const [index] = rest;
    site = new LocalSource(index);
    early.splice(0).forEach((call) => window.halfpenny(...call));
    start(index);
  } else if (!site) early.push([kind, ...rest]);
  else if (kind === "items") site.putCards(...rest);
  else if (kind === "words") site.putWords(...rest);
  else if (kind === "around") site.putTexture(...rest);
};

function start(index) {
  const root = document.querySelector(".hp");
  try {
    const theme = localStorage.getItem(THEME_KEY);
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is off: the system's colours, then.
  }
  const wall = new Wall(root, site, { title: index.title, sorts: index.sorts, total: index.count });
  if (document.documentElement.dataset.theme) wall.setTheme(document.documentElement.dataset.theme);
}
