"""The clean stage: films decoded once, checked, packed and reported on."""
