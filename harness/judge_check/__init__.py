"""How far a judge can be trusted: retests, damages, injections."""
