"""What a user's token may do: its scope, decided here for every endpoint. Each scope includes the
ones before it, and none allows more than its user may.

`read`: pages, lists and streams. `write`: actions. `admin`: what changes accounts and sign-ins.
"""

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)
VISITOR = "visitor"  # of a customer's token: their own conversations

SAFE = {"GET", "HEAD", "OPTIONS"}
# Blueprints whose changes are a team's everyday work; those of any other are an administrator's.
WORK = {"actions", "canned_reply", "contact", "login"}
SETTINGS = ("/settings", "/accounts/<id:account_id>/settings")  # readable with ADMIN only


def needed(method: str, endpoint: str, rule: str) -> str:
    """The least scope for a request with this method to the endpoint with this rule."""
    if any(rule == path or rule.startswith(f"{path}/") for path in SETTINGS):
        return ADMIN
    if method in SAFE:
        return READ
    return WRITE if endpoint.partition(".")[0] in WORK else ADMIN


def allows(scope: str, need: str) -> bool:
    return SCOPES.index(scope) >= SCOPES.index(need)
