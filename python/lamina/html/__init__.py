"""HTML: the elements of pages and fragments, and what notebooks show of networks and results."""
