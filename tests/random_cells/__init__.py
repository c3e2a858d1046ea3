"""Random whole cells, held against an independent reference: `python -m tests.random_cells`."""
