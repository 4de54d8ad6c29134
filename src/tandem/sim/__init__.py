"""A seeded, hostile world in virtual time that runs the real servers, and judges them after every step."""
