"""Warehouse floor execution engine.

Rooms are warehouse work: masterdata, access, events, inventory, tasks, then inbound, outbound and
counting, which never import each other. Imports point down (see `docs/architecture.md`); nothing
in here knows HTTP servers or templates: those live in `web/`.
"""
