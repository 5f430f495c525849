// The page over the real service: `stickiness demo`, whose history of generated events is fed within some fifteen seconds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PANELS, demo, isQuiet, launch, open, panelIsThere } from "./start.js";

/** What cards say of which the demo has no events. */
const WITHOUT_EVENTS = [
  "No answer of 180 days is about a competitor.",
  "No order of 90 days names an intermediary.", "No campaign can be judged yet: that takes 30 days.",
];
const onlyThese = (known) => [...document.querySelectorAll("#panel .empty")].every((card) => known.some((text) => card.textContent.startsWith(text)));

test("every panel over the demo", { timeout: 90000 }, async () => {
  const [service, browser] = await Promise.all([demo("--users", "800", "--days", "70", "--events", "30000"), launch()]);
  const { page, problems, close } = await open(browser, service.url);
  for (const name of PANELS) {
    await page.evaluate((name) => (location.hash = `panel=${name}${name === "user" ? "&user=u0000001" : ""}`), name);
    await panelIsThere(page, name);
    const cards = page.locator("#panel .card");
    await cards.nth(1).waitFor();
    const known = ["habit", "growth", "purchases", "user"].includes(name);
    if (known) await page.waitForFunction(onlyThese, WITHOUT_EVENTS, { timeout: 10000 });
  }
  await page.evaluate(() => (location.hash = "panel=risk"));
  await page.locator(".figure", { hasText: /^Low risk[\d,]+/ }).waitFor();
  await page.evaluate(() => (location.hash = "panel=user&user=u0000001"));
  await page.getByRole("slider", { name: /^Risk of no activity/ }).waitFor();
  assert.match(await page.getByRole("img", { name: /^Active on/ }).getAttribute("aria-label"), /^Active on [1-9]\d* of/);
  await page.evaluate(() => (location.hash = "panel=service"));
  const counted = page.locator(".figure", { hasText: "Records counted" }).locator(".value");
  const first = await counted.textContent();
  await page.waitForFunction(
    (first) =>
      [...document.querySelectorAll(".figure")].some(
        (figure) => figure.textContent.startsWith("Records counted") && !figure.textContent.includes(first),
      ),
    first,
    { timeout: 10000 },
  );
  assert.match(await page.locator("#panel table").nth(1).textContent(), /live/);
  await page.locator("#segment").selectOption({ index: 1 });
  await page.evaluate(() => (location.hash = `${location.hash.replace("panel=service", "panel=habit")}`));
  await panelIsThere(page, "habit");
  await page.locator("#panel canvas").first().waitFor();
  isQuiet(problems);
  await close();
  await browser.close();
  await service.stop();
});
