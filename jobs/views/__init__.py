"""What the command line and the notebooks show: tables in words, and in pictures that planners and engineers read."""
