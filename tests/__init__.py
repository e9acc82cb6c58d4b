"""Mirrors rtapp/. What several test files share stands beside this file."""
