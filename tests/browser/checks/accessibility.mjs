// Automatic accessibility rules in all colour schemes and widths.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AXE, visit } from "../browser.mjs";
import { agentPage, overview } from "../overview.mjs";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const LOOKS = {
  "in the light scheme": { colorScheme: "light" },
  "in the dark scheme": { colorScheme: "dark" },
  "on a phone": { colorScheme: "light", viewport: { width: 360, height: 740 } },
  "on a phone in the dark scheme": { colorScheme: "dark", viewport: { width: 360, height: 740 } },
};

export default function accessibility({ browser, demo, people }) {
  const [first] = people.keys();
  const places = {
    "the overview": overview(demo.base),
    "a search without results": overview(demo.base, { q: "no such name" }),
    "an agent's page": agentPage(demo.base, first),
    "a page that does not exist": agentPage(demo.base, "no-such-agent"),
  };
  for (const [place, url] of Object.entries(places)) {
    for (const [looks, options] of Object.entries(LOOKS)) {
      test(`axe finds no violation on ${place} ${looks}`, () =>
        visit(
          browser,
          demo.base,
          async (page) => {
            await page.goto(url);
            await assertAccessible(page);
          },
          { expectedStatuses: [404], ...options },
        ));
    }
  }

  test("axe finds no violation while a tooltip is shown", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      await page.locator("table#agents svg.sparkline").first().focus();
      await page.locator("#tip").waitFor({ state: "visible" });
      await assertAccessible(page);
    }));
}

/** Fails if axe finds a violation. */
export async function assertAccessible(page) {
  await page.evaluate(AXE);
  const options = { runOnly: { type: "tag", values: RULES }, resultTypes: ["violations"] };
  const { violations, passes } = await page.evaluate((options) => window.axe.run(document, options), options);
  const found = violations.map(({ id, help, nodes }) => {
    const places = nodes.slice(0, 5).map(({ target, failureSummary }) => `  ${target.join(" ")}: ${failureSummary.replaceAll(/\s+/g, " ")}`);
    return [`${id}: ${help} (${nodes.length} places)`, ...places].join("\n");
  });
  assert.equal(found.length, 0, `axe finds:\n${found.join("\n")}`);
  assert(passes.length > 10, "axe applied its rules");
}
