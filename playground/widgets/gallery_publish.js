// The publish dialog: what strangers would get, looked at before anything is made.

const USUAL_FIELDS = ["title", "prompt", "caption", "model", "rating", "tags", "date"];

class PublishDialog {
  constructor(host) {
    this.host = host;
    this.dialog = el("dialog", { class: "hp-publish", "aria-labelledby": "hp-publishtitle" });
    this.urls = [];
    this.dialog.addEventListener("close", () => {
      this.asked?.cancel();
      this.empty();
    });
    this.build();
  }

  build() {
    this.title = el("h2", { id: "hp-publishtitle" }, "Publish pictures");
    this.fields = el("fieldset", { class: "hp-publishfields" });
    this.boards = el("fieldset", { class: "hp-publishfields" });
    this.folder = el("input", { class: "hp-input", id: "hp-publishfolder", autocomplete: "off", spellcheck: "false", maxlength: "1000" });
    this.asked = debounce(400, () => this.again());
    this.folder.addEventListener("input", () => { this.busy(true); this.asked(); });
    this.keep = el("input", { type: "checkbox", checked: true, onchange: () => this.showThere() });
    this.keepLine = el("label", { class: "hp-switch", hidden: true }, this.keep, el("span", {}));
    this.there = el("div", { class: "hp-publishthere", hidden: true });
    this.heading = el("h3", {}, "Strangers get exactly this");
    this.notices = el("ul", { class: "hp-small" });
    const part = (stays, attributes) => {
      const list = el("ol", { class: "hp-publishlist", ...attributes });
      const more = el("button", { type: "button", class: "hp-link", hidden: true, onclick: () => this.host.send({ do: "publish_more", stays, start: list.children.length }) }, "Show more");
      return { list, more };
    };
    this.picks = part(false, { "aria-label": "Chosen pictures" });
    this.stays = part(true, { "aria-labelledby": "hp-publishstays" });
    this.staysHeading = el("h3", { id: "hp-publishstays" });
    this.staysBox = el("section", { class: "hp-publishpreview", hidden: true }, this.staysHeading, this.stays.list, this.stays.more);
    this.alert = el("p", { class: "hp-alert", role: "alert", hidden: true });
    this.status = el("p", { class: "hp-small", role: "status" });
    this.bar = el("progress", { "aria-label": "Pictures that are ready", hidden: true });
    this.result = el("section", { class: "hp-publishresult", tabindex: "-1", "aria-label": "Result", hidden: true });
    this.button = el("button", { type: "button", class: "hp-button hp-publishnow", onclick: () => this.publish() }, "Publish");
    this.dialog.append(
      el("div", { class: "hp-publishhead" }, this.title, el("button", { type: "button", class: "hp-round hp-close", "aria-label": "Close", onclick: () => this.dialog.close() }, icon(ICONS.close))),
      el("div", { class: "hp-publishbody", tabindex: "0", role: "group", "aria-label": "What is published" },
        el("div", { class: "hp-publishset" }, this.result, this.fields, this.boards,
          el("div", {}, el("label", { class: "hp-publishlabel", for: "hp-publishfolder" }, "Folder"), this.folder, el("p", { class: "hp-small" }, "It holds a web site and a database of what you see here, and nothing else of your gallery.")),
          this.keepLine, this.there),
        el("div", { class: "hp-publishpreview" }, this.heading, this.notices, this.picks.list, this.picks.more, this.staysBox)),
      el("div", { class: "hp-publishfoot" }, this.alert, this.bar, this.status, this.button));
  }

  /** `places` are [start, end) pairs; null for all that was found. */
  show(places, count) {
    this.count = count;
    this.chosen = USUAL_FIELDS;
    this.clubs = [];
    this.folder.value = "";
    this.keep.checked = true;
    this.offer = null;
    [this.result, this.alert, this.keepLine, this.there, this.picks.more, this.staysBox, this.bar].forEach((one) => { one.hidden = true; });
    [this.fields, this.boards, this.notices, this.status].forEach((one) => one.replaceChildren());
    this.empty();
    this.busy(true);
    this.host.send({ do: "publish_look", places, sequence: this.host.wall.sequence, fields: this.chosen, boards: this.clubs, dest: "" });
    this.status.replaceChildren("Looking…");
    this.dialog.showModal();
    this.dialog.querySelector(".hp-close").focus();
  }

  empty() {
    [this.picks, this.stays].forEach(({ list }) => list.replaceChildren());
    this.urls.forEach((url) => URL.revokeObjectURL(url));
    this.urls = [];
  }

  again() {
    this.busy(true);
    this.alert.hidden = true;
    this.host.send({ do: "publish_look", again: true, fields: this.chosen, boards: this.clubs, dest: this.folder.value });
  }

  /** Nothing can be published while what is shown may not be what would be made. */
  busy(on) {
    this.button.disabled = on;
    this.button.replaceChildren(`Publish ${plural(this.offer?.count ?? this.count)}`);
  }

  showOffer(offer, buffers) {
    const scroll = this.fields.children.length ? this.dialog.querySelector(".hp-publishbody").scrollTop : 0;
    const held = document.activeElement?.dataset?.publish;
    this.offer = offer;
    this.title.replaceChildren(`Publish ${plural(offer.count)}`);
    if (document.activeElement !== this.folder) this.folder.value = offer.folder;
    this.fields.replaceChildren(el("legend", {}, "With the pictures go"), ...offer.fields.map((one) => {
      const box = el("input", { type: "checkbox", "data-publish": one.name, checked: one.on });
      box.addEventListener("change", () => {
        this.chosen = box.checked ? [...this.chosen, one.name] : this.chosen.filter((name) => name !== one.name);
        this.again();
      });
      return el("label", { class: "hp-switch" }, box, el("span", {}, one.label, !one.on && one.withheld > 0 && el("span", { class: "hp-small" }, ` · ${one.withheld.toLocaleString("en")} stay${one.withheld === 1 ? "s" : ""} private`)));
    }), el("p", { class: "hp-small" }, "Alternative text, kind and size always go along; file names, metadata and originals never do."));
    this.boards.replaceChildren(el("legend", {}, "Challenge boards"), ...offer.boards.map((one) => {
      const box = el("input", { type: "checkbox", "data-publish": one.name, checked: one.on });
      box.addEventListener("change", () => {
        this.clubs = box.checked ? [...this.clubs, one.name] : this.clubs.filter((name) => name !== one.name);
        this.again();
      });
      return el("label", { class: "hp-switch" }, box, el("span", {}, one.label, el("span", { class: "hp-small" }, ` · ${one.count === null ? one.rules : one.count ? `${plural(one.count)} in it` : "none of these is in it"}`)));
    }), el("p", { class: "hp-small" }, `A board shows of its pictures: ${offer.told}.`),
    ...(offer.boards_there.length ? [el("p", { class: "hp-small" }, `In the folder already: ${offer.boards_there.join(", ")}. Other pictures keep their places there; these get one only where it is chosen here.`)] : []));
    this.notices.replaceChildren(...offer.notices.map((text) => el("li", {}, text)));
    this.empty();
    this.status.replaceChildren();
    this.addRows(this.picks, offer.entries, offer.count, buffers);
    this.addRows(this.stays, offer.stays, offer.others, buffers);
    this.showThere();
    this.busy(false);
    if (held) this.dialog.querySelector(`[data-publish="${held}"]`)?.focus({ preventScroll: true });
    this.dialog.querySelector(".hp-publishbody").scrollTop = scroll;
  }

  addRows({ list, more }, entries, count, buffers) {
    list.append(...entries.map((entry) => {
      const url = entry.thumb === null ? null : blobUrl(buffers[entry.thumb]);
      if (url) this.urls.push(url);
      return el("li", { "data-id": entry.id }, el("span", { class: "hp-publishpicture" }, url && el("img", { src: url, alt: "" })),
        el("dl", {}, entry.rows.map(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]).flat()));
    }));
    const rest = count - list.children.length;
    more.hidden = rest <= 0;
    more.replaceChildren(`Show more (${rest.toLocaleString("en")})`);
  }

  showMore(message, buffers) {
    const part = message.stays ? this.stays : this.picks;
    const count = message.stays ? this.offer?.others : this.offer?.count;
    if (this.dialog.open && message.start === part.list.children.length) this.addRows(part, message.entries, count, buffers);
  }

  /** What is in the folder already: it stays, goes, or is taken back. */
  showThere() {
    const { there, mine, count, others } = this.offer;
    this.staysBox.hidden = others === 0 || !this.keep.checked;
    this.staysHeading.replaceChildren(`And ${plural(others, "other ")}, as published before`);
    this.keepLine.hidden = others <= 0;
    this.keepLine.lastChild.replaceChildren(`Keep the ${plural(others, "other ")} in this folder as published before`);
    this.there.hidden = there === 0;
    const back = (label, everything) => el("button", { type: "button", class: "hp-button", onclick: () => { this.busy(true); this.alert.hidden = true; this.host.send({ do: "unpublish", everything }); } }, label);
    this.there.replaceChildren(...[
      el("p", { class: "hp-small" }, `${plural(there)} ${there === 1 ? "is" : "are"} published here${!this.keep.checked && others > 0 ? `; ${plural(others)} will be gone` : ""}.`),
      mine > 0 && back(mine === 1 ? (count === 1 ? "Unpublish this picture" : "Unpublish the one of these") : `Unpublish these ${mine.toLocaleString("en")}`, false),
      back(`Unpublish all ${there.toLocaleString("en")}`, true),
    ].filter(Boolean));
  }

  publish() {
    this.busy(true);
    this.alert.hidden = true;
    this.result.hidden = true;
    this.host.send({ do: "publish", keep: this.keep.checked });
  }

  showMaking({ done, total }) {
    this.bar.hidden = false;
    if (total) Object.assign(this.bar, { max: total, value: done });
    else this.bar.removeAttribute("value");
    this.status.replaceChildren(total ? `${done.toLocaleString("en")} of ${total.toLocaleString("en")} pictures are ready` : "Publishing…");
  }

  showMade(made) {
    this.finish(
      el("h3", {}, `${plural(made.count)} published`),
      el("p", {}, "Open it in a browser:"), el("code", {}, made.index),
      el("p", {}, "Show it from this machine:"), el("code", {}, made.command),
      el("p", {}, "Or put this folder on any web host:"), el("code", {}, made.site),
      made.missing.length > 0 && el("p", { class: "hp-small" }, `Left out: ${made.missing.join("; ")}.`));
    this.again();
  }

  showTaken({ text }) {
    this.finish(el("p", {}, text));
    this.busy(false);
  }

  finish(...told) {
    this.bar.hidden = true;
    this.status.replaceChildren();
    this.result.replaceChildren(...told.filter(Boolean));
    this.result.hidden = false;
    this.dialog.querySelector(".hp-publishbody").scrollTop = 0;
    this.result.focus();
  }

  showTrouble({ text }) {
    this.bar.hidden = true;
    this.status.replaceChildren();
    this.alert.replaceChildren(text);
    this.alert.hidden = false;
    this.busy(!this.offer);
  }
}

const plural = (count, which = "") => `${count.toLocaleString("en")} ${which}${count === 1 ? "picture" : "pictures"}`;
