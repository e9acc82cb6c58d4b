"""Services: each is a transaction that includes its outbox rows, without request or response."""
