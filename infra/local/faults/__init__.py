"""A reverse proxy before the emulator that fails, delays or cuts off what a test or the demo names."""
