"""``python -m amazonian.payments.stripe_simulator``: a payment service provider on a port."""

import argparse
import contextlib
import threading

from amazonian.payments.stripe_simulator.core import API_KEY, Simulator
from amazonian.payments.stripe_simulator.server import running
from amazonian.resilience.clock import WallClock


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m amazonian.payments.stripe_simulator")
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--webhook-url", help="where events go")
    parser.add_argument("--webhook-secret", help="signs them; made up unless given")
    options = parser.parse_args(arguments)
    simulator = Simulator(WallClock(), api_key=options.api_key)
    if options.webhook_url:
        secret = simulator.add_webhook(options.webhook_url, options.webhook_secret)
        print(f"webhooks to {options.webhook_url}, secret {secret}", flush=True)
    with running(simulator, options.port) as url, contextlib.suppress(KeyboardInterrupt):
        print(f"stripe simulator on {url}, key {options.api_key}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
