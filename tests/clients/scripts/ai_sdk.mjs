// The AI SDK, whose schemas are strict, with each provider that speaks one of our dialects: `node ai_sdk.mjs URL`.
import assert from "node:assert/strict";
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createOllama } from "ollama-ai-provider-v2";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false;
const url = process.argv[2];
const compatible = createOpenAICompatible({
  name: "cidermill", baseURL: `${url}/v1`, includeUsage: true, supportsStructuredOutputs: true,
});
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: "none" });
const ollama = createOllama({ baseURL: `${url}/api` });
const providers = {
  compatible, chat: openai.chat, responses: openai.responses, anthropic, ollama,
};

const look = tool({
  description: "Looks at a place.",
  inputSchema: z.object({ at: z.string().max(8) }),
  execute: async ({ at }) => `${at} is empty`,
});
const thinks = { openai: { reasoningSummary: "auto", forceReasoning: true }, ollama: { think: true } };
// Ollama's provider has its own word for how long an answer may become.
const limits = { maxRetries: 0, maxOutputTokens: 60, providerOptions: { ollama: { options: { num_predict: 60 } } } };

async function check([name, provider]) {
  const model = provider("smollm2");
  const brief = { ...limits, model, prompt: "Say hello.", maxOutputTokens: 8 };

  const whole = await generateText(brief);
  assert(whole.text, name);
  assert(whole.usage.inputTokens > 0 && whole.usage.outputTokens > 0, name);

  const streamed = streamText({ ...brief, onError: ({ error }) => { throw error; } });
  let text = "";
  for await (const piece of streamed.textStream) text += piece;
  assert(text, name);
  assert(["stop", "length"].includes(await streamed.finishReason), name);
  assert((await streamed.usage).outputTokens > 0, name);

  const called = await generateText({ ...limits, model, prompt: "Look here.", tools: { look }, toolChoice: "required" });
  assert.equal(called.finishReason, "tool-calls", name);
  assert.equal(typeof called.toolCalls[0].input.at, "string", name);

  // Streamed, and gone on with what the tool returned.
  const steps = streamText({
    ...limits, model, prompt: "Look here.", tools: { look }, stopWhen: stepCountIs(2),
    toolChoice: { type: "tool", toolName: "look" },
    prepareStep: ({ stepNumber }) => (stepNumber > 0 ? { toolChoice: "none" } : {}),
  });
  for await (const part of steps.stream) if (part.type === "error") throw part.error;
  const [first, second] = await steps.steps;
  assert.equal(first.toolCalls[0].toolName, "look", name);
  assert(second.text || second.finishReason === "length" || second.finishReason === "stop", name);

  const { output } = await generateText({
    ...limits, model, prompt: "How old is Ann?", output: Output.object({ schema: z.object({ age: z.number().int().max(99) }) }),
  });
  assert(Number.isInteger(output.age), name);

  // The echo engine repeats what it hears, also what a model would think.
  const think = { model: provider("echo"), prompt: "<think>hm</think> yes", maxRetries: 0, providerOptions: thinks };
  const thought = await generateText(think);
  const thinking = streamText(think);
  for await (const part of thinking.stream) if (part.type === "error") throw part.error;
  for (const [text, reasoning] of [[thought.text, thought.reasoningText], [await thinking.text, await thinking.reasoningText]]) {
    assert.equal(text, "yes", name);
    // OpenAI's own chats have no thoughts.
    if (name !== "chat") assert.equal(reasoning, "hm", name);
  }

  await assert.rejects(generateText({ ...brief, model: provider("nobody") }), { statusCode: 404 }, name);
}
// At once: the engine answers them side by side.
await Promise.all(Object.entries(providers).map(check));

for (const model of [compatible.embeddingModel("echo"), openai.embedding("echo"), ollama.embeddingModel("echo")])
  assert.equal((await embedMany({ model, values: ["a", "b"], maxRetries: 0 })).embeddings.length, 2);
