"""A payment service provider that speaks enough of Stripe's API for the real `stripe` SDK.

It stands for another company. Its memory survives the shop's crashes, and it knows nothing of the
rest of this package. `core.Simulator` answers requests, `transport` puts the SDK on it in this
process, `server` lets it listen on a port, `faults` makes it misbehave.
"""
