"""Unread counts of each user: queried from the rows, kept current by events, and pushed."""
