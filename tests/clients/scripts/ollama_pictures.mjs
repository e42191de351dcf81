// What Ollama's own client for JavaScript shows a model: `node ollama_pictures.mjs URL PICTURE`.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Ollama } from "ollama";

const client = new Ollama({ host: process.argv[2] });
const options = { num_predict: 8 };
for (const image of [process.argv[3], await readFile(process.argv[3], "base64"), await readFile(process.argv[3])]) {
  const messages = [{ role: "user", content: "What do you see?", images: [image] }];
  assert((await client.chat({ model: "seeing", messages, options })).message.content);
  await assert.rejects(client.chat({ model: "smollm2", messages }), /cannot see/);
}
