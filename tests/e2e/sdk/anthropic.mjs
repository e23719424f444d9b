// Anthropic's own SDK for Node, as applications use it.

import assert from "node:assert/strict";

import { SCHEMA, TEXT, key, load, loop, raised, run, url } from "./cases.mjs";

const Anthropic = load("@anthropic-ai/sdk").default;
const client = (apiKey = key) => new Anthropic({ apiKey, baseURL: url, maxRetries: 0, timeout: 30_000 });
const HELLO = [{ role: "user", content: "Hello!" }];
const TOOL = { name: "get_weather", description: "Weather by city", input_schema: SCHEMA };
const ask = (model, more = {}) => ({ model, max_tokens: 4000, messages: HELLO, ...more });

function whole(message) {
  assert.equal(message.content.map((block) => block.text).join(""), TEXT);
  assert.deepEqual([message.role, message.stop_reason], ["assistant", "end_turn"]);
  assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [19, 12]);
}

async function create(model) {
  const message = await client().messages.create(ask(model, { system: "Be brief." }));
  whole(message);
  assert.ok(message._request_id);
}

async function stream(model) {
  let text = "";
  const events = client().messages.stream(ask(model));
  events.on("text", (delta) => {
    text += delta;
  });
  whole(await events.finalMessage());
  assert.equal(text, TEXT);
}

const resultsOf = (results) => ({
  role: "user",
  content: results.map(([id, content]) => ({ type: "tool_result", tool_use_id: id, content })),
});

function callsOf(message) {
  const calls = message.content.filter((block) => block.type === "tool_use");
  const text = message.content.filter((block) => block.type === "text").map((block) => block.text);
  return { calls: calls.map((call) => [call.id, call.input.city]), text: text.join("") };
}

async function looped(model, more, send) {
  const messages = [...HELLO];
  await loop(async (results) => {
    if (results.length > 0) messages.push(resultsOf(results));
    const message = await send(ask(model, { messages, tools: [TOOL], ...more }));
    messages.push({ role: "assistant", content: message.content });
    return callsOf(message);
  });
  return messages.flatMap((message) => message.content);
}

const atOnce = (body) => client().messages.create(body);
const inPieces = (body) => client().messages.stream(body).finalMessage();

async function tools(model) {
  await looped(model, {}, atOnce);
}

async function tools_stream(model) {
  await looped(model, {}, inPieces);
}

// Signed thoughts come and go back unchanged: the upstream refuses anything else.
async function thinking(model) {
  for (const send of [atOnce, inPieces]) {
    const blocks = await looped(model, { thinking: { type: "enabled", budget_tokens: 2000 } }, send);
    const thoughts = blocks.filter((block) => block.type === "thinking");
    assert.equal(thoughts.length, 5);
    assert.ok(thoughts.every((block) => block.thinking === "I should look it up." && block.signature));
  }
}

async function count_tokens(model) {
  const counted = await client().messages.countTokens({ model, messages: HELLO, tools: [TOOL] });
  assert.equal(counted.input_tokens, 19);
}

async function errors(model) {
  const send = (content, more = {}, own = client()) =>
    own.messages.create(ask(model, { messages: [{ role: "user", content }], ...more }));
  const missing = await raised(Anthropic.NotFoundError, () => send("Hello!", { model: "no-such-model" }));
  assert.equal(missing.error.error.type, "not_found_error");
  assert.ok(missing.requestID);
  await raised(Anthropic.AuthenticationError, () => send("Hello!", {}, client("sk-wrong")));
  const limited = await raised(Anthropic.RateLimitError, () => send("fail:429"));
  assert.equal(limited.headers.get("retry-after"), "7");
  await raised(Anthropic.BadRequestError, () => send("fail:400"));
  await raised(Anthropic.InternalServerError, () => send("fail:500"));
}

await run(create, stream, tools, tools_stream, thinking, count_tokens, errors);
