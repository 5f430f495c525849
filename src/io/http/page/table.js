// Elements, tables, and tables as text for spreadsheets. Values become text, never markup.

import { show } from "./numbers.js";

/** An element with attributes and what is in it; texts stay texts. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets a text only when it changed, so that nothing is announced or selected anew for no reason. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces what is in an element only when it is other than what was put there last, by a text that tells. */
const put = new WeakMap();
export function putWhenNew(element, signature, children) {
  if (put.get(element) === signature) return;
  put.set(element, signature);
  element.replaceChildren(...[].concat(children()));
}

/** A table of `{columns: [{name, kind}], rows: [[value]]}`; the first column names the row. */
export function table({ columns, rows }, caption) {
  const head = make(
    "tr",
    {},
    ...columns.map((column, index) => make("th", { scope: "col", class: index > 0 && isNumber(column) ? "number" : null }, column.name)),
  );
  const cell = (value, index) => {
    const column = columns[index];
    const text = show(column.kind, value);
    return index === 0 ? make("th", { scope: "row" }, text) : make("td", { class: isNumber(column) ? "number" : null }, text);
  };
  const body = rows.map((row) => make("tr", {}, ...row.map(cell)));
  return make("table", {}, make("caption", { class: "hidden" }, caption), make("thead", {}, head), make("tbody", {}, ...body));
}

const isNumber = (column) => column.kind !== "text";

/** A table in a box of its own that scrolls by keyboard too. */
export function scrolling(data, caption) {
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table(data, caption));
}

/** Comma-separated values. A text that a spreadsheet would take for a formula gets an apostrophe in front. */
export function csv({ columns, rows }) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns.map((column) => column.name), ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Puts a text on the clipboard; by the older way where the page is not on a secure origin. */
export async function copy(text) {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  const area = make("textarea", { class: "hidden", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  if (!done) throw new Error("the browser does not let the page copy");
}
