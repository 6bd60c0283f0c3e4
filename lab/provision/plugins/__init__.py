"""What Ansible loads from here (see ansible.cfg): the inventory, the way into a machine container, the events."""
