"""The cells that are built in, and those that files and packages declare."""
