// What OpenAI's own client for JavaScript shows a model: `node openai_pictures.mjs URL PICTURE`.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", timeout: 120_000 });
const url = `data:image/png;base64,${await readFile(process.argv[3], "base64")}`;
const content = [{ type: "text", text: "What do you see?" }, { type: "image_url", image_url: { url } }];
const asked = { model: "seeing", messages: [{ role: "user", content }], max_tokens: 8 };

assert((await client.chat.completions.create(asked)).choices[0].message.content);
const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
assert(streamed.choices[0].message.content);
await assert.rejects(client.chat.completions.create({ ...asked, model: "smollm2" }), /cannot see/);
