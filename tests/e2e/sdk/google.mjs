// Google's own SDK for Node, as applications use it.

import assert from "node:assert/strict";

import { SCHEMA, TEXT, key, load, loop, raised, run, url } from "./cases.mjs";

const { ApiError, GoogleGenAI } = load("@google/genai");
const client = (apiKey = key) =>
  new GoogleGenAI({ apiKey, vertexai: false, httpOptions: { baseUrl: url, timeout: 30_000 } });
const described = { name: "get_weather", description: "Weather by city", parametersJsonSchema: SCHEMA };
const tools_of = { tools: [{ functionDeclarations: [described] }] };

async function generate(model) {
  const reply = await client().models.generateContent({ model, contents: "Hello!" });
  assert.deepEqual([reply.text, reply.candidates[0].finishReason], [TEXT, "STOP"]);
  assert.equal(reply.usageMetadata.totalTokenCount, 31);
}

async function stream(model) {
  let text = "";
  for await (const chunk of await client().models.generateContentStream({ model, contents: "Hello!" })) {
    text += chunk.text ?? "";
  }
  assert.equal(text, TEXT);
}

async function tools(model) {
  const contents = [{ role: "user", parts: [{ text: "Hello!" }] }];
  await loop(async (results) => {
    const part = ([[id, name], result]) => ({ functionResponse: { id, name, response: { result } } });
    if (results.length > 0) contents.push({ role: "user", parts: results.map(part) });
    const reply = await client().models.generateContent({ model, contents, config: tools_of });
    contents.push(reply.candidates[0].content);
    const calls = (reply.functionCalls ?? []).map((call) => [[call.id, call.name], call.args.city]);
    return { calls, text: calls.length > 0 ? "" : reply.text };
  });
}

async function count_tokens(model) {
  const counted = await client().models.countTokens({ model, contents: "Hello!" });
  assert.equal(counted.totalTokens, 19);
}

async function errors(model) {
  const ask = (contents, more = {}, own = client()) => own.models.generateContent({ model, contents, ...more });
  const status = async (call) => (await raised(ApiError, call)).status;
  assert.equal(await status(() => ask("Hello!", { model: "no-such-model" })), 404);
  assert.equal(await status(() => ask("Hello!", {}, client("sk-wrong"))), 401);
  assert.equal(await status(() => ask("fail:429")), 429);
}

await run(generate, stream, tools, count_tokens, errors);
