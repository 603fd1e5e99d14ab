"""simbench: how far is a video model a simulator of its world?"""

__version__ = "0.1.0"
