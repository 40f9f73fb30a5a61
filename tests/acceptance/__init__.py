"""The claims of each area, run against real servers: `make accept AREA=spine`."""
