// The parts that a tab of the pricing lab is made of: each function turns one block of values into
// nodes. Texts come from the kernel and may hold anything; they are only ever text here.

const VERDICTS = { holds: "✓", "holds on conditions": "≈", wrong: "✗", "cannot be known": "?" };
const LOCK = "M4 7h8v6H4zM5.5 7V5a2.5 2.5 0 0 1 5 0v2";
const CERTAIN = {
  official: "said by the provider", measured: "measured by users", "worked out": "worked out from measurements",
  "third party": "from a seller's table", "not known": "not certain",
};

/** Puts a text on the clipboard, and says so on its button. */
async function copyText(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const box = el("textarea", { class: "lb-hide", "aria-hidden": "true" });
    box.value = text;
    button.after(box);
    box.select();
    button.textContent = document.execCommand("copy") ? "Copied" : "Select it and copy";
    box.remove();
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

class Blocks {
  /** `act(message)` sends to the kernel; `page` gives the few things that blocks share. */
  constructor(page) {
    this.page = page;
    this.plots = [];
  }

  /** All blocks of a tab as nodes. */
  draw(blocks, buffers, plots) {
    this.buffers = buffers;
    this.found = plots;
    return blocks.map((block) => this[`block_${block.b}`]?.(block)).filter(Boolean);
  }

  cell(value) {
    if (value !== null && typeof value === "object") {
      if (value.stars !== undefined) return stars(value.stars);
      return el("button", { type: "button", class: "hp-link", "aria-label": value.name ?? null, onclick: () => this.page.act(value.do) }, value.label);
    }
    return value;
  }

  block_lead({ text, small }) {
    return el("div", { class: "lb-lead" }, text && el("p", { class: "lb-words" }, text), small && el("p", { class: "hp-small" }, small));
  }

  block_price({ text, what, basis }) {
    const parts = text.split(" to ").flatMap((part, n) => [n ? " to " : "", money(part)]);
    return el("div", { class: "lb-price" }, el("p", { class: "lb-amount" }, ...parts), el("p", { class: "hp-small" }, `${what} · ${basis}`));
  }

  block_pair({ items, what }) {
    return el("div", { class: "lb-pairbox" }, el("p", { class: "hp-small" }, what),
      el("div", { class: "lb-pair" }, items.map(([name, text]) => el("div", {}, el("p", { class: "hp-small" }, name), el("p", { class: "lb-amount" }, ...text.split(" to ").flatMap((part, n) => [n ? " to " : "", money(part)]))))));
  }

  block_table({ title, head, rows, note }) {
    return el("section", { class: "lb-part" }, el("h3", {}, title),
      el("div", { class: "lb-scroll", tabindex: "0", role: "region", "aria-label": title }, tableOf(head, rows, (cell) => this.cell(cell))),
      note && el("p", { class: "hp-small" }, note));
  }

  block_notes({ title, items }) {
    return el("section", { class: "lb-part" }, el("h3", {}, title), el("ul", { class: "lb-list" }, items.map((item) => el("li", {}, item))));
  }

  block_links({ title, items }) {
    return el("section", { class: "lb-part" }, el("h3", {}, title), el("ul", { class: "lb-list" }, items.map(([text, url]) => el("li", {}, this.link(text, url)))));
  }

  link(text, url) {
    return /^https:\/\//.test(url ?? "") ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text) : text;
  }

  block_figure(figure) {
    const plot = new Plot(figure);
    this.found.push(plot);
    return plot.node;
  }

  block_spot({ size, shown, model, quality, command }) {
    const copy = el("button", { type: "button", class: "hp-button", onclick: () => copyText(copy, command) }, "Copy as flags");
    const hash = `#${new URLSearchParams({ model, size, quality })}`;
    return el("div", { class: "lb-line" },
      this.page.playground && el("a", { class: "hp-button lb-go", href: `${this.page.playground}${hash}` }, `Take ${size} to the playground`),
      copy, el("code", {}, command), el("span", { class: "hp-small" }, `shown as ${shown} on a forum`));
  }

  block_steps({ steps }) {
    return el("section", { class: "lb-part" }, el("h3", {}, "Step by step"),
      el("ol", { class: "lb-steps" }, steps.map(([what, sum, result, certainty, why]) => el("li", {},
        el("span", { class: "lb-what" }, what),
        el("span", { class: "lb-sum" }, sum),
        el("strong", { class: "lb-result" }, result),
        el("span", { class: `lb-sure lb-sure-${certainty.replace(" ", "-")}`, title: CERTAIN[certainty] }, CERTAIN[certainty]),
        why && el("span", { class: "hp-small lb-why" }, why)))));
  }

  block_pieces({ title, pieces, note }) {
    return el("section", { class: "lb-part" }, el("h3", {}, title),
      el("p", { class: "lb-pieces" }, pieces.map((piece, n) => el("span", { class: n % 2 ? "lb-piece lb-odd" : "lb-piece" }, piece.replace(/\n/g, "↵")))),
      el("p", { class: "hp-small" }, note));
  }

  block_sight({ photo, width, height, cell, columns, rows, text }) {
    const grid = svgEl("svg", { viewBox: `0 0 ${width} ${height}`, class: "lb-gridlines", "aria-hidden": "true", preserveAspectRatio: "none" });
    let path = "";
    for (let n = 1; n < columns; n += 1) path += `M${n * cell} 0V${height}`;
    for (let n = 1; n < rows; n += 1) path += `M0 ${n * cell}H${width}`;
    if (path) grid.append(svgEl("path", { d: path, class: "lb-gridunder" }), svgEl("path", { d: path, class: "lb-gridover" }));
    const frame = el("div", { class: "lb-sight", role: "img", "aria-label": text });
    frame.style.aspectRatio = `${width} / ${height}`;
    frame.style.maxWidth = `min(100%, ${Math.round((360 * width) / height)}px)`;
    if (photo && this.buffers?.[0]) {
      const image = el("img", { alt: "" });
      image.src = blobUrl(this.buffers[0]);
      image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
      frame.append(image);
    }
    frame.append(grid);
    return el("section", { class: "lb-part" }, el("h3", {}, "What the model looks at"), frame, el("p", { class: "hp-small" }, text));
  }

  block_claims({ claims }) {
    return el("div", { class: "lb-claims" }, claims.map(({ claim, said, verdict, words, lines, links }) => el("article", { class: "lb-claim" },
      el("p", { class: `lb-verdict lb-is-${verdict.replaceAll(" ", "-")}` }, el("span", { "aria-hidden": "true" }, VERDICTS[verdict]), ` ${verdict}`),
      el("h3", {}, `“${claim}”`),
      el("p", { class: "hp-small" }, said),
      el("p", {}, words),
      el("dl", { class: "hp-facts" }, lines.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]).flat()),
      el("p", { class: "hp-small" }, "Sources: ", ...links.flatMap(([text, url], n) => [n ? " · " : "", this.link(text, url)])))));
  }

  block_words({ words }) {
    return el("section", { class: "lb-part" }, el("h3", {}, "Tokens by word"),
      el("p", { class: "hp-small" }, "Press a word to keep it whatever the limit."),
      el("p", { class: "lb-wordlist" }, words.map(([text, tokens, pieces, locked]) => el("button", {
        type: "button", class: `lb-word lb-w${Math.min(4, tokens)}`, "aria-pressed": String(locked), "data-word": text,
        title: `${pieces.join(" · ")}`, "aria-label": `${text}: ${tokens} ${tokens === 1 ? "token" : "tokens"}${locked ? ", stays" : ""}`,
        onclick: () => this.page.toggleWord(text, locked),
      }, locked && icon(LOCK, { size: 12 }), text, el("sub", {}, String(tokens))))));
  }

  block_cut({ words, prompt, met, steps, dropped }) {
    return el("section", { class: "lb-part lb-cut" }, el("h3", {}, "Cut to the limit"),
      el("p", { class: met ? "hp-status hp-good" : "hp-status hp-bad" }, words),
      el("p", { class: "lb-cutprompt" }, prompt),
      steps.length > 0 && el("ul", { class: "lb-list" }, steps.map((step) => el("li", {}, step))),
      dropped.length > 0 && el("p", { class: "hp-small" }, "Gone: ", dropped.map((word) => `“${word}”`).join(", ")),
      el("button", { type: "button", class: "hp-button", onclick: () => this.page.act({ do: "take_cut" }) }, "Use this prompt"));
  }

  block_reprice() {
    const on = el("input", { type: "text", class: "lb-input", size: "11", placeholder: "2024-08-06", "aria-label": "Prices of day" });
    const model = el("input", { type: "text", class: "lb-input", size: "18", placeholder: "the same model", "aria-label": "Asked of model" });
    if (this.page.repriced) [on.value, model.value] = this.page.repriced;
    const go = () => {
      this.page.repriced = [on.value, model.value];
      this.page.act({ do: "reprice", on: on.value, model: model.value });
    };
    for (const input of [on, model]) input.addEventListener("keydown", (event) => event.key === "Enter" && go());
    return el("section", { class: "lb-part" }, el("h3", {}, "Your gallery at other prices"),
      el("p", { class: "hp-small" }, "What was booked stays as it is; this only shows what the same calls would cost."),
      el("div", { class: "lb-line" }, el("label", { class: "lb-field" }, el("span", {}, "Prices of"), on), el("label", { class: "lb-field" }, el("span", {}, "Model"), model),
        el("button", { type: "button", class: "hp-button lb-low", onclick: go }, "Re-price")));
  }

  block_post() {
    const box = el("textarea", { class: "lb-post", rows: "8", readonly: true, "aria-label": "The board as a forum post in Markdown", hidden: true });
    const copy = el("button", { type: "button", class: "hp-button", hidden: true, onclick: () => copyText(copy, box.value) }, "Copy");
    this.page.showPost = (text) => {
      box.value = text;
      box.hidden = false;
      copy.hidden = false;
    };
    return el("section", { class: "lb-part" },
      el("div", { class: "lb-line" }, el("button", { type: "button", class: "hp-button", onclick: () => this.page.act({ do: "post" }) }, "As a forum post"), copy), box);
  }

  block_exercises({ levels, done, of }) {
    const bar = el("progress", { class: "lb-progress", max: String(of), value: String(done), "aria-label": "Exercises solved" });
    const one = ({ id, question, unit, choices, minutes, solved, tries, words, right }) => {
      const words_ = el("p", { class: `hp-status ${right ? "hp-good" : "hp-bad"}`, role: "status" }, words);
      let given = () => "";
      let box;
      const label = `Answer to: ${question}`;
      if (choices.length) {
        box = el("div", { class: "lb-chips", role: "radiogroup", "aria-label": label }, choices.map((choice) => el("label", { class: "lb-chip" }, el("input", { type: "radio", name: `lb-ex-${id}`, value: choice }), choice)));
        given = () => box.querySelector("input:checked")?.value ?? "";
      } else {
        const input = el("input", { type: "text", class: "lb-input", size: "12", "aria-label": label, "data-exercise": id, inputmode: "decimal", autocomplete: "off" });
        input.value = this.page.given?.[id] ?? "";
        input.addEventListener("keydown", (event) => event.key === "Enter" && check());
        given = () => input.value;
        box = el("div", { class: "lb-line" }, input, el("span", { class: "hp-small" }, unit));
      }
      const check = () => {
        this.page.given = { ...this.page.given, [id]: given() };
        this.page.act({ do: "grade", id, given: given() });
      };
      return el("li", { class: solved ? "lb-exercise lb-solved" : "lb-exercise", "data-id": id },
        el("p", {}, solved && el("strong", { class: "lb-tick2" }, "✓ "), question, el("span", { class: "hp-small" }, `  ${minutes} min${tries ? ` · ${tries} ${tries === 1 ? "try" : "tries"}` : ""}`)),
        el("div", { class: "lb-line" }, box, el("button", { type: "button", class: "hp-button", "data-check": id, "aria-label": `Check: ${question}`, onclick: check }, "Check")), words_);
    };
    return el("section", { class: "lb-part" }, bar,
      levels.map(({ name, minutes, exercises }) => el("section", { class: "lb-level" }, el("h3", {}, name, el("span", { class: "hp-small" }, ` about ${minutes} minutes`)), el("ol", { class: "lb-exercises" }, exercises.map(one)))),
      el("button", { type: "button", class: "hp-link", onclick: () => this.page.act({ do: "anew" }) }, "Begin anew"));
  }
}
