"""Planning core: pure functions from frozen structs to frozen structs.

No database, no web, no settings and no clock of its own: a stopping rule is passed in, a seed makes
every search repeatable. Imports inside: `stop`, `travel` below, then `route`, `batch`, `wave`.
"""
