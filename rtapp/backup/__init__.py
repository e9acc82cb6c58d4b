"""Backups: one file with the database and a manifest, and the way back.

`archive.py` is the file, `sqlite.py` and `postgresql.py` copy and replace a database, `make.py` and
`restore.py` are what the commands call. docs/decisions.md, "A backup has nothing that is still to
be sent", has the reasons.
"""
