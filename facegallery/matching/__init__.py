"""From similarities to answers: who is named, and which face of a photo is meant."""
