"""Instruments: what turns pixels of a generated video into states. Each reports its own error."""
