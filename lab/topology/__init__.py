"""lab.yml, as frozen and validated values."""
