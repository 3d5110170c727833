"""The audit's way into durable storage: the stream, and the bounded buffer beside it."""
