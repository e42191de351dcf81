// What Anthropic's client for JavaScript does: `node anthropic_client.mjs URL`.
import assert from "node:assert";
import Anthropic, { NotFoundError } from "@anthropic-ai/sdk";

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

  const thought = await client.messages
    .stream({ model: "echo", max_tokens: 20, messages: [{ role: "user", content: "<think>hm</think> yes" }] })
    .finalMessage();
  assert.deepEqual(thought.content.map((block) => block.type), ["thinking", "text"]);
  assert(thought.content[0].signature);

  await assert.rejects(client.messages.create({ ...asked, model: "nobody" }), NotFoundError);
}
