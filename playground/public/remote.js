// The public page's source: a kernel that answers a few questions, and pictures over HTTP. The wall
// stands in the page already; this binds to it.

const HEARTBEAT = 25_000; // milliseconds; the server lets a kernel go that is silent for two minutes
const PATIENCE = 10_000;

class RemoteSource {
  constructor(model) {
    this.model = model;
    this.number = 0;
    this.waiting = new Map();
    this.listener = (message) => this.answered(message);
    model.on("msg:custom", this.listener);
    this.beat = setInterval(() => document.visibilityState === "visible" && model.send({ do: "here" }), HEARTBEAT);
    this.awake = () => document.visibilityState === "visible" && this.asked("open", {}, 4000).catch(() => this.asleep());
    document.addEventListener("visibilitychange", this.awake);
  }

  asked(what, rest = {}, patience = PATIENCE) {
    const n = (this.number += 1);
    return new Promise((done, failed) => {
      const late = setTimeout(() => {
        this.waiting.delete(n);
        failed(new Error("The gallery has gone to sleep, or the connection is gone: load the page again."));
        this.asleep();
      }, patience);
      this.waiting.set(n, (answer) => {
        clearTimeout(late);
        if (answer.sorry) failed(new Error(answer.sorry));
        else done(answer);
      });
      this.model.send({ do: what, n, ...rest });
    });
  }

  answered(message) {
    const take = this.waiting.get(message?.n);
    this.waiting.delete(message?.n);
    take?.(message);
  }

  /** Nobody was here for a while and the kernel was given away: one press brings another one. */
  asleep() {
    if (document.querySelector(".pub-asleep")) return;
    const again = el("p", { class: "pub-asleep hp-banner", role: "alert" }, "This page has slept. ", el("button", { type: "button", class: "hp-link", onclick: () => location.reload() }, "Wake it up"), " or look at the ", el("a", { href: `site/index.html${location.hash}` }, "static gallery"), ".");
    document.querySelector(".pub .hp-head").after(again);
  }

  async find(ask) {
    const page = async (after) => {
      const answer = await this.asked("find", { q: ask.q, where: ask.where, sort: ask.sort, after });
      return { cards: answer.cards, total: answer.total, facets: answer.facets, more: answer.next ? () => page(answer.next) : null };
    };
    return page(null);
  }

  async card(id) {
    return (await this.asked("card", { id })).card;
  }

  async words(id) {
    return (await this.asked("words", { id })).words;
  }

  picture(card, what) {
    return `site/pictures/${card.id}-${what === "small" ? "s" : what === "large" && card.large ? "l" : "m"}.webp`;
  }

  page(card) {
    return `site/item/${card.id}.html`;
  }

  async texture(card) {
    const picture = new Image();
    picture.src = this.picture(card, "large");
    await picture.decode();
    return picture;
  }

  dispose() {
    clearInterval(this.beat);
    document.removeEventListener("visibilitychange", this.awake);
    this.model.off("msg:custom", this.listener);
  }
}

export default {
  async render({ model }) {
    const source = new RemoteSource(model);
    const root = document.querySelector(".pub");
    if (root && !root.dataset.bound) {
      root.dataset.bound = "yes";
      const { title, count, sorts } = await source.asked("open");
      new Wall(root, source, { title, sorts, total: count });
    }
    return () => source.dispose();
  },
};
