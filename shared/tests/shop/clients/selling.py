"""Load by locust: customers who ask for a price and then buy, a number of times, and go.

Run by `locust -f selling.py --headless`; a line is printed for each answer: what was asked, the
sale's id, and the status (0 if there was no whole answer).
"""

import os

import gevent.lock
from locust import HttpUser, constant, task
from locust.exception import StopUser

SALES_EACH = int(os.environ["SALES_EACH"])
USERS = int(os.environ["USERS"])
_left = USERS
_print = gevent.lock.Semaphore()


class Customer(HttpUser):
    wait_time = constant(0)
    number = 0

    def on_start(self) -> None:
        Customer.number += 1
        self.number, self.sales = Customer.number, 0

    @task
    def buy(self) -> None:
        global _left
        price = self.client.get("/prices/42", name="price")
        sale = f"{self.number}-{self.sales}"
        _say("GET", sale, price.status_code)
        sold = self.client.post("/sales", json={"sale": sale}, name="sale")
        _say("POST", sale, sold.status_code)
        self.sales += 1
        if self.sales == SALES_EACH:
            _left -= 1
            if not _left:
                self.environment.runner.quit()
            raise StopUser


def _say(method: str, sale: str, status: int) -> None:
    with _print:
        print(method, sale, status, flush=True)
