"""Two toy capabilities, on units that the house has no stage for: a depot's day, and a customer.

They bring all that they need, as a capability of the house does, and edit nothing but what `conf/base.toml` says:

    the house's place                          here
    lakehouse/schema/tables/<capability>.py    toy_tables.py
    jobs/stages/<capability>/*.py              toy_feed.py, depot_load.py, customer_value.py
    conf/base.toml and the settings' file      toy_settings.py

No line of the house names them, and none of its stages comes after them.
"""
