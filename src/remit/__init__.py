"""Remit for agents and for the APIs they call.

An agent::

    client = Client()                                    # REMIT_URL, REMIT_CLIENT_ID, REMIT_CLIENT_SECRET
    prompt = await client.device_sign_in(scope="trade:write", audience="https://broker.example")
    print(prompt.verification_uri_complete)
    me = await prompt                                    # -> User; or: await client.on_behalf_of(access_token)

    token = await me.token("calendar", scopes=["calendar.read"])       # -> Token, or raises ConnectRequired
    await http.get(calendar_url, auth=token.auth)

    approval = await me.request({"type": "trade_order", "side": "buy", "qty": 10}, audience="https://broker.example")
    grant = await approval                               # -> Grant, or raises ApprovalDenied, ApprovalExpired ...
    await http.post(orders_url, json=order, auth=grant.token.auth)

An API::

    verify = Verifier(issuer="https://remit.example/", audience="https://broker.example")
    caller = await verify(authorization, method="POST", url=url, dpop=proofs)      # -> Caller, or raises Challenge
    caller.requires("trade:write")
    await caller.spend("trade_order", side="buy", qty=10)                          # once, and exactly so

Code without an event loop runs any of these through ``client.sync``: ``me = client.sync(client.on_behalf_of(token))``.
"""
