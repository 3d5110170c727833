"""The admin function's HTTP layer: one module per resource."""
