"""A payment service provider that speaks enough of Stripe's API for the real `stripe` SDK.

It stands for another company: its memory survives the shop's crashes, and it knows nothing of the
rest of this package. To read it, follow one payment: `core` takes the request, `operations` finds
what it asks for, `payment_intents` collects the money, `balance` counts it, `events` and
`webhooks` tell of it, `idempotency` keeps the answer. `faults` has it misbehave, `transport` puts
the SDK on it in this process, `server` on a port, and `settlement` is its file of the day.
"""
