// What OpenAI's own client for JavaScript does with speech: `node openai_audio.mjs URL RECORDING`.
import assert from "node:assert/strict";
import fs from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", timeout: 300_000 });
const asked = (more = {}) => ({ model: "whisper", file: fs.createReadStream(process.argv[3]), ...more });
const beginning = "It was the best of times";

const plain = await client.audio.transcriptions.create(asked());
assert(plain.text.startsWith(beginning));

const verbose = await client.audio.transcriptions.create(
  asked({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] }),
);
assert.equal(verbose.language, "english");
assert.equal(typeof verbose.duration, "number");
assert.equal(verbose.words[0].word, "It");
assert(verbose.segments[0].tokens.length);

for (const [form, head] of [["text", beginning], ["srt", "1\n00:00:"], ["vtt", "WEBVTT\n\n00:00:"]])
  assert((await client.audio.transcriptions.create(asked({ response_format: form }))).startsWith(head), form);

let text = "";
let done;
for await (const event of await client.audio.transcriptions.create(asked({ stream: true }))) {
  if (event.type === "transcript.text.delta") text += event.delta;
  if (event.type === "transcript.text.done") done = event.text;
}
assert.equal(text, done);
assert(text.startsWith(beginning));

assert((await client.audio.translations.create(asked())).text.startsWith(beginning));
await assert.rejects(client.audio.transcriptions.create(asked({ model: "nobody" })), OpenAI.NotFoundError);
