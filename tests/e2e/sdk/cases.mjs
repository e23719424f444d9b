// What the scripts for Node share: where the gateway is, the SDKs, the tool, and how cases are run.
//
// A script is called with words like `stream@smart`: a case and the model it is for. Every case is run, and one
// that does not hold is told with its stack; the exit code says whether there was one.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

export const url = process.env.E2E_GATEWAY_URL;
export const key = process.env.E2E_GATEWAY_KEY;
export const load = createRequire(join(process.env.E2E_NODE, "package.json"));
export const TEXT = "The boats come in with the tide.";
// Whose weather the upstream asks for, turn by turn, before it answers.
const LOOP = [["Oslo"], ["Rome", "Lima"], ["Cairo"], ["Quito"]];
export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
};

export const weather = (city) => JSON.stringify({ city, degrees: 4 });

// Runs a tool loop: `turn` takes results as [id, text] and gives calls as [id, city] and the text.
export async function loop(turn) {
  const cities = [];
  let results = [];
  for (let at = 0; at <= LOOP.length; at += 1) {
    const { calls, text } = await turn(results);
    if (calls.length === 0) {
      assert.deepEqual(cities, LOOP);
      assert.equal(text, TEXT);
      return;
    }
    cities.push(calls.map(([, city]) => city));
    results = calls.map(([id, city]) => [id, weather(city)]);
  }
  assert.fail(`the loop does not end: ${JSON.stringify(cities)}`);
}

// The error that the call must end in, of exactly this class.
export async function raised(kind, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.constructor.name, kind.name, String(error));
    return error;
  }
  return assert.fail(`no ${kind.name}`);
}

export async function run(...cases) {
  const failed = [];
  for (const word of process.argv.slice(2)) {
    const [name, model] = word.split("@");
    try {
      const found = cases.find((one) => one.name === name);
      assert.ok(found, `no case ${name}`);
      await found(model);
    } catch (error) {
      console.error(`--- ${word}\n`, error);
      failed.push(word);
    }
  }
  if (failed.length > 0) {
    console.error(`failed: ${failed.join(" ")}`);
  }
  process.exit(failed.length > 0 ? 1 : 0);
}
