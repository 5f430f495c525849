// Takes the pictures of docs/images: `node picture.js [FOLDER [every]]`, every panel with `every`. Over the demo, but for what only made-up figures have.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NARROW, PANELS, WIDE, demo, example, launch, open, panelIsThere } from "./start.js";

const [folder = fileURLToPath(new URL("../../docs/images", import.meta.url)), every] = process.argv.slice(2);
const PICTURES = [
  ["habit", "demo", "habit", "light", WIDE],
  ["risk-dark", "demo", "risk", "dark", WIDE],
  ["user-dark", "demo", "user", "dark", WIDE],
  ["purchases", "example", "purchases", "light", WIDE],
  ["growth-narrow", "demo", "growth", "light", NARROW],
  ["habit-narrow-dark", "demo", "habit", "dark", NARROW],
];
const EVERY = PANELS.flatMap((panel) =>
  [
    ["light", WIDE],
    ["dark", WIDE],
    ["light", NARROW],
    ["dark", NARROW],
  ].map(([scheme, size]) => [`${panel}-${scheme}-${size.width}`, "example", panel, scheme, size]),
);

mkdirSync(folder, { recursive: true });
const wanted = every ? EVERY : PICTURES;
const services = { example: await example(), demo: every ? null : await demo() };
const browser = await launch();
const USER = { example: "anna", demo: services.demo && (await someone(services.demo.url)) };
for (const [name, over, panel, scheme, size] of wanted) {
  const { page, close } = await open(browser, services[over].url, {
    scheme,
    size,
    hash: `#panel=${panel}${panel === "user" ? `&user=${USER[over]}` : ""}`,
    deviceScaleFactor: 1,
  });
  await panelIsThere(page, panel);
  await page.waitForTimeout(panel === "service" ? 5000 : 1200);
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: Boolean(every) });
  await close();
}
await browser.close();
for (const service of Object.values(services)) await service?.stop();

/** A user of the demo with something to see: often here, and some orders. */
async function someone(url) {
  for (let number = 1; number < 500; number += 1) {
    const id = `u${String(number).padStart(7, "0")}`;
    const answer = await fetch(`${url}v1/users/${id}`);
    const user = answer.ok ? await answer.json() : {};
    if (user.active_days >= 30 && user.orders >= 4 && user.orders <= 14 && user.risk_level !== "churned") return id;
  }
  throw new Error("no user has much to show");
}
