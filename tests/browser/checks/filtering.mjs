// Search and filters, alone and together.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { ofOneRefresh } from "../exposition.mjs";
import { agents, allRows, header, overview, PAGE_SIZE } from "../overview.mjs";

export default function filtering({ browser, demo, people }) {
  const everyAgent = [...people.values()];
  const someone = everyAgent[Math.floor(everyAgent.length / 3)];
  const matching = (test) => everyAgent.filter(test).map((person) => person.agent).sort();
  const found = async (page, isSorted = true) => {
    const found = (await allRows(page)).map((row) => row.agent);
    return isSorted ? found.sort() : found;
  };
  const containing = (text) => {
    const wanted = text.toLowerCase();
    return matching(({ agent, name, team }) => [agent, name, team].some((field) => field.toLowerCase().includes(wanted)));
  };

  const surname = someone.name.split(" ").at(-1);
  const searches = {
    "an id": someone.agent,
    "a part of an id": someone.agent.slice(-4),
    "a name": surname,
    "a name in capitals": surname.toUpperCase(),
    "a name with blanks around it": ` ${surname} `,
    "a team": someone.team,
  };
  for (const [what, text] of Object.entries(searches)) {
    test(`finds ${what}`, () =>
      visit(browser, demo.base, async (page) => {
        await page.goto(overview(demo.base));
        await page.locator("form#filter input[name=q]").fill(text);
        await submit(page);
        const wanted = containing(text.trim());
        assert(wanted.length > 0 && wanted.length < people.size);
        assert.equal((await page.locator("input[name=q]").inputValue()).trim(), text.trim(), "the search field keeps the text");
        assert.deepEqual(await found(page), wanted);
      }));
  }

  test("results are in sight after a search", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      await page.locator("form#filter input[name=q]").fill(surname);
      await submit(page);
      await page.waitForURL(/#agents-section$/);
      const { top, bottom } = await page.locator("table#agents tbody tr").first().evaluate((row) => row.getBoundingClientRect().toJSON());
      assert(top >= 0 && bottom <= page.viewportSize().height, `the first result is at ${top} to ${bottom} px`);
      assert.match(await page.locator("h2#all-agents-title").innerText(), /Selected agents: \d+ of \d+/);
    }));

  test("agents that need attention are first, and each reason is a filter", () =>
    ofOneRefresh(demo.base, () => visit(browser, demo.base, async (page) => {
      const current = [...(await demo.people()).values()];
      // The conditions of the alerts.
      const due = {
        absent: ({ onShift, absent, absentLimit }) => onShift === 1 && absent > absentLimit,
        "over-limit": ({ onShift, limit, shift, offline }) => onShift !== 0 && (shift ?? offline) > limit,
        unknown: ({ onShift, observed }) => onShift !== 0 && !(observed > 0),
        stale: () => false,
      };
      const of = (reason) => current.filter(due[reason]).map((person) => person.agent).sort();
      await page.goto(overview(demo.base));
      const urgent = new Set(Object.keys(due).flatMap(of));
      assert.deepEqual((await agents(page)).slice(0, urgent.size).sort(), [...urgent].sort().slice(0, PAGE_SIZE));
      for (const reason of Object.keys(due)) {
        await page.goto(overview(demo.base));
        const link = page.locator(`section#attention li[data-attention=${reason}] > a`);
        assert.match(await link.innerText(), new RegExp(`: ${of(reason).length}$`));
        await link.focus();
        await page.keyboard.press("Enter");
        await page.waitForURL(new RegExp(`attention=${reason}`));
        assert.deepEqual(await found(page), of(reason));
        assert.equal(await page.locator("select[name=attention]").inputValue(), reason);
      }
      await page.goto(overview(demo.base));
      const red = await page.locator("table#agents tbody tr:has(.over)").evaluateAll((rows) => rows.map((row) => row.dataset.agent));
      assert.deepEqual(red.filter((agent) => !urgent.has(agent)), [], "only those are marked");
    })));

  test("the CSV has the agents of the filter, on all pages", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base, { team: someone.team, sort: "name" }));
      await page.locator("a#csv").focus();
      const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
      assert.equal(download.suggestedFilename(), "agents.csv");
      const text = readFileSync(await download.path(), "utf8");
      const [header, ...lines] = text.trimEnd().split("\n").map((line) => line.split(","));
      assert.deepEqual(header.slice(0, 4), ["tenant", "agent", "name", "team"]);
      assert.deepEqual(lines.map((line) => line[1]), await found(page, false));
    }));

  test("a search without results says so", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      await page.locator("form#filter input[name=q]").fill("no such name");
      await submit(page);
      assert.deepEqual(await agents(page), []);
      assert.match(await page.locator("main").innerText(), /no agents match/i);
    }));

  test("markup in parameters is escaped", () =>
    visit(browser, demo.base, async (page) => {
      const markup = `"><script>alert(1)</script><img src=x onerror=alert(1)>'&amp;`;
      await page.goto(overview(demo.base, { q: markup, team: markup, state: markup, sort: markup, order: markup, page: markup }));
      assert.equal(await page.locator("input[name=q]").inputValue(), markup);
      assert.equal(await page.locator("img, script:not([src])").count(), 0);
      await page.goto(overview(demo.base, { tenant: markup }), { waitUntil: "load" });
      assert.equal(await page.locator("img, script:not([src])").count(), 0);
    }, { expectedStatuses: [404] }));

  test("filters by team", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const teams = (await choices(page, "team")).sort();
      assert.deepEqual(teams, [...new Set(everyAgent.map((person) => person.team))].sort());
      await page.locator("select[name=team]").selectOption(someone.team);
      await submit(page);
      assert.equal(await page.locator("select[name=team]").inputValue(), someone.team);
      assert.deepEqual(await found(page), matching((person) => person.team === someone.team));
    }));

  test("filters by state, and each agent is in one state at most", () =>
    ofOneRefresh(demo.base, () => visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const everyRow = await allRows(page);
      await page.goto(overview(demo.base));
      const seen = [];
      for (const state of await choices(page, "state")) {
        await page.locator("select[name=state]").selectOption(state);
        await submit(page);
        assert.equal(await page.locator("select[name=state]").inputValue(), state);
        const here = await allRows(page);
        const texts = new Set(here.map((row) => row.cells.state.text));
        assert(texts.size <= 1, `${state} shows only itself: ${[...texts]}`);
        seen.push(...here.map((row) => row.agent));
        const text = [...texts][0];
        const same = everyRow.filter((row) => row.cells.state.text === text).length;
        if (text !== undefined) assert.equal(here.length, same, `all agents in ${text} are listed`);
        await page.goto(overview(demo.base));
      }
      assert.equal(new Set(seen).size, seen.length, "no agent is in two states");
      assert(seen.length > 0);
    })));

  test("filters combine, and sorting and paging keep them", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const letter = someone.name[0].toLowerCase();
      await page.locator("select[name=team]").selectOption(someone.team);
      await page.locator("input[name=q]").fill(letter);
      await submit(page);
      const both = (person) => person.team === someone.team && containing(letter).includes(person.agent);
      assert.deepEqual(await found(page), matching(both));
      await header(page, "name").locator("a").click();
      await page.waitForURL(/sort=name/);
      assert.deepEqual(await found(page), matching(both), "sorted");
      const state = (await choices(page, "state")).at(-1);
      await page.locator("select[name=state]").selectOption(state);
      await submit(page);
      assert.match(page.url(), /sort=name/, "a search keeps the order");
      for (const agent of await agents(page)) assert(both(people.get(agent)), `${agent} does not belong here`);
    }));
}

/** The values of a filter, without the empty one. */
function choices(page, name) {
  return page.locator(`form#filter select[name=${name}] option`).evaluateAll((options) => options.map((option) => option.value).filter(Boolean));
}

async function submit(page) {
  await Promise.all([page.waitForEvent("load"), page.locator("form#filter button[type=submit]").first().click()]);
}
