"""HTTP: the only room, with factory.py and cli.py, that knows Flask."""
