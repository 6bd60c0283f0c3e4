"""Virtual machines through Vagrant: libvirt or VirtualBox; real kernels, minutes instead of seconds."""
