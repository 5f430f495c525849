// What the page shows, kept in the part of the address after `#`: links and the history bring it back, and no server or log sees it.

const DEFAULTS = { panel: "habit", segment: "all", range: "90", window: "1", day: "", user: "" };

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const known = Object.entries(DEFAULTS).map(([name, usual]) => [name, given.get(name) ?? usual]);
  return Object.fromEntries(known);
}

let current = read();
const listeners = [];

/** What is shown now. */
export const shown = () => current;

/** A link to what is shown with something else. */
export function linkTo(changes) {
  const wanted = Object.entries({ ...current, ...changes }).filter(([name, value]) => value !== DEFAULTS[name]);
  return `#${new URLSearchParams(wanted)}`;
}

/** Shows something else; with `isWhole`, what is not named is as usual. */
export function go(changes, isWhole = false) {
  const link = linkTo(isWhole ? { ...DEFAULTS, ...changes } : changes);
  if (link !== linkTo({})) history.pushState(null, "", link);
  changed();
}

export function onChange(listener) {
  listeners.push(listener);
}

function changed() {
  const before = current;
  current = read();
  for (const listener of listeners) listener(current, before);
}

addEventListener("popstate", changed);
