"""Meridian: a small calendar and chat company that is not Remit, for the vault to connect to.

A real OAuth 2.0 provider in one process and in memory: authorization code with PKCE, its own sign-in and consent,
rotating refresh tokens with reuse detection, revocation, and an API that enforces scopes.
"""

from remit_demo.provider.app import create_app
from remit_demo.provider.authority import Account, Authority, Client, OAuthError
from remit_demo.provider.faults import Fault, Faults

__all__ = ["Account", "Authority", "Client", "Fault", "Faults", "OAuthError", "create_app"]
