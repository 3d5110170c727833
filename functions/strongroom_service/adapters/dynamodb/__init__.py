"""The secrets table: where items lie, how they are written, a quick reader and a careful writer."""
