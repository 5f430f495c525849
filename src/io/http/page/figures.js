// Figures of the chosen day beside those of the same weekday before, and charts of many days.

import { Card } from "./card.js";
import { Chart, byDay } from "./chart.js";
import { term } from "./definitions.js";
import { dayOf, numberOf, show } from "./numbers.js";
import { go } from "./address.js";
import { make, setText } from "./table.js";

/** Figures `{label, field, kind, define?}`; a field may be a function of what is shown. */
export class Figures {
  constructor(figures, title) {
    this.figures = figures.map((figure) => {
      const [value, change] = [make("dd", { class: "value" }), make("dd", { class: "change" })];
      const element = make(
        "div",
        { class: `figure ${figure.size ?? ""}` },
        make("dt", {}, term(figure.label, figure.define ?? figure.field)),
        value,
        change,
      );
      return { ...figure, value, change, element };
    });
    this.element = make("dl", { class: "figures card full", "aria-label": title }, ...this.figures.map((figure) => figure.element));
  }

  draw(model) {
    const record = model.record;
    const before = model.records.get(dayOf(numberOf(model.day) - 7));
    for (const figure of this.figures) {
      const field = figure.of?.(model) ?? figure.field;
      const value = record[field];
      figure.element.hidden = value === undefined;
      setText(figure.value, show(figure.kind, value));
      setText(figure.change, change(figure.kind, value, before?.[field], record, before));
    }
  }
}

function change(kind, value, past, record, before) {
  if (value === null) return record.final ? "nobody to count" : "known when the day closes";
  if (!record.final) return typeof past === "number" ? `so far; ${show(kind, past)} a week before` : "so far";
  if (typeof past !== "number" || !before.final) return "";
  const difference = value - past;
  const sign = difference > 0 ? "+" : difference < 0 ? "−" : "±";
  const size = Math.abs(difference);
  if (kind === "share") return `${sign}${show("points", size * 100)}\u00a0pt on the week before`;
  if ((kind === "count" || kind === "money") && past > 0) return `${sign}${show("points", (size / past) * 100)}\u00a0% on the week before`;
  return `${sign}${show(kind, size)} on the week before`;
}

/** A card with a chart of fields by day. `series`: `{name, field, colour, type?, kind?, sign?}`, where a field may be a function of the record. */
export class DayChart {
  constructor({ title, define, size, height, yKind = "count", series, range, refuse }) {
    Object.assign(this, { series, range, refuse, yKind });
    this.chart = new Chart({ label: title, height, yKind, onPick: (x) => go({ day: dayOf(x) }) });
    this.card = new Card({ title, define, size, data: () => this.table() });
    this.card.body.append(this.chart.element);
    this.element = this.card.element;
  }

  wanted(model) {
    return typeof this.series === "function" ? this.series(model) : this.series;
  }

  draw(model) {
    this.model = model;
    if (this.card.refuse(this.refuse?.(model))) return;
    this.card.draw();
    const days = byDay(model.records, model.days);
    const series = this.wanted(model).map(({ name, field, colour, type = "line", kind, sign = 1 }) => ({
      name,
      colour,
      type,
      kind,
      values: days.at(field).map((value) => (value === null ? null : value * sign)),
    }));
    this.chart.show({ xs: days.xs, open: days.open, series, chosen: numberOf(model.day), range: this.range });
  }

  table() {
    const series = this.wanted(this.model);
    const columns = [
      { name: "Day", kind: "text" },
      ...series.map((one) => ({ name: one.name, kind: one.kind ?? this.yKind })),
      { name: "State", kind: "text" },
    ];
    const rows = this.model.days.toReversed().map((day) => {
      const record = this.model.records.get(day);
      const of = ({ field }) => (typeof field === "function" ? field(record) : record[field]) ?? null;
      return [day, ...series.map(of), record.final ? "final" : "provisional"];
    });
    return { columns, rows };
  }
}

/** A row of choices, of which one holds. */
export function choices({ legend, name, options, chosen, onChoose }) {
  const inputs = options.map(([value, text]) => {
    const input = make("input", { type: "radio", name, value, checked: value === chosen() });
    input.addEventListener("change", () => onChoose(value));
    return make("label", {}, input, make("span", {}, text));
  });
  const element = make("fieldset", { class: "switch" }, make("legend", { class: "hidden" }, legend), ...inputs);
  const draw = () => {
    for (const input of element.querySelectorAll("input")) input.checked = input.value === chosen();
  };
  return { element, draw };
}
