// A card: a title that says what it means, something drawn, the same as a table, and a copy for spreadsheets.

import { term } from "./definitions.js";
import { shown, linkTo } from "./address.js";
import { copy, csv, make, putWhenNew, scrolling, setText } from "./table.js";

let cards = 0;

/** `data` gives the table of what is drawn: `{columns, rows}`; with `isTable`, that is what is drawn. */
export class Card {
  constructor({ title, define, size = "half", data, isTable = false }) {
    const id = `card-${(cards += 1)}`;
    this.title = title;
    this.data = data;
    this.about = make("p", { class: "about" });
    this.body = make("div", { class: "body" });
    this.place = make("div", { class: "as-table", hidden: true });
    this.tools = make("div", { class: "tools" });
    const heading = make("h3", { id }, define ? term(title, define) : title);
    this.element = make(
      "section",
      { class: `card ${size}`, "aria-labelledby": id },
      make("header", {}, heading, this.tools),
      this.about,
      this.body,
      this.place,
    );
    if (data) this.addTools(isTable);
  }

  addTools(isDrawnAsTable) {
    this.toggle = make(
      "button",
      { type: "button", class: "tool", "aria-pressed": "false", "aria-label": `Table of ${this.title}` },
      "Table",
    );
    this.toggle.addEventListener("click", () => this.turn());
    const copying = make("button", { type: "button", class: "tool", "aria-label": `Copy CSV of ${this.title}` }, "Copy CSV");
    copying.addEventListener("click", async () => {
      try {
        await copy(csv(this.data()));
        announce(`${this.title} is on the clipboard.`);
        setText(copying, "Copied");
      } catch (error) {
        announce(`${this.title} could not be copied: ${error.message}.`);
        setText(copying, "Not copied");
      }
      setTimeout(() => setText(copying, "Copy CSV"), 2000);
    });
    this.tools.append(...(isDrawnAsTable ? [] : [this.toggle]), copying);
  }

  get isTable() {
    return this.toggle?.getAttribute("aria-pressed") === "true";
  }

  turn() {
    this.toggle.setAttribute("aria-pressed", String(!this.isTable));
    this.draw();
  }

  /** Shows the table when it is asked for; `told` says what is left to say, such as the day that it is of. */
  draw(told = this.told ?? "") {
    this.told = told;
    setText(this.about, told);
    this.about.hidden = told === "";
    this.place.hidden = !this.isTable;
    this.body.hidden = this.isTable;
    if (this.isTable) {
      const data = this.data();
      putWhenNew(this.place, JSON.stringify(data), () => scrolling(data, `${this.title}, as a table`));
    }
  }

  /** Says why there is nothing to draw; with no reason, lets it be drawn again. */
  refuse(reason) {
    this.element.classList.toggle("without", Boolean(reason));
    this.tools.hidden = Boolean(reason);
    this.empty ??= make("p", { class: "empty" });
    if (reason) {
      const { text, link } = typeof reason === "string" ? { text: reason, link: "" } : reason;
      putWhenNew(this.empty, text, () => [text, link]);
      if (!this.empty.isConnected) this.element.append(this.empty);
      this.body.hidden = true;
      this.place.hidden = true;
      this.about.hidden = true;
    } else {
      this.empty.remove();
    }
    return Boolean(reason);
  }
}

/** Why a figure of all users alone is not there in a segment. */
export function onlyForAll() {
  if (shown().segment === "all") return null;
  return { text: "This is told for all users only. ", link: make("a", { href: linkTo({ segment: "all" }) }, "Show all users") };
}

/** Why an insight is not there. */
export function withoutInsights(insights) {
  if (insights.data) return null;
  return insights.reason ?? "Asking…";
}

/** Tells those who do not see the page. */
export function announce(text) {
  setText(document.getElementById("announcement"), text);
}
