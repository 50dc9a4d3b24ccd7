"""How the network that TinyCut ships was made; nothing of it is imported by the app."""
