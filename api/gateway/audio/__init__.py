"""OpenAI's audio dialect: forms in, engines' segments out as transcripts, whole or as events."""
