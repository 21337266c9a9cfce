"""Jobs connect tables and maths: stages, the engine that drives them, and what people are shown."""
