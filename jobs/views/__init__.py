"""What the review notebooks show: whose series, how accurate, in pictures a planner reads."""
