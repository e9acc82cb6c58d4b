"""Benchmarks: the cost of a delivery, an idle stream, a connect and a reconnect."""
