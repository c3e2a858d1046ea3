"""What modules are generated for: from a schedule to the lines that a template prints."""
