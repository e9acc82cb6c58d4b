"""Mails with links: invitations, and links for new passwords.

A link's transaction writes a row (services/enqueue_mail.py). `sender.py` sends what is due, once of
all processes; `content.py` makes the mail, `delivery.py` hands it to the mail server.
"""
