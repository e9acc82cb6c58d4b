"""Checks of an installation, each with a sentence and a remedy: `flask --app app doctor`, and the
page of the administrators. A file for each family of checks; `run.py` has them all.

Unlike checks.py, which is asked each second, these may take half a minute and ask through the
public address. Administrators read the sentences, so they have no password and no token.
"""
