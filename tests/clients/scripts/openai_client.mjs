// What OpenAI's own client for JavaScript does: `node openai_client.mjs URL`.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", timeout: 120_000 });
const asked = { model: "smollm2", messages: [{ role: "user", content: "Say hello." }], max_tokens: 8 };

const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert(names.includes("smollm2"));

const whole = await client.chat.completions.create(asked);
assert(whole.choices[0].message.content);

let text = "";
for await (const chunk of await client.chat.completions.create({ ...asked, stream: true }))
  text += chunk.choices[0]?.delta?.content ?? "";
assert(text);

const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
assert(streamed.choices[0].message.content);

assert((await client.completions.create({ model: "smollm2", prompt: "Once", max_tokens: 4 })).choices[0].text);
assert.equal((await client.embeddings.create({ model: "echo", input: ["a", "b"] })).data.length, 2);

await assert.rejects(client.chat.completions.create({ ...asked, model: "nobody" }), OpenAI.NotFoundError);
