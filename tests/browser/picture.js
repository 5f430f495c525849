// Takes the pictures of docs/images: `node picture.js [FOLDER]`.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NARROW, WIDE, example, launch, open, panelIsThere } from "./start.js";

const folder = process.argv[2] ?? fileURLToPath(new URL("../../docs/images", import.meta.url));
const all = process.argv.includes("--all");
const PICTURES = [
  ["habit", "light", WIDE, "panel=habit"],
  ["risk", "dark", WIDE, "panel=risk"],
  ["purchases", "light", WIDE, "panel=purchases"],
  ["user", "dark", WIDE, "panel=user&user=anna"],
  ["habit-narrow", "dark", NARROW, "panel=habit"],
  ["growth-narrow", "light", NARROW, "panel=growth"],
];
const EVERY = ["habit", "growth", "risk", "loyalty", "purchases", "satisfaction", "user", "service"].flatMap((panel) => [["light", WIDE], ["dark", NARROW]].map(([scheme, size]) => [`${panel}-${scheme}-${size.width}`, scheme, size, `panel=${panel}${panel === "user" ? "&user=anna" : ""}`]));

mkdirSync(folder, { recursive: true });
const service = await example(process.env.SAMPLE);
const browser = await launch();
for (const [name, scheme, size, hash] of all ? EVERY : PICTURES) {
  const { page, problems, close } = await open(browser, service.url, { scheme, size, hash: `#${hash}` });
  await panelIsThere(page, hash.match(/panel=(\w+)/)[1]);
  await page.waitForTimeout(name.startsWith("service") ? 5000 : 1200);
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: all });
  if (problems.length) console.error(name, problems);
  await close();
}
await browser.close();
await service.stop();
