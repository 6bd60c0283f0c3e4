"""Runs the playbooks and turns what Ansible says into typed results."""
