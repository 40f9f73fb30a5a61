"""The main job of Atrium, done as a user would do it: with stock clients against a running server."""
