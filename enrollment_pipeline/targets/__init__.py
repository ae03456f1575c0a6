"""Where an enrollment lands, one module per target."""
