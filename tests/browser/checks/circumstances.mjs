// Exporters with a prefix, without data, with a failing tenant, with the official API, with several tenants.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { ofOneRefresh, scrape } from "../exposition.mjs";
import { waitFor } from "../app.mjs";
import { agentPage, agents, assertAddUp, assertTotals, cells, clock, header, overview, rows, table } from "../overview.mjs";
import { assertAccessible } from "./accessibility.mjs";
import { assertColumnsFit, assertNoSideways } from "./looks.mjs";
import { assertSorts } from "./sorting.mjs";

const FEW = 12;
const SECRET = "not-a-secret";
// The demo's cooldown, and a refresh.
const COOLDOWN_MS = 20_000;

export default function circumstances({ browser, app }) {
  test("with a route prefix, all links and files have it", async () => {
    const demo = await app.livelyDemo("prefixed", FEW, ["--web.route-prefix=/cxone"], "/cxone");
    await visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      await header(page, "name").locator("a").click();
      await page.waitForURL(/\/cxone\/\?.*sort=name/);
      await page.locator("select#zone").waitFor();
      assert((await page.evaluate(() => document.styleSheets.length)) > 0, "the style sheet is there");
      await page.locator("input[name=q]").press("Enter");
      await page.waitForURL(/\/cxone\/\?/);
      await page.locator("table#agents tbody th a").first().click();
      await page.waitForURL(/\/cxone\/agent\?/);
      await page.locator("table#totals").waitFor();
      for (const href of await page.locator("a[href]").evaluateAll((links) => links.map((link) => link.href))) {
        assert((await fetch(href)).ok, `${href} leads somewhere`);
        assert(href.startsWith(`${demo.base}/`), href);
      }
    });
  });

  test("behind a proxy that strips the prefix, links have the external one", async () => {
    const demo = await app.livelyDemo("proxied", FEW, ["--web.route-prefix=/", "--web.external-url=http://127.0.0.1/outside/"]);
    const html = await (await fetch(overview(demo.base))).text();
    const absolute = [...html.matchAll(/\b(?:href|src|action)="(\/[^"]*)"/g)].map(([, address]) => address);
    assert.deepEqual(absolute.filter((address) => !address.startsWith("/outside/")), []);
  });

  test("the first page of an exporter without data shows data", async () => {
    const demo = await app.demo("opened", FEW);
    await visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      assert.equal(await page.locator("section#freshness p.verdict").getAttribute("data-verdict"), "fresh");
    });
  });

  test("before the first refresh, the page says so, lists all agents, and renews itself", async () => {
    const demo = await app.demo("quiet", FEW, ["--latency=4s"]);
    await visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const verdict = page.locator("section#freshness p.verdict");
      assert.match(await verdict.innerText(), /no data|not yet|none yet|nothing/i);
      const shown = await agents(page);
      assert.equal(shown.length, FEW);
      await assertAccessible(page);
      assert.doesNotMatch(await page.content(), /NaN|1970|undefined/);
      // No step reloads the page.
      const verdicts = async () => await page.locator("section#freshness p.verdict").getAttribute("data-verdict");
      await waitFor("the renewed page has data", async () => (await verdicts()) === "fresh", COOLDOWN_MS);
      await assertAccessible(page);
      const sparkline = page.locator("table#agents svg.sparkline").first();
      await sparkline.focus();
      await page.locator("#tip").waitFor({ state: "visible" });
      assert.match(await page.locator("#renewal").innerText(), /renews itself every \d:\d\d:\d\d/);
      await page.locator("button#pause").click();
      assert.match(await page.locator("#renewal").innerText(), /does not renew itself/);
    });
  });

  test("a tenant that fails from the start shows its error", async () => {
    const demo = await app.demo("refused", FEW, ["--fault=token:status=401"]);
    await scrape(demo.base);
    await visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      await assertExplained(page, /401|client|secret|token/i);
      await assertAccessible(page);
    });
  });

  test("a tenant that fails later shows its error and its last data", async () => {
    const demo = await app.livelyDemo("failing", FEW);
    const tenant = /http:\/\/127\.0\.0\.1:\d+/.exec(demo.log())[0];
    await visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const fresh = await page.locator("section#freshness p.verdict").getAttribute("data-verdict");
      const faults = await fetch(`${tenant}/-/control/faults`, { method: "POST", body: "presence:status=403" });
      assert(faults.ok);
      const failed = async () => (await scrape(demo.base)).values.get("cxone_up") === 0;
      await waitFor("a refresh has failed", failed, 2 * COOLDOWN_MS);
      await page.reload();
      await assertExplained(page, /403/);
      assert.notEqual(await page.locator("section#freshness p.verdict").getAttribute("data-verdict"), fresh);
      assert((await cells(page.locator("table#agents svg.sparkline").first())).length >= 24, "data is kept");
      await assertAccessible(page);
    });
  });

  test("the official API has the same page", async () => {
    const demo = await app.livelyDemo("official", FEW, ["--api=official"]);
    await ofOneRefresh(demo.base, () => visit(browser, demo.base, async (page) => {
      const current = await demo.people();
      await page.goto(overview(demo.base));
      for (const { agent, cells } of await rows(page)) assert.match(cells.state.text, /\w/, `${agent} is in a state`);
      const [label, { states }] = [...current][0];
      const sparkline = await cells(page.locator(`tr[data-agent="${label}"] svg.sparkline`));
      await page.goto(agentPage(demo.base, label));
      assertAddUp(sparkline.map((cell) => cell.seconds), states, label);
      await assertTotals(page, states);
      await assertAccessible(page);
      assert((await assertSorts(page, demo, "state")).size > 1, "there are several states to sort by");
    }));
  });

  test("the official API has a line of exact times for each state", async () => {
    const demo = await app.livelyDemo("exact", FEW, ["--api=official"]);
    const people = await demo.people();
    const [label] = [...people].reduce((one, next) => (Object.values(next[1].states).filter(Boolean).length > Object.values(one[1].states).filter(Boolean).length ? next : one));
    const listed = (page) => table(page, "table#segments");
    await ofOneRefresh(demo.base, () => visit(browser, demo.base, async (page) => {
      const { states } = (await demo.people()).get(label);
      await page.goto(agentPage(demo.base, label));
      const segments = (await listed(page)).reverse();
      const sums = segments.map((row) => ({ [row.State]: clock(row.Duration) }));
      assertAddUp(sums, states, label);
      const lines = page.locator("svg.day .cell");
      assert.equal(await lines.count(), segments.length);
      const seen = Object.values(states).filter((seconds) => seconds > 0).length;
      const tops = await lines.evaluateAll((cells) => cells.map((cell) => cell.getAttribute("y")));
      assert.equal(new Set(tops).size, seen, "a line for each state");
      const tip = page.locator("#tip");
      const says = async (row) => {
        await tip.waitFor({ state: "visible" });
        const text = await tip.innerText();
        const time = (moment) => moment.split(" ")[1];
        assert.equal(text.replace(" UTC", ""), `${time(row.From)} to ${time(row.To)}: ${row.State} ${row.Duration}`);
      };
      await page.locator("svg.day").focus();
      await says(segments.at(-1));
      await page.keyboard.press("ArrowLeft");
      await says(segments.at(-2));
      const longest = segments.reduce((one, next) => (clock(next.Duration) > clock(one.Duration) ? next : one));
      const { x, y, width, height } = await lines.nth(segments.indexOf(longest)).boundingBox();
      await page.mouse.move(x + width / 2, y + height / 2);
      await says(longest);
    }));
    await visit(browser, demo.base, async (page) => {
      await page.goto(agentPage(demo.base, label));
      assert((await listed(page)).length > 1, "the exact times are text without the script");
    }, { javaScriptEnabled: false });
    for (const width of [1280, 1300]) {
      await visit(browser, demo.base, async (page) => {
        await page.goto(overview(demo.base));
        await assertColumnsFit(page);
      }, { viewport: { width, height: 900 } });
    }
    await visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      await assertColumnsFit(page);
      await page.goto(agentPage(demo.base, label));
      await assertNoSideways(page);
      await assertAccessible(page);
    }, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  });

  test("a tenant that shows teams only has no link to a single agent", async () => {
    const tenant = await app.tenant(FEW);
    const access = { base_url: tenant.base, client_id: "simulated-client", client_secret_file: app.write("secret", SECRET) };
    const agents = tenant.people.map(({ id, name, team }) => ({ id, name, team }));
    const config = { tenants: [{ name: "teams", per_agent: false, agents, ...access }] };
    const exporter = await app.serve("teams", [`--config.file=${app.write("teams.yml", JSON.stringify(config))}`]);
    assert((await fetch(`${exporter.base}/metrics`)).ok);
    for (const options of [{}, { colorScheme: "dark" }, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }]) {
      await visit(
        browser,
        exporter.base,
        async (page) => {
          await page.goto(overview(exporter.base));
          const shown = await page.locator("table#teams tbody th").allInnerTexts();
          assert.deepEqual(shown, [...new Set(agents.map(({ team }) => team))].sort());
          await assertNoSideways(page);
          await assertAccessible(page);
          const content = await page.content();
          for (const { id, name } of agents) assert(!content.includes(id) && !content.includes(name), name);
          await page.goto(agentPage(exporter.base, agents[0].id));
          assert.match(await page.locator("h1").innerText(), /teams only/);
          await assertAccessible(page);
        },
        { expectedStatuses: [404], ...options },
      );
    }
  });

  test("several tenants have a page each, and one hides names", async () => {
    const tenant = await app.tenant(FEW);
    const secret = app.write("secret", SECRET);
    const half = (from, to) => tenant.people.slice(from, to).map(({ id, name, team }) => ({ id, name, team }));
    const access = { base_url: tenant.base, client_id: "simulated-client", client_secret_file: secret };
    const key = app.write("key", "0123456789abcdef0123456789abcdef");
    const hidden = { agent_label: "hmac", agent_label_key_file: key, show_names: false };
    const config = {
      tenants: [
        { name: "open", agents: half(0, 6), ...access },
        { name: "closed", agents: half(6, 12), ...access, ...hidden },
      ],
    };
    // JSON is YAML too.
    const exporter = await app.serve("two", [`--config.file=${app.write("two.yml", JSON.stringify(config))}`]);
    for (const { name } of config.tenants) assert((await fetch(`${exporter.base}/probe?target=${name}`)).ok);
    await visit(browser, exporter.base, async (page) => {
      await page.goto(overview(exporter.base));
      const links = page.locator("table#tenants a[href]");
      assert((await links.count()) >= config.tenants.length);
      await assertAccessible(page);
      await links.filter({ hasText: "closed" }).first().click();
      await page.waitForURL(/tenant=closed/);
      const labels = await agents(page);
      assert.equal(labels.length, 6);
      const pages = [await page.content()];
      await header(page, "team").locator("a").click();
      await page.waitForURL(/sort=team/);
      assert.match(page.url(), /tenant=closed/, "sorting stays with the tenant");
      await page.locator("input[name=q]").fill(labels[0]);
      await page.locator("input[name=q]").press("Enter");
      await page.waitForURL(/q=/);
      assert.match(page.url(), /tenant=closed/, "searching stays with the tenant");
      await page.locator("table#agents tbody th a").click();
      await page.waitForURL(/\/agent\?/);
      await page.locator("table#totals").waitFor();
      await assertAccessible(page);
      pages.push(await page.content());
      for (const { id, name } of config.tenants[1].agents) {
        for (const html of pages) assert(!html.includes(id) && !html.includes(name), `${id}, ${name} is hidden`);
      }
      await page.goto(overview(exporter.base, { tenant: "closed", q: config.tenants[1].agents[0].name }));
      assert.deepEqual(await agents(page), [], "hidden names are not searchable");
      await page.goto(overview(exporter.base, { tenant: "open" }));
      assert.deepEqual((await agents(page)).sort(), config.tenants[0].agents.map(({ id }) => id).sort());
    });
  });
}

/** Fails unless the page shows the error, without secrets. */
async function assertExplained(page, wanted) {
  const text = await page.locator("section#freshness").innerText();
  assert.match(text, wanted);
  assert.doesNotMatch(text, new RegExp(`${SECRET}|Bearer `));
}
