"""Every table of the installation: one module a group, one MetaData."""

from db.tables.access import api_token, login_failure, session
from db.tables.accounts import account, resource_grant
from db.tables.base import metadata
from db.tables.calls import callback, cdr, channel_reservation, idempotency_key, node
from db.tables.jobs import job_position
from db.tables.numbers import call_center, call_center_agent, call_center_number, number, prefix

__all__ = [
    "account",
    "api_token",
    "call_center",
    "call_center_agent",
    "call_center_number",
    "callback",
    "cdr",
    "channel_reservation",
    "idempotency_key",
    "job_position",
    "login_failure",
    "metadata",
    "node",
    "number",
    "prefix",
    "resource_grant",
    "session",
]
