"""What can be done: each a transaction with its outbox rows. No request, no response."""
