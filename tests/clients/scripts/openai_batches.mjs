// What OpenAI's own client does beside chats: responses, models, files and batches: `node openai_batches.mjs URL`.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", timeout: 120_000 });
const endpoint = "/v1/chat/completions";
const body = { model: "echo", messages: [{ role: "user", content: "say it" }] };

async function idsOf(list) {
  const ids = [];
  for await (const each of list) ids.push(each.id);
  return ids;
}

assert.equal((await client.models.retrieve("echo")).id, "echo");

// Responses.
const asked = { model: "echo", input: "hi there" };
assert.equal((await client.responses.create(asked)).output_text, "hi there");
const stream = client.responses.stream(asked);
const types = [];
for await (const event of stream) types.push(event.type);
assert.deepEqual([types[0], types.at(-1)], ["response.created", "response.completed"]);
assert.equal((await stream.finalResponse()).output_text, "hi there");
assert.ok((await client.responses.inputTokens.count(asked)).input_tokens > 0);

// Files.
const line = JSON.stringify({ custom_id: "a", method: "POST", url: endpoint, body });
const file = await client.files.create({ file: await toFile(Buffer.from(`${line}\n`), "in.jsonl"), purpose: "batch" });
assert.equal((await client.files.retrieve(file.id)).bytes, line.length + 1);
assert.equal(await (await client.files.content(file.id)).text(), `${line}\n`);
assert.ok((await idsOf(client.files.list({ limit: 1 }))).includes(file.id));

// Batches.
let batch = await client.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" });
const deadline = Date.now() + 120_000;
while (batch.status !== "completed") {
  assert.ok(Date.now() < deadline && batch.status !== "failed", JSON.stringify(batch));
  await new Promise((done) => setTimeout(done, 100));
  batch = await client.batches.retrieve(batch.id);
}
assert.deepEqual(batch.request_counts, { total: 1, completed: 1, failed: 0 });
const answer = JSON.parse(await (await client.files.content(batch.output_file_id)).text());
assert.equal(answer.response.body.choices[0].message.content, "say it");
assert.deepEqual(await idsOf(client.batches.list({ limit: 1 })), [batch.id]);
assert.ok((await client.files.delete(file.id)).deleted);
