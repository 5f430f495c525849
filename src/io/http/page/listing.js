// Cards that are tables: rows of an insight.

import { Card, withoutInsights } from "./card.js";
import { putWhenNew, scrolling } from "./table.js";

/** `columns` are `[name, kind]`; `rows` makes them of all insights, `told` says what is left to say of these, and `empty` why there are none. */
export class Listing {
  constructor({ title, define, size = "half", columns, rows, told = () => "", empty }) {
    this.columns = columns.map(([name, kind]) => ({ name, kind }));
    this.parts = { title, rows, told, empty };
    this.card = new Card({ title, define, size, data: () => this.table(), isTable: true });
  }

  draw({ insights }) {
    this.rows = insights.data ? this.parts.rows(insights.data) : [];
    if (this.card.refuse(withoutInsights(insights) ?? (this.rows.length ? null : this.parts.empty))) return;
    this.card.draw(`${this.parts.told(insights.data)} As of ${insights.data.as_of}.`.trim());
    putWhenNew(this.card.body, JSON.stringify(this.rows), () => scrolling(this.table(), this.parts.title));
  }

  table() {
    return { columns: this.columns, rows: this.rows };
  }
}
