// Runs all checks. All but the last group use the same demo.

import { after, describe } from "node:test";

import { launch } from "./browser.mjs";
import accessibility from "./checks/accessibility.mjs";
import agent from "./checks/agent.mjs";
import circumstances from "./checks/circumstances.mjs";
import filtering from "./checks/filtering.mjs";
import keyboard from "./checks/keyboard.mjs";
import loading from "./checks/loading.mjs";
import looks from "./checks/looks.mjs";
import paging from "./checks/paging.mjs";
import sorting from "./checks/sorting.mjs";
import withoutScript from "./checks/without_script.mjs";
import zone from "./checks/zone.mjs";
import { TestApp } from "./app.mjs";

const AGENTS = 240;

const app = new TestApp();
const demo = await app.livelyDemo("demo", AGENTS);
const browser = await launch();
after(async () => {
  await browser.close();
  app.leave();
});
const fixture = { browser, demo, app, people: await demo.people() };

describe("loading", () => loading(fixture));
describe("sorting", () => sorting(fixture));
describe("filtering", () => filtering(fixture));
describe("paging", () => paging(fixture));
describe("an agent's page", () => agent(fixture));
describe("keyboard", () => keyboard(fixture));
describe("without script", () => withoutScript(fixture));
describe("zone", () => zone(fixture));
describe("looks", () => looks(fixture));
describe("accessibility", () => accessibility(fixture));
describe("circumstances", () => circumstances(fixture));
