"""Anthropic's messages and OpenAI's chats, translated into each other."""
