"""Shoppers for Locust: so many rounds each, and what they were told goes into a file.

Environment: SHOP_ROUNDS, how many rounds a shopper makes; SHOP_TOLD, the file. Each of its lines
is what a shopper was told: an order that was placed, or the quantity of a line on a wish list.
"""

import json
import os
import random

from locust import HttpUser, constant, events, task
from locust.exception import StopUser

ROUNDS = int(os.environ["SHOP_ROUNDS"])
told = open(os.environ["SHOP_TOLD"], "a", encoding="utf-8")  # noqa: SIM115
left: list[int] = []


@events.spawning_complete.add_listener
def count(user_count, **_):
    left.append(user_count)


class Shopper(HttpUser):
    wait_time = constant(0)
    numbers = iter(range(1_000_000))

    def on_start(self):
        self.me = f"shopper{next(self.numbers)}"
        self.random = random.Random(self.me)
        self.rounds = 0

    def put(self, path, body, name):
        reply = self.client.put(path, json=body, name=name)
        return reply.status_code, reply.json() if reply.content else None

    def tell(self, **what):
        told.write(json.dumps(what) + "\n")

    @task
    def shop(self):
        sku, quantity = f"sku{self.random.randrange(20)}", self.random.randrange(1, 4)
        self.client.get(f"/products/{sku}", name="product")
        path = f"/carts/{self.me}-wishes/lines/{sku}"
        status, _ = self.put(path, {"quantity": quantity}, "wish")
        if status == 200:
            self.tell(wish=f"{self.me}-wishes", sku=sku, quantity=quantity)
        self.put(f"/carts/{self.me}/lines/{sku}", {"quantity": quantity}, "cart line")
        checkout = f"{self.me}-{self.rounds}"
        body = {"user": self.me, "card": "visa"}
        status, placed = self.put(f"/checkouts/{checkout}", body, "checkout")
        if status == 201:
            self.tell(order=checkout, sku=sku, quantity=quantity, total=placed["total_cents"])
            self.client.get(f"/orders/{checkout}", name="order")
        self.rounds += 1
        if self.rounds == ROUNDS:
            left.append(-1)
            if sum(left) == 0:
                told.flush()
                self.environment.runner.quit()
            raise StopUser
