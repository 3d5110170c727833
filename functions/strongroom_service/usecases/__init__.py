"""What the platform does, one verb a module, over the ports of `ports.py`."""
