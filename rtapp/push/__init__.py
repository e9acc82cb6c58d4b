"""Web Push: notifications for browsers in which no page of the user is open.

A message's transaction writes rows (services/enqueue_push.py). `sender.py` sends what is due, once
of all processes; `payload.py` makes the content, `delivery.py` the request to the push service.
"""
