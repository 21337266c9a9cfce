"""What the command line and the notebooks show: tables in words, and in pictures that a planner or an engineer reads."""
