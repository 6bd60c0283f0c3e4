"""Programs for pods to run, so that a lab without any network has something to show."""
