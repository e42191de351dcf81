// What Ollama's own client for JavaScript does: `node ollama_client.mjs URL`.
import assert from "node:assert/strict";
import { Ollama } from "ollama";

const client = new Ollama({ host: process.argv[2] });
const asked = { model: "smollm2", messages: [{ role: "user", content: "Say hello." }], options: { num_predict: 8 } };

assert((await client.list()).models.some((model) => model.name.startsWith("smollm2")));
assert((await client.show({ model: "smollm2" })).capabilities.includes("completion"));

assert((await client.chat(asked)).message.content);
let last;
for await (const piece of await client.chat({ ...asked, stream: true })) last = piece;
assert(last.done);
assert((await client.ps()).models.length > 0);

assert((await client.generate({ model: "smollm2", prompt: "Hi", options: asked.options })).response);
assert.equal((await client.embed({ model: "echo", input: ["a", "b"] })).embeddings.length, 2);

await assert.rejects(client.chat({ ...asked, model: "nobody" }), /not found|nobody/);

// Names and models that are made, and go again.
for await (const line of await client.create({ model: "brief-js", from: "smollm2", system: "Be brief.", stream: true })) last = line;
assert.equal(last.status, "success");
await client.copy({ source: "brief-js", destination: "other-js" });
for (const model of ["brief-js", "other-js"]) await client.delete({ model });
assert(!(await client.list()).models.some((model) => model.name.includes("-js")));

for await (const line of await client.pull({ model: "smollm2", stream: true })) last = line;
assert.equal(last.status, "success");
assert.equal((await client.generate({ model: "smollm2", keep_alive: 0 })).done_reason, "unload");
