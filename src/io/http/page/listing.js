// Cards that are tables: rows of an insight.

import { Card, withoutInsights } from "./card.js";
import { show } from "./numbers.js";
import { putWhenNew, scrolling } from "./table.js";

/**
 * `columns` are `[name, kind]`; `rows` makes them of all insights, `told` says what is left to say of these, and `empty` why there are none. `list` is the path of the
 * list in the insights: they tell how many of its rows they leave out.
 */
export class Listing {
  constructor({ title, define, size = "half", columns, rows, told = () => "", list, empty }) {
    this.columns = columns.map(([name, kind]) => ({ name, kind }));
    this.parts = { title, rows, told, list, empty };
    this.card = new Card({ title, define, size, data: () => this.table(), isTable: true });
  }

  draw({ insights }) {
    this.rows = insights.data ? this.parts.rows(insights.data) : [];
    if (this.card.refuse(withoutInsights(insights) ?? (this.rows.length ? null : this.parts.empty))) return;
    const left = insights.data.left_out?.[this.parts.list];
    const leftOut = left ? ` ${show("count", left)} more are left out.` : "";
    this.card.draw(`${this.parts.told(insights.data)}${leftOut} As of ${insights.data.as_of}.`.trim());
    putWhenNew(this.card.body, JSON.stringify(this.rows), () => scrolling(this.table(), this.parts.title));
  }

  table() {
    return { columns: this.columns, rows: this.rows };
  }
}
