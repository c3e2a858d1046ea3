"""The derived equations: adjoints by reverse mode, and the Jacobians of a step."""
