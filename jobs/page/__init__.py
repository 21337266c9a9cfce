"""A planner's page in the browser: exceptions, orders, series, decisions and uploads, results over time."""
