"""Redis publishes, persists, does not evict, and has memory left: of a cluster, every master."""

from typing import Any

from flask import current_app
from redis.exceptions import RedisError

from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import EvictingRedis
from rtapp.realtime.diagnosis import diagnose

from .finding import Finding
from .finding import worst_first

OLDEST = (6, 2)
FULL = 0.8  # of maxmemory: a warning
MIB = 1024 * 1024
POLICY = "In redis.conf: maxmemory-policy noeviction. Now: CONFIG SET maxmemory-policy noeviction."
APPENDONLY = "In redis.conf: appendonly yes. Now: CONFIG SET appendonly yes."


def check() -> list[Finding]:
    broker: Broker = current_app.extensions["broker"].for_requests
    try:
        shards = broker.shards.known()
        servers = [examined(broker, shard) for shard in shards]
    except (RedisError, OSError) as error:
        found = diagnose(error).text
        return [Finding("Redis", "problem", found, "Until then, actions succeed and wait.")]
    versions, *others = zip(*servers, strict=True)
    return [
        worst_first(list(versions))[0],
        publishes(broker),
        *(worst_first(list(findings))[0] for findings in others),
    ]


def examined(broker: Broker, shard: str) -> list[Finding]:
    """The findings about one server; of a cluster, its name stands before what is not well."""
    info = broker.shards.server(shard).info()
    findings = [version(info), persistence(info), eviction(broker, shard), memory(info)]
    if not broker.shards.are_several:
        return findings
    return [
        each if each.verdict == "ok" else each._replace(sentence=f"{shard}: {each.sentence}")
        for each in findings
    ]


def version(info: dict[str, Any]) -> Finding:
    found = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers >= OLDEST:
        return Finding("Redis", "ok", f"Redis {found} answers.")
    needed = ".".join(map(str, OLDEST))
    return Finding("Redis", "problem", f"This is Redis {found}.", f"Install {needed} or newer.")


def publishes(broker: Broker) -> Finding:
    """Whether an event could be published now: tried with a key, and with the server's role."""
    try:
        broker.check()
    except EvictingRedis:
        pass  # has a finding of its own
    except (RedisError, OSError) as error:
        return Finding("publishing", "problem", diagnose(error).text)
    return Finding("publishing", "ok", "It takes events.")


def persistence(info: dict[str, Any]) -> Finding:
    if not info.get("aof_enabled"):
        return Finding(
            "persistence", "warning",
            "Redis keeps no append-only file: after its restart every client is reset, and "
            "fetches everything again at the same moment.", APPENDONLY,
        )  # fmt: skip
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding(
            "persistence", "problem", "Redis can't write its append-only file.",
            "Make room on its disk, and look into its log.",
        )  # fmt: skip
    return Finding("persistence", "ok", "Its histories outlive a restart (appendonly yes).")


def eviction(broker: Broker, shard: str) -> Finding:
    try:
        broker.refuse_eviction(shard)
    except EvictingRedis as error:
        sentence = str(error).partition(" Set maxmemory-policy")[0]
        return Finding("eviction", "problem", sentence, POLICY)
    return Finding("eviction", "ok", "It evicts nothing.")


def memory(info: dict[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not most:
        return Finding("memory", "ok", f"Redis uses {used // MIB} MiB, without a limit.")
    sentence = f"Redis uses {used // MIB} of {most // MIB} MiB."
    if used < FULL * most:
        return Finding("memory", "ok", sentence)
    return Finding(
        "memory", "warning", sentence,
        "Raise maxmemory before it is full: then events wait in the database.",
    )  # fmt: skip
