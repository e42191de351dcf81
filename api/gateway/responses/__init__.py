"""OpenAI's responses, translated to chats and back."""
