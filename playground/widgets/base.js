// What every page shares: elements, icons, money, theme and messages. Text from outside is hostile
// until shown: it reaches a page through textContent and setAttribute only. A page's own script
// follows this one in the same module.

const ICONS = {
  search: "M10.5 10.5 14 14M12 7A5 5 0 1 1 2 7a5 5 0 0 1 10 0Z",
  close: "M3.5 3.5l9 9m0-9-9 9",
  previous: "M10 3 5 8l5 5",
  next: "M6 3l5 5-5 5",
  filter: "M2 4h12M4 8h8M6.5 12h3",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
};
const STAR = "M8 1.6l1.95 4.1 4.45.6-3.25 3.1.8 4.45L8 11.7l-3.95 2.15.8-4.45L1.6 6.3l4.45-.6z";
const SVG = "http://www.w3.org/2000/svg";

/** An element: properties starting with "on" are listeners, the rest attributes; text is text. */
function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function icon(path, { filled = false, size = 16 } = {}) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  line.setAttribute("fill", filled ? "currentColor" : "none");
  line.setAttribute("stroke", "currentColor");
  line.setAttribute("stroke-width", "1.4");
  line.setAttribute("stroke-linejoin", "round");
  line.setAttribute("stroke-linecap", "round");
  svg.append(line);
  return svg;
}

/** "$0.00397" with its leading zeros dimmed, so that the digits that matter stand out; ranges too. */
function money(text, tag = "span") {
  const parts = text.split(/(\$[\d.,_]+)/).flatMap((part) => {
    const at = part.search(/[1-9]/);
    return part.startsWith("$") && at > 0 ? [el("span", { class: "hp-dim" }, part.slice(0, at)), part.slice(at)] : part ? [part] : [];
  });
  return el(tag, { class: "hp-money" }, parts);
}

function stars(rating) {
  const words = rating ? `${rating} of 5 stars` : "not rated";
  const row = el("span", { class: "hp-stars", role: "img", "aria-label": words });
  for (let n = 1; n <= 5; n += 1) {
    const star = icon(STAR, { filled: n <= (rating || 0), size: 13 });
    star.classList.toggle("hp-off", n > (rating || 0));
    row.append(star);
  }
  return row;
}

/** The media type by the first bytes: the name of a format is not trusted to label bytes. */
function blobUrl(buffer) {
  const bytes = new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
  const type = bytes[0] === 0xff ? "image/jpeg" : bytes[0] === 0x89 ? "image/png" : bytes[0] === 0x52 ? "image/webp" : "application/octet-stream";
  return URL.createObjectURL(new Blob([bytes], { type }));
}

function debounce(wait, action) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...args), wait);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

const typing = (target) => target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select") !== null;

const AGAIN = 4_000; // milliseconds without a confirmation until a message is sent again
const LOST = 10_000; // without any message until nobody seems to be there
const MOST_AGAIN = 50;

/**
 * Messages to the kernel, each taken once and in order (`inbox.py` is the other end): numbered, kept
 * until they are confirmed, and sent again, because a socket that reconnects may lose one.
 */
class Outbox {
  constructor(model, lost) {
    this.model = model;
    this.lost = lost;
    this.sender = Math.random().toString(36).slice(2); // tells this page from another on its kernel
    this.number = 0;
    this.waiting = new Map();
    this.mute = false;
  }

  post(message, buffers) {
    this.number += 1;
    const sent = { ...message, posted: [this.sender, this.number] };
    if (!this.waiting.size) this.confirmedAt = this.heardAt = Date.now();
    this.waiting.set(this.number, { sent, buffers });
    this.model.send(sent, undefined, buffers);
    this.timer ??= setTimeout(() => this.look(0), AGAIN);
  }

  /** Sends again what is not confirmed, three times, and tells when nobody seems to be there. */
  look(asked) {
    this.timer = null;
    if (!this.waiting.size) return;
    const unconfirmed = Date.now() - this.confirmedAt;
    const again = unconfirmed >= AGAIN * (asked + 1) && asked < 3;
    try {
      for (const { sent, buffers } of again ? [...this.waiting.values()].slice(0, MOST_AGAIN) : []) {
        // A large piece of a file may still be on its way.
        if (!buffers || unconfirmed >= LOST) this.model.send(sent, undefined, buffers);
      }
    } catch {
      // The kernel is gone for good: told below.
    }
    this.timer = setTimeout(() => this.look(asked + again), AGAIN / 2);
    if (Date.now() - this.heardAt >= LOST && !this.mute) {
      this.mute = true;
      this.lost();
    }
  }

  /** Takes note of a message from the kernel; true when it ends a silence that was told. */
  heard(message) {
    const back = this.mute;
    this.mute = false;
    this.heardAt = Date.now();
    const numbers = message.heard?.[this.sender];
    if (numbers) {
      for (const number of numbers) this.waiting.delete(number);
      this.confirmedAt = this.heardAt;
      clearTimeout(this.timer);
      this.timer = this.waiting.size ? setTimeout(() => this.look(0), AGAIN) : null;
    }
    return back;
  }

  dispose() {
    clearTimeout(this.timer);
    this.waiting.clear();
  }
}

/**
 * A page over its state in the kernel: custom messages both ways, nothing in synced traits.
 * A subclass has `build`, `handlers` (by the name in `show`), and may have `resize`.
 */
class Page {
  constructor(model, root, name) {
    this.model = model;
    this.root = root;
    this.outbox = new Outbox(model, () => this.noAnswer());
    this.lost = "No answer for ten seconds: the connection may be gone. Reload the page; what was not marked as saved may be lost.";
    this.prepare?.();
    this.root.classList.add("hp");
    // JupyterLab leaves keys alone below this mark; without it "0" and "5" are its shortcuts.
    this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    this.buildHead(name);
    this.build();
    this.followTheme();
    this.resized = new ResizeObserver(() => {
      const width = this.root.clientWidth;
      this.root.classList.toggle("hp-narrow", width < 860);
      this.root.classList.toggle("hp-tiny", width < 540);
      this.resize?.(width);
    });
    this.resized.observe(this.root);
    this.listener = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.listener);
    this.send({ do: "open", ...this.opening?.() });
  }

  /** For this tab, until it is closed: what a reload brings back. */
  remember(name, value) {
    try {
      sessionStorage.setItem(`halfpenny-${name}`, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing loses nothing but this comfort.
    }
  }

  recall(name) {
    try {
      return JSON.parse(sessionStorage.getItem(`halfpenny-${name}`)) ?? undefined;
    } catch {
      return undefined;
    }
  }

  /** The bar that all pages share: the name, the way to the other pages, provider and spending. */
  buildHead(name) {
    this.provider = el("span", { class: "hp-provider" });
    this.spend = el("span", { class: "hp-spend" });
    this.links = el("nav", { class: "hp-nav", "aria-label": "Pages", hidden: true });
    this.banner = el("p", { class: "hp-banner", hidden: true });
    this.alert = el("div", { class: "hp-alert", role: "alert", hidden: true });
    this.root.append(
      el("header", { class: "hp-head" },
        el("h1", {}, el("span", { class: "hp-mark", "aria-hidden": "true" }, "½"), "Halfpenny", el("span", { class: "hp-page" }, name)),
        this.links,
        el("div", { class: "hp-state" }, this.provider, this.spend)),
      this.banner,
      this.alert,
    );
  }

  showHead(head) {
    this.head = head;
    this.provider.replaceChildren(el("span", { class: head.offline ? "hp-dot hp-hollow" : "hp-dot", "aria-hidden": "true" }), head.provider);
    this.spend.replaceChildren(
      "billed ", money(head.settled),
      ...(head.held ? [" · held ", money(head.held)] : []),
      ...(head.samples ? [" · samples ", money(head.samples)] : []),
      ...(head.cap ? [" · cap ", money(head.cap)] : [" · no cap"]));
    this.banner.hidden = !head.banner;
    this.banner.replaceChildren(head.banner || "");
  }

  /** The way to the other pages, where they are served beside this one. */
  showPages(pages) {
    this.links.hidden = pages.length < 2;
    this.links.replaceChildren(...pages.map(({ name, href, here }) => el("a", { href, "aria-current": here ? "page" : null }, name)));
  }

  send(message, buffers) {
    this.outbox.post(message, buffers);
  }

  receive(message, buffers) {
    if (this.outbox.heard(message) && this.alert.textContent === this.lost) this.alert.hidden = true;
    if (message.show === "pages") this.showPages(message.pages);
    this.handlers(message, buffers)[message.show]?.();
  }

  /** Nobody answered for ten seconds: told here, and taken back when somebody does. */
  noAnswer() {
    this.say(this.lost);
  }

  showError(message) {
    this.say(message.text);
  }

  say(text, kind = "") {
    this.alert.className = `hp-alert ${kind}`;
    this.alert.replaceChildren(text);
    this.alert.hidden = false;
  }

  /** Dark or light is read off the page itself: themes and the system both may set it. */
  followTheme() {
    const look = () => {
      const [red, green, blue] = getComputedStyle(this.root).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [255, 255, 255];
      const dark = red * 0.299 + green * 0.587 + blue * 0.114 < 128;
      this.root.classList.toggle("hp-dark", dark);
    };
    this.watch = new MutationObserver(look);
    this.watch.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-name", "data-jp-theme-light"] });
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.system.addEventListener("change", look);
    this.look = look;
    requestAnimationFrame(look); // the element has no style before it is in the page
    setTimeout(look, 500);
  }

  dispose() {
    this.outbox.dispose();
    this.watch.disconnect();
    this.resized.disconnect();
    this.system.removeEventListener("change", this.look);
    this.model.off("msg:custom", this.listener);
  }
}

/** The module of a page, as anywidget wants it. */
const pageModule = (Kind) => ({
  render({ model, el: root }) {
    const page = new Kind(model, root);
    return () => page.dispose();
  },
});
