"""The control plane: moves a module out into its service, live, and takes it back."""
