// Uses a server with npm's package openai: node client.mjs URL GRAMMAR-OF-THOUGHTS GRAMMAR-OF-A-CALL
import assert from "node:assert/strict";
import OpenAI from "openai";

const [url, thinks, calls] = process.argv.slice(2);
const client = new OpenAI({baseURL: url, apiKey: "none", maxRetries: 0});
const messages = [{role: "user", content: "What is it?"}];
const tools = [{type: "function", function: {name: "weather", parameters: {
  type: "object", properties: {city: {type: "string", enum: ["Rome", "Oslo"]}}, required: ["city"], additionalProperties: false}}}];

const answer = await client.chat.completions.create({model: "tiny", messages, max_tokens: 120, grammar: thinks});
assert.equal(answer.choices[0].message.content, "A red ball.");
assert.equal(answer.choices[0].message.reasoning_content.trim(), "It is a ball.");
assert.ok(answer.usage.prompt_tokens > 0);

let content = "", reasoning = "", usage;
for await (const part of await client.chat.completions.create({model: "tiny", messages, max_tokens: 120, grammar: thinks, stream: true, stream_options: {include_usage: true}})) {
  content += part.choices[0]?.delta.content ?? "";
  reasoning += part.choices[0]?.delta.reasoning_content ?? "";
  usage = part.usage ?? usage;
}
assert.equal(content, "A red ball.");
assert.equal(reasoning.trim(), "It is a ball.");
assert.ok(usage.completion_tokens > 0);

const runner = client.chat.completions.stream({model: "tiny", messages, tools, max_tokens: 120, grammar: calls});
const called = (await runner.finalChatCompletion()).choices[0];
assert.equal(called.finish_reason, "tool_calls");
assert.deepEqual(JSON.parse(called.message.tool_calls[0].function.arguments), {city: "Rome"});

const structured = await client.chat.completions.parse({model: "tiny", messages, max_tokens: 120,
  response_format: {type: "json_schema", json_schema: {name: "weather", strict: true, schema: tools[0].function.parameters}}});
assert.ok(["Rome", "Oslo"].includes(JSON.parse(structured.choices[0].message.content).city));

const response = await client.responses.create({model: "tiny", input: "What is it?", max_output_tokens: 120, grammar: thinks});
assert.equal(response.status, "completed");
assert.equal(response.output_text, "A red ball.");
assert.equal(response.output[0].content[0].text.trim(), "It is a ball.");
assert.ok(response.usage.input_tokens > 0);

let said = "", thought = "", sequence = 0;
for await (const event of await client.responses.create({model: "tiny", input: messages, max_output_tokens: 120, grammar: thinks, stream: true})) {
  assert.equal(event.sequence_number, sequence++);
  if (event.type === "response.output_text.delta") said += event.delta;
  if (event.type === "response.reasoning_text.delta") thought += event.delta;
}
assert.equal(said, "A red ball.");
assert.equal(thought.trim(), "It is a ball.");
for (const summary of [null, "auto"]) {
  const sum = await client.responses.stream({model: "tiny", input: "What is it?", max_output_tokens: 120, grammar: thinks, reasoning: {summary}}).finalResponse();
  assert.equal(sum.output_text, "A red ball.");
}

const flat = [{type: "function", strict: true, ...tools[0].function}];
const turn = await client.responses.stream({model: "tiny", input: "What is it?", tools: flat, max_output_tokens: 120, grammar: calls}).finalResponse();
assert.equal(turn.output[0].type, "function_call");
assert.deepEqual(JSON.parse(turn.output[0].arguments), {city: "Rome"});
const result = {type: "function_call_output", call_id: turn.output[0].call_id, output: "Sunny."};
const next = await client.responses.create({model: "tiny", input: [...messages, ...turn.output, result], tools: flat, max_output_tokens: 120, grammar: thinks});
assert.equal(next.output_text, "A red ball.");

const parsed = await client.responses.parse({model: "tiny", input: "What is it?", max_output_tokens: 120,
  text: {format: {type: "json_schema", name: "weather", strict: true, schema: tools[0].function.parameters}}});
assert.ok(["Rome", "Oslo"].includes(JSON.parse(parsed.output_text).city));

const kept = await client.responses.create({model: "tiny", input: "What is it?", previous_response_id: "resp_1"}).catch((e) => e);
assert.ok(kept instanceof OpenAI.BadRequestError);
assert.equal(kept.param, "previous_response_id");

const error = await client.chat.completions.create({model: "tiny", messages, top_p: 7}).catch((e) => e);
assert.ok(error instanceof OpenAI.BadRequestError);
assert.equal(error.param, "top_p");
assert.equal(error.type, "invalid_request_error");

const vectors = await client.embeddings.create({model: "tiny", input: ["a", "b"]}); // asks for base64
assert.equal(vectors.data[1].embedding.length, 256);

const abort = new AbortController();
const long = await client.chat.completions.create({model: "tiny", messages, ignore_eos: true, stream: true}, {signal: abort.signal});
for await (const _ of long) abort.abort();
assert.equal((await client.models.list()).data[0].id, "tiny-stories-f16");
console.log("ok");
