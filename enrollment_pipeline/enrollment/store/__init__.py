"""The statements of bulk enrollment, by table."""
