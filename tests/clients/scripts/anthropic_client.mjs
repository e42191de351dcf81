// What Anthropic's client for JavaScript does: `node anthropic_client.mjs URL`.
import assert from "node:assert";
import Anthropic, { NotFoundError } from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";

const messages = [{ role: "user", content: "Say hello." }];
const asked = { model: "smollm2", max_tokens: 8, messages };

for (const base of [process.argv[2], `${process.argv[2]}/anthropic`]) {
  const client = new Anthropic({ baseURL: base, apiKey: "none", timeout: 120_000 });

  const listed = [];
  for await (const model of client.models.list({ limit: 1 })) listed.push(model.id);
  assert(listed.includes("smollm2"));

  const whole = await client.messages.create(asked);
  assert(whole.content[0].text);
  assert(whole.usage.output_tokens <= 8);
  assert((await client.messages.countTokens({ model: "smollm2", messages })).input_tokens > 10);

  // The helper waits for `message_stop`.
  const final = await client.messages.stream(asked).finalMessage();
  assert(final.content[0].text);
  assert(["end_turn", "max_tokens"].includes(final.stop_reason));

  const tools = [{ name: "look", input_schema: { type: "object", properties: { at: { type: "string", maxLength: 8 } } } }];
  const called = await client.messages
    .stream({ ...asked, max_tokens: 60, tools, tool_choice: { type: "tool", name: "look" } })
    .finalMessage();
  assert.equal(called.stop_reason, "tool_use");
  assert.equal(called.content[0].name, "look");

  // What the helper would have the server keep is refused, and then sent whole: nothing of the talk is lost.
  const weather = betaTool({
    name: "weather", description: "Tells the weather.", run: ({ place }) => `It rains in ${place}.`,
    inputSchema: { type: "object", properties: { place: { enum: ["Paris", "Rome"] } }, required: ["place"] },
  });
  const prompts = [];
  for await (const turn of client.beta.messages.toolRunner({
    ...asked, max_tokens: 60, tools: [weather], tool_choice: { type: "any" }, max_iterations: 2,
  })) prompts.push(turn.usage.input_tokens + (turn.usage.cache_read_input_tokens ?? 0));
  assert.equal(prompts.length, 2);
  assert(prompts[0] < prompts[1]);

  const thought = await client.messages
    .stream({ model: "echo", max_tokens: 20, messages: [{ role: "user", content: "<think>hm</think> yes" }] })
    .finalMessage();
  assert.deepEqual(thought.content.map((block) => block.type), ["thinking", "text"]);
  assert(thought.content[0].signature);

  await assert.rejects(client.messages.create({ ...asked, model: "nobody" }), NotFoundError);
}
