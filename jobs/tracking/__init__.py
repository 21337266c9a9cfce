"""What is told of a run to the tools that others look at: MLflow and OpenLineage. Off unless settings ask for it."""
