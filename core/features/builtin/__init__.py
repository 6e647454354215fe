"""Features that come with the core."""
