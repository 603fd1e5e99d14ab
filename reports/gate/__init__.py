"""Two runs of one suite compared: read, paired by scene, tested, judged, and written down for CI."""
