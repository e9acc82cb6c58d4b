"""Benchmarks: what a delivery, an idle stream, a connect and a reconnect cost."""
