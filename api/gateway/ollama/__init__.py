"""Ollama's chats and OpenAI's, translated into each other."""
