// Makes the screenshots of the README from fixed data.

import { statSync } from "node:fs";
import { join } from "node:path";

import { launch, visit } from "./browser.mjs";
import { TestApp } from "./app.mjs";
import { agentPage, overview } from "./overview.mjs";

const AGENTS = 240;
const HALF_A_DAY = 12 * 3600;
const WIDTH = 1280;
const MARGIN = 16;
// Larger pictures load slowly in a README.
const MOST_BYTES = 250_000;

const folder = process.argv[2];
const app = new TestApp();
const demo = await app.livelyDemo("demo", AGENTS);
const people = [...(await demo.people()).values()];
// The agent with the longest shift has the most states; teams around the clock have no shifts.
const longest = people.filter((person) => person.offline > HALF_A_DAY).reduce((one, other) => (one.offline <= other.offline ? one : other));
const pictures = [
  { name: "status-page.png", url: overview(demo.base), last: "table#agents tbody tr:nth-child(7)", colorScheme: "light" },
  { name: "status-page-agent.png", url: agentPage(demo.base, longest.agent), last: "table#totals", colorScheme: "dark" },
];

const browser = await launch();
for (const { name, url, last, colorScheme } of pictures) {
  const path = join(folder, name);
  const options = { viewport: { width: WIDTH, height: 800 }, deviceScaleFactor: 1, colorScheme };
  await visit(browser, demo.base, async (page) => {
    await page.goto(url);
    const { y, height } = await page.locator(last).boundingBox();
    await page.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width: WIDTH, height: Math.ceil(y + height) + MARGIN } });
  }, options);
  const bytes = statSync(path).size;
  console.log(`${path}: ${bytes} bytes`);
  if (bytes > MOST_BYTES) throw new Error(`${path} is larger than ${MOST_BYTES} bytes: let it end earlier`);
}
await browser.close();
process.exit(0);
