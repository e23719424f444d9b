// OpenAI's own SDK for Node, as applications use it.

import assert from "node:assert/strict";

import { SCHEMA, TEXT, WEATHER, key, load, loop, raised, run, url } from "./cases.mjs";

const OpenAI = load("openai").default;
const client = (apiKey = key) => new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0, timeout: 30_000 });
const HELLO = [{ role: "user", content: "Hello!" }];
const described = { name: "get_weather", description: "Weather by city", strict: true, parameters: SCHEMA };
const CHAT_TOOL = { type: "function", function: described };
const TOOL = { type: "function", ...described };

async function chat(model) {
  const reply = await client().chat.completions.create({ model, messages: HELLO });
  assert.equal(reply.choices[0].message.content, TEXT);
  assert.equal(reply.usage.total_tokens, 31);
  assert.ok(reply._request_id);
}

async function stream(model) {
  const options = { include_usage: true };
  const runner = client().chat.completions.stream({ model, messages: HELLO, stream_options: options });
  let text = "";
  runner.on("content", (delta) => {
    text += delta;
  });
  const final = await runner.finalChatCompletion();
  assert.deepEqual([text, final.choices[0].message.content], [TEXT, TEXT]);
  assert.equal(final.choices[0].finish_reason, "stop");
  assert.equal(final.usage.total_tokens, 31);
}

const resultsOf = (results) => results.map(([id, content]) => ({ role: "tool", tool_call_id: id, content }));
const callsOf = (message) =>
  (message.tool_calls ?? []).map((call) => [call.id, JSON.parse(call.function.arguments).city]);

async function tools(model) {
  const messages = [...HELLO];
  await loop(async (results) => {
    messages.push(...resultsOf(results));
    const reply = await client().chat.completions.create({ model, messages, tools: [CHAT_TOOL] });
    const { message } = reply.choices[0];
    messages.push(message);
    return { calls: callsOf(message), text: message.content };
  });
}

async function tools_stream(model) {
  const messages = [...HELLO];
  await loop(async (results) => {
    messages.push(...resultsOf(results));
    const runner = client().chat.completions.stream({ model, messages, tools: [CHAT_TOOL] });
    const { message } = (await runner.finalChatCompletion()).choices[0];
    for (const call of message.tool_calls ?? []) {
      delete call.function.parsed_arguments;
    }
    delete message.parsed;
    messages.push(message);
    return { calls: callsOf(message), text: message.content };
  });
}

async function structured(model) {
  const schema = { name: "weather", strict: true, schema: WEATHER };
  const format = { type: "json_schema", json_schema: schema };
  const reply = await client().chat.completions.parse({ model, messages: HELLO, response_format: format });
  assert.deepEqual(JSON.parse(reply.choices[0].message.content), { city: "Oslo", degrees: 4 });
}

async function embeddings(model) {
  const reply = await client().embeddings.create({ model, input: ["one", "two"] });
  assert.deepEqual(reply.data.map((found) => [...found.embedding]), [[0.5, -1], [0.5, -1]]);
}

async function responses(model) {
  const ask = { model, input: "Hello!", store: false };
  const reply = await client().responses.create(ask);
  assert.deepEqual([reply.output_text, reply.usage.total_tokens], [TEXT, 31]);
  const kinds = new Set();
  let text = "";
  const events = client().responses.stream(ask);
  events.on("event", (event) => kinds.add(event.type));
  events.on("response.output_text.delta", (event) => {
    text += event.delta;
  });
  const final = await events.finalResponse();
  assert.deepEqual([text, final.output_text, final.status], [TEXT, TEXT, "completed"]);
  assert.ok(kinds.has("response.content_part.done") && kinds.has("response.completed"), [...kinds].join());
}

async function responses_tools(model) {
  const input = [...HELLO];
  await loop(async (results) => {
    input.push(...results.map(([call_id, output]) => ({ type: "function_call_output", call_id, output })));
    const reply = await client().responses.create({ model, input, tools: [TOOL], store: false });
    input.push(...reply.output);
    const calls = reply.output.filter((item) => item.type === "function_call");
    return { calls: calls.map((call) => [call.call_id, JSON.parse(call.arguments).city]), text: reply.output_text };
  });
}

async function responses_parse(model) {
  const format = { type: "json_schema", name: "weather", strict: true, schema: WEATHER };
  const reply = await client().responses.parse({ model, input: "Hello!", text: { format }, store: false });
  assert.deepEqual(JSON.parse(reply.output_text), { city: "Oslo", degrees: 4 });
}

async function errors(model) {
  const ask = (content, more = {}, own = client()) =>
    own.chat.completions.create({ model, messages: [{ role: "user", content }], ...more });
  const missing = await raised(OpenAI.NotFoundError, () => ask("Hello!", { model: "no-such-model" }));
  assert.deepEqual([missing.code, missing.param], ["model_not_found", "model"]);
  assert.ok(missing.requestID);
  await raised(OpenAI.AuthenticationError, () => ask("Hello!", {}, client("sk-wrong")));
  const limited = await raised(OpenAI.RateLimitError, () => ask("fail:429"));
  assert.equal(limited.headers.get("retry-after"), "7");
  await raised(OpenAI.BadRequestError, () => ask("fail:400"));
  await raised(OpenAI.InternalServerError, () => ask("fail:500"));
  // A stream that breaks is an error and not a short answer.
  await raised(OpenAI.APIError, async () => {
    for await (const chunk of await ask("fail:cut", { stream: true })) assert.ok(chunk);
  });
}

await run(
  chat, stream, tools, tools_stream, structured, embeddings, responses, responses_tools, responses_parse, errors,
);
