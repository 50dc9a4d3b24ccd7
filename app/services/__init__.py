"""The work, in the terms of the product."""
