"""One coroutine per call, each reads like the manual."""
