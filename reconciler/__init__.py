"""The choices (a pure core) and the hands (adapters) of the StageSet controller."""

VERSION = "0.1.0"
