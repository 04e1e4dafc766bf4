"""Chapter 3, payments: from "Buy" to the reconciled ledger, with nothing twice and nothing lost.

- Lab 3.1: ``money``, ``journal``, ``ledger``, ``wallets``.
- Lab 3.2: ``events``, ``orders``, ``provider``, ``webhooks``, ``outbox``, on ``stripe_simulator``.
- Lab 3.3: ``executor`` and ``conclusions``; ``crashes``, ``points`` and ``kills`` try it, ``naive``
  fails; ``reconciliation``, ``nightly`` and ``report`` compare with the PSP's file.

``python -m amazonian.payments`` serves it: ``api``, ``requests``, ``store``, ``dead_letters``.
"""
