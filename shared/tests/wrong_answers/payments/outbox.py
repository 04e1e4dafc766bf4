"""Wrong answers to lab 3.2: the relay that empties the outbox."""

from amazonian.payments import outbox
from amazonian.payments.outbox import mark_sent, waiting
from wrong_answers import wrong


@wrong(outbox, feedback="A message that is marked is never sent")
def relay__marks_first(database, publish, now_s):
    sent, held_up = 0, set()
    for message in waiting(database.read):
        if message.order_id in held_up:
            continue
        database.write(lambda t, message=message: mark_sent(t, message, now_s))
        try:
            publish(message)
        except Exception:
            held_up.add(message.order_id)
            continue
        sent += 1
    return sent


@wrong(outbox, feedback="one database.write for each message")
def relay__marks_all_at_the_end(database, publish, now_s):
    sent, held_up = [], set()
    for message in waiting(database.read):
        if message.order_id in held_up:
            continue
        try:
            publish(message)
        except Exception:
            held_up.add(message.order_id)
            continue
        sent.append(message)
    database.write(lambda t: [mark_sent(t, message, now_s) for message in sent])
    return len(sent)


@wrong(outbox, feedback="first publish, then mark")
def relay__publishes_within_the_commit(database, publish, now_s):
    sent, held_up = 0, set()

    def both(t, message):
        mark_sent(t, message, now_s)
        publish(message)

    for message in waiting(database.read):
        if message.order_id in held_up:
            continue
        try:
            database.write(lambda t, message=message: both(t, message))
        except Exception:
            held_up.add(message.order_id)
            continue
        sent += 1
    return sent


@wrong(outbox, feedback="a2 must not arrive before a1")
def relay__goes_on_with_the_same_order(database, publish, now_s):
    sent = 0
    for message in waiting(database.read):
        try:
            publish(message)
        except Exception:
            continue
        database.write(lambda t, message=message: mark_sent(t, message, now_s))
        sent += 1
    return sent


@wrong(outbox, feedback="a2 must not arrive before a1")
def relay__stops_at_the_first_failure(database, publish, now_s):
    sent = 0
    for message in waiting(database.read):
        try:
            publish(message)
        except Exception:
            break
        database.write(lambda t, message=message: mark_sent(t, message, now_s))
        sent += 1
    return sent


@wrong(outbox, feedback="a broker that is away is no reason to stop")
def relay__lets_the_failure_through(database, publish, now_s):
    sent = 0
    for message in waiting(database.read):
        publish(message)
        database.write(lambda t, message=message: mark_sent(t, message, now_s))
        sent += 1
    return sent


@wrong(outbox, feedback="a process that ends can't be caught")
def relay__catches_the_end_of_the_process(database, publish, now_s):
    sent, held_up = 0, set()
    for message in waiting(database.read):
        if message.order_id in held_up:
            continue
        try:
            publish(message)
        except BaseException:
            held_up.add(message.order_id)
            continue
        database.write(lambda t, message=message: mark_sent(t, message, now_s))
        sent += 1
    return sent


@wrong(outbox, feedback="a broker that is away is no reason to stop")
def relay__knows_one_kind_of_failure(database, publish, now_s):
    sent, held_up = 0, set()
    for message in waiting(database.read):
        if message.order_id in held_up:
            continue
        try:
            publish(message)
        except OSError:
            held_up.add(message.order_id)
            continue
        database.write(lambda t, message=message: mark_sent(t, message, now_s))
        sent += 1
    return sent


@wrong(outbox, feedback="a broker may take seconds")
def relay__publishes_and_marks_in_one_commit(database, publish, now_s):
    sent, held_up = 0, set()

    def both(t, message):
        publish(message)
        mark_sent(t, message, now_s)

    for message in waiting(database.read):
        if message.order_id in held_up:
            continue
        try:
            database.write(lambda t, message=message: both(t, message))
        except Exception:
            held_up.add(message.order_id)
            continue
        sent += 1
    return sent
