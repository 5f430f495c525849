// Numbers and days as text.

const whole = new Intl.NumberFormat("en");
const oneDigit = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDigits = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
export const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const utc = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
const formats = {
  full: utc({ weekday: "long", day: "numeric", month: "long", year: "numeric" }),
  short: utc({ weekday: "short", day: "numeric", month: "short", year: "numeric" }),
  tick: utc({ day: "numeric", month: "short" }),
  month: utc({ month: "short", year: "numeric" }),
};

const KINDS = {
  count: (value) => whole.format(value),
  share: (value) => `${oneDigit.format(value * 100)}\u00a0%`,
  decimal: (value) => oneDigit.format(value),
  ratio: (value) => twoDigits.format(value),
  money: (value) => (Math.abs(value) >= 1e6 ? short.format(value) : whole.format(Math.round(value))),
  amount: (value) => twoDigits.format(value),
  points: (value) => oneDigit.format(value),
  days: (value) => `${plain.format(value)}\u00a0d`,
  milliseconds: (value) =>
    value >= 1000
      ? `${oneDigit.format(value / 1000)}\u00a0s`
      : `${value < 10 ? oneDigit.format(value) : whole.format(Math.round(value))}\u00a0ms`,
  bytes: (value) => {
    const steps = [
      [1 << 30, "GiB"],
      [1 << 20, "MiB"],
      [1 << 10, "KiB"],
    ];
    const [size, unit] = steps.find(([size]) => value >= size) ?? [1, "B"];
    return `${size === 1 ? whole.format(value) : oneDigit.format(value / size)}\u00a0${unit}`;
  },
  text: (value) => String(value),
};

/** A value as text; a dash where nothing is known. */
export const show = (kind, value) =>
  typeof value === "number" && Number.isFinite(value) ? KINDS[kind](value) : typeof value === "string" ? value : "–";

/** A value on an axis, where there is less room. */
export function onAxis(kind, value) {
  if (kind === "share") return `${plain.format(value * 100)}\u00a0%`;
  return Math.abs(value) >= 10000 ? short.format(value) : plain.format(value);
}

export const numberOf = (day) => Math.round(Date.parse(`${day}T00:00:00Z`) / 86400000);
export const dayOf = (number) => new Date(number * 86400000).toISOString().slice(0, 10);
/** A day in words: `full`, `short`, `tick` or `month`. */
export const named = (format, day) => formats[format].format(new Date(`${day}T00:00:00Z`));

/** How long ago, of a number of seconds. */
export function ago(seconds) {
  if (seconds < 0.95) return "now";
  return `${lasting(seconds)} ago`;
}

export function lasting(seconds) {
  const steps = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const [size, unit] = steps.find(([size]) => seconds >= size) ?? steps[3];
  return `${Math.round(seconds / size)}\u00a0${unit}`;
}

export const plural = (count, one, many = `${one}s`) => `${whole.format(count)} ${count === 1 ? one : many}`;

/** The name of a field in words. */
export function fieldName(field) {
  const words = field
    .replace(/_(\d+)d$/, " in $1 days")
    .replace(/_s_mean$/, " mean, seconds")
    .replace(/^p_alive/, "alive")
    .replace(/^clv/, "value")
    .replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}
