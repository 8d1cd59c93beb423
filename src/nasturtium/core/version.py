"""The version of this package, readable without importing anything else of it."""

VERSION = "0.1.0"
