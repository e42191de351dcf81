"""Batches of OpenAI's and Anthropic's clients: a view over durable inference jobs."""
