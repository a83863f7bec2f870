"""The embedded provider: OpenAI's HTTP API without a key and without a network."""
