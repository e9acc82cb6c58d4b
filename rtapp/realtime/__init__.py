"""The engine: from a published event to the bytes on every socket. It imports no model."""
