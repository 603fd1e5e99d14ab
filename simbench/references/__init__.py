"""References: truth -> video. The oracle, scripted cheats, damage of growing strength, and nuisances."""
