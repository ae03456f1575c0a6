"""The SQL of batch onboarding."""
