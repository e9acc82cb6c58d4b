"""RTAPP_PROXIES is the number of proxies that a request comes through, and they say its scheme."""

from typing import Any

from rtapp.config import Settings

from .finding import Finding

NAME = "proxies"


def check(seen: dict[str, Any], settings: Settings, forged: str) -> list[Finding]:
    """`seen`: how a request arrived that had the address `forged` in its X-Forwarded-For."""
    return [count(seen, settings.proxies, forged), scheme(seen, settings)]


def count(seen: dict[str, Any], expected: int, forged: str) -> Finding:
    """Each proxy adds an entry behind that of the client's own, or replaces it."""
    entries = [entry.strip() for entry in str(seen.get("forwarded_for", "")).split(",")]
    entries = [entry for entry in entries if entry]
    found = len(entries) - entries.count(forged)
    address = seen.get("address")
    remedy = f"Set RTAPP_PROXIES={found}, and start rtapp again."
    if found == expected and address != forged:
        return Finding(NAME, "ok", f"RTAPP_PROXIES={expected} fits; clients have their addresses.")
    if found > expected:
        return Finding(
            NAME, "problem", f"{proxies(found)} before rtapp, and RTAPP_PROXIES is {expected}: all "
            "clients count as one address, so they share its limits.", remedy,
        )  # fmt: skip
    if found:
        return Finding(
            NAME, "problem", f"{proxies(found)} before rtapp, and RTAPP_PROXIES is {expected}: "
            "clients can make addresses up, and so pass every limit.", remedy,
        )  # fmt: skip
    return Finding(
        NAME, "problem", f"RTAPP_PROXIES is {expected}, and nothing before rtapp adds to "
        "X-Forwarded-For: clients can make addresses up.",
        "Have the proxy add it, as the files in deploy/ do; without a proxy, set RTAPP_PROXIES=0.",
    )  # fmt: skip


def proxies(count: int) -> str:
    return "One proxy stands" if count == 1 else f"{count} proxies stand"


def scheme(seen: dict[str, Any], settings: Settings) -> Finding:
    expected = (settings.url or "").partition(":")[0]
    if seen.get("scheme") == expected:
        return Finding("scheme", "ok", f"Requests arrive as {expected}.")
    return Finding(
        "scheme", "problem", f"Requests are sent as {expected} and arrive as {seen.get('scheme')}, "
        "so browsers are refused, or not kept on HTTPS.",
        "Have the proxy set X-Forwarded-Proto, as the files in deploy/ do.",
    )  # fmt: skip
