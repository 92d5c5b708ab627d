// Every check, one after the other: all but the last group on the same demonstration.

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
import { House } from "./house.mjs";

const AGENTS = 240;

const house = new House();
const demo = await house.livelyDemo("demo", AGENTS);
const browser = await launch();
after(async () => {
  await browser.close();
  house.leave();
});
const stage = { browser, demo, house, people: await demo.people() };

describe("loading", () => loading(stage));
describe("sorting", () => sorting(stage));
describe("filtering", () => filtering(stage));
describe("paging", () => paging(stage));
describe("an agent's page", () => agent(stage));
describe("keyboard", () => keyboard(stage));
describe("without script", () => withoutScript(stage));
describe("zone", () => zone(stage));
describe("looks", () => looks(stage));
describe("accessibility", () => accessibility(stage));
describe("circumstances", () => circumstances(stage));
