// The README's pictures of the status page, of the same people and days every time.

import { statSync } from "node:fs";
import { join } from "node:path";

import { launch, visit } from "./browser.mjs";
import { House } from "./house.mjs";
import { agentPage, overview } from "./overview.mjs";

const AGENTS = 240;
const WIDTH = 1280;
// What a README can bear.
const MOST_BYTES = 250_000;

const folder = process.argv[2];
const house = new House();
const demo = await house.livelyDemo("demo", AGENTS);
const people = [...(await demo.people()).values()];
// Whoever worked most has the liveliest day.
const busiest = people.reduce((one, other) => (one.offline <= other.offline ? one : other));
const pictures = [
  { name: "status-page.png", url: overview(demo.base, { sort: "offline", order: "asc" }), height: 1000, colorScheme: "light" },
  { name: "status-page-agent.png", url: agentPage(demo.base, busiest.agent), height: 900, colorScheme: "dark" },
];

const browser = await launch();
for (const { name, url, height, colorScheme } of pictures) {
  const path = join(folder, name);
  const options = { viewport: { width: WIDTH, height }, deviceScaleFactor: 1, colorScheme, timezoneId: "UTC" };
  await visit(browser, demo.base, async (page) => {
    await page.goto(url);
    await page.screenshot({ path });
  }, options);
  const bytes = statSync(path).size;
  console.log(`${path}: ${bytes} bytes`);
  if (bytes > MOST_BYTES) throw new Error(`${path} is larger than ${MOST_BYTES} bytes: take less height`);
}
await browser.close();
process.exit(0);
