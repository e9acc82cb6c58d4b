"""Events for clients: their catalogue, presenters, audience, outbox and rendering."""
