"""Chapter 1, the Builders' Library: components that keep a service up when its parts fail.

``retries``, ``contention``, ``storm``, ``flaky``: lab 1.1 · ``idempotency``: lab 1.2 ·
``sharding``: lab 1.3 · ``caching``: lab 1.4 · ``delivery``: lab 1.5 · ``clock``: all of them.
"""
