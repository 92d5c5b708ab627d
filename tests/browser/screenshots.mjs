// Makes the screenshots of the README from the demo.

import { statSync } from "node:fs";
import { join } from "node:path";

import { launch, visit } from "./browser.mjs";
import { TestApp } from "./app.mjs";
import { agentPage, overview } from "./overview.mjs";

const AGENTS = 240;
const HALF_A_DAY = 12 * 3600;
const WIDE = 1300;
const PHONE = 390;
const MARGIN = 4;
// Larger pictures load slowly in a README.
const MOST_BYTES = 300_000;

const folder = process.argv[2];
const app = new TestApp();
const presence = await app.livelyDemo("presence", AGENTS);
const official = await app.livelyDemo("official", AGENTS, ["--api=official"]);
// The agent with the longest shift has the most states; teams around the clock have no shifts.
const people = [...(await official.people()).values()].filter((person) => person.offline > HALF_A_DAY);
const longest = people.reduce((one, other) => (one.offline <= other.offline ? one : other));
const pictures = [
  { name: "status-page.png", demo: presence, url: overview(presence.base), last: "table#agents tbody tr:nth-child(6)" },
  { name: "status-page-agent.png", demo: official, url: agentPage(official.base, longest.agent), last: "table#totals", colorScheme: "dark" },
  { name: "status-page-phone.png", demo: presence, url: overview(presence.base, { attention: "absent" }), first: "section#agents-section", last: "table#agents tbody tr:nth-child(-n + 3)", width: PHONE },
];

const browser = await launch();
for (const { name, demo, url, first, last, width = WIDE, colorScheme = "light" } of pictures) {
  const path = join(folder, name);
  await visit(browser, demo.base, async (page) => {
    await page.goto(url);
    const top = first ? (await page.locator(first).boundingBox()).y : 0;
    const { y, height } = await page.locator(last).last().boundingBox();
    await page.screenshot({ path, fullPage: true, clip: { x: 0, y: top, width, height: Math.ceil(y + height - top) + MARGIN } });
  }, { viewport: { width, height: 800 }, deviceScaleFactor: 1, colorScheme, isMobile: width === PHONE });
  const bytes = statSync(path).size;
  console.log(`${path}: ${bytes} bytes`);
  if (bytes > MOST_BYTES) throw new Error(`${path} is larger than ${MOST_BYTES} bytes: let it end earlier`);
}
await browser.close();
process.exit(0);
