"""Feature spaces: what a set of videos is compared in, and how its pictures are brought there."""
