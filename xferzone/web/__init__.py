"""The HTTP side: a falcon app, thin. Only this package knows falcon."""
