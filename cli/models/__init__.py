"""Commands about models that need more than a line."""
