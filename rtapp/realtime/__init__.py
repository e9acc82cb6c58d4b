"""The engine: from a published event to the bytes on every socket. Knows no model and no Flask."""
