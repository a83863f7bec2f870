"""The client, and the embedded provider behind the same SDK."""
