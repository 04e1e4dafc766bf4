"""Chapter 1, the Builders' Library: components that keep a service up when its parts fail.

- Lab 1.1: ``retries``; its models ``contention`` and ``storm``; its server ``flaky``.
- Lab 1.2: ``idempotency``; the service ``charges``, its ``charge_client``, and ``crashes``.
- Lab 1.3: ``availability`` and ``sharding``.
- Lab 1.4: ``caching``, ``coalescing``; models ``popularity``, ``coldcache``, ``experiment``.
- Lab 1.5: ``delivery`` and ``formats``; the model ``fleet``.

All of them take their time from ``clock``. Later chapters keep what must survive in ``database``.
"""
